"""Tars that depend on nothing but their content: sorted, with fixed times and owners."""

import io
import os
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from deploy.guest.recipe import EPOCH


@dataclass(frozen=True, slots=True)
class Entry:
    """A file (`content`, or `source` for one that is not to be held in memory), a symbolic link (`target`) or, with
    none of these, a folder. Owners have no say, and times only where a program asks for them."""

    mode: int
    content: bytes | None = None
    target: str | None = None
    source: Path | None = None
    time: int = EPOCH


def write(path: Path, entries: Mapping[str, Entry]) -> None:
    """Entries by path, which are relative and have no trailing slash. Missing parents are added."""
    whole = {parent: Entry(0o755) for name in entries for parent in _parents(name)} | dict(entries)
    with tarfile.open(path, "w", format=tarfile.GNU_FORMAT) as tar:
        for name in sorted(whole):
            _add(tar, name, whole[name])


def read(path: Path) -> dict[str, Entry]:
    """What a tar holds; hard links become files, devices and the like are left out."""
    entries: dict[str, Entry] = {}
    with tarfile.open(path) as tar:
        for member in tar:
            name = os.path.normpath(member.name)
            if member.isdir():
                entries[name] = Entry(member.mode)
            elif member.issym():
                entries[name] = Entry(0o777, target=member.linkname)
            elif (file := tar.extractfile(member) if member.isfile() or member.islnk() else None) is not None:
                entries[name] = Entry(member.mode & 0o755, file.read())
    entries.pop(".", None)
    return entries


def read_folder(folder: Path, prefix: str) -> dict[str, Entry]:
    """The files of a folder, to be found below `prefix`."""
    return {
        f"{prefix}/{path.relative_to(folder).as_posix()}": Entry(0o755 if os.access(path, os.X_OK) else 0o644, content)
        for path in sorted(folder.rglob("*"))
        if path.is_file() and (content := path.read_bytes()) is not None
    }


def unpack(path: Path, folder: Path) -> None:
    """Lays a layer over what is in the folder."""
    for name, entry in read(path).items():
        target = folder / name
        if entry.target is not None:
            target.symlink_to(entry.target)
        elif entry.content is not None:
            target.write_bytes(entry.content)
            target.chmod(entry.mode)
        else:
            target.mkdir(mode=0o755, exist_ok=True)


def _parents(name: str) -> list[str]:
    return [str(parent) for parent in Path(name).parents if str(parent) != "."]


def _add(tar: tarfile.TarFile, name: str, entry: Entry) -> None:
    member = tarfile.TarInfo(name)
    member.mode, member.mtime = entry.mode, entry.time
    if entry.source is not None:
        member.size = entry.source.stat().st_size
        with entry.source.open("rb") as file:
            return tar.addfile(member, file)
    if entry.target is not None:
        member.type, member.linkname = tarfile.SYMTYPE, entry.target
    elif entry.content is None:
        member.type = tarfile.DIRTYPE
    else:
        member.size = len(entry.content)
    tar.addfile(member, io.BytesIO(entry.content) if entry.content is not None else None)
