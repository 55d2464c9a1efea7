"""Finds Delta tables below a folder, on this host's disk or in an object store. Synchronous and blocking.

A folder with a log is a table, and what lies in it is the table's. The walk is bounded in depth, folders and tables,
and says where it stopped. Hidden folders, whose names begin with ``_`` or ``.``, are passed by.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

from pyarrow import fs

from catalog.credentials import CredentialProvider
from catalog.errors import ProgramLimitExceeded, UndefinedObject, UnreadableTable
from catalog.locations import OBJECTS, is_object, normalize_location

_LOG = "_delta_log"
_HIDDEN = ("_", ".")


@dataclass(frozen=True, slots=True)
class Bounds:
    """How far a walk goes: folders below one another, and folders and tables in all."""

    depth: int = 8
    folders: int = 20_000
    tables: int = 1_000


def find_tables(location: str, workspace: str, credentials: CredentialProvider, bounds: Bounds) -> Iterator[str]:
    """The locations of the tables below that folder, itself included, each as soon as it is found.

    Raises InvalidParameterValue, UndefinedObject where no such folder is, ProgramLimitExceeded at a bound,
    InsufficientPrivilege and UnreadableTable where it cannot be listed.
    """
    location = normalize_location(location)
    opened = _open_store(workspace, location, credentials) if is_object(location) else fs.LocalFileSystem()
    scheme = OBJECTS if is_object(location) else ""
    try:
        yield from (scheme + found for found in _walk(opened, location.removeprefix(scheme), bounds))
    except FileNotFoundError as error:
        raise UndefinedObject(f"there is no folder {location}") from error
    except OSError as error:
        reason = str(error).splitlines()[0][:300]
        raise UnreadableTable(f"{location} cannot be listed", detail=reason) from error


def _walk(filesystem: fs.FileSystem, root: str, bounds: Bounds) -> Iterator[str]:
    waiting, folders, tables = deque([(root, 0)]), 0, 0
    while waiting:
        folder, depth = waiting.popleft()
        folders += 1
        if folders > bounds.folders:
            raise ProgramLimitExceeded(f"there are more than {bounds.folders} folders", hint="Name one further below.")
        if _is_folder(filesystem, f"{folder}/{_LOG}"):
            tables += 1
            if tables > bounds.tables:
                raise ProgramLimitExceeded(f"there are more than {bounds.tables} tables", hint="Name a folder below.")
            yield folder
        elif depth < bounds.depth:
            waiting += ((below, depth + 1) for below in _list_folders(filesystem, folder))


def _is_folder(filesystem: fs.FileSystem, path: str) -> bool:
    """In a store, whether anything lies below it."""
    (found,) = filesystem.get_file_info([path])
    return bool(found.type == fs.FileType.Directory)


def _list_folders(filesystem: fs.FileSystem, folder: str) -> list[str]:
    found = filesystem.get_file_info(fs.FileSelector(folder))
    names = [each.path for each in found if each.type == fs.FileType.Directory]
    return sorted(name for name in names if not name.rpartition("/")[2].startswith(_HIDDEN))


def _open_store(workspace: str, location: str, credentials: CredentialProvider) -> fs.FileSystem:
    """With what is lent for that folder; that of the whole bucket where there is no more to its name."""
    store, lent = credentials.store, credentials.lend(workspace, location)
    return fs.S3FileSystem(
        access_key=lent.access_key,
        secret_key=lent.secret_key,
        session_token=lent.token,
        region=store.region,
        endpoint_override=store.endpoint,
        force_virtual_addressing=not store.path_style,
        connect_timeout=5,
        request_timeout=20,
    )
