"""A shallow clone: a log of its own over another table's files, where a block writes what nobody else may see yet.

Its first commit names the other table's files by their absolute paths; engines add files below its own folder and take
any of them away. `net_actions` tells what that comes to, in the words of the table's own log. What is not understood to
survive this is refused: deletion vectors, change data, row tracking, and whatever else a commit would have to say more
about. The clone's columns may become others. Blocking.

References: Delta protocol, sections "Add File and Remove File", "Table Features", "Valid Feature Names".
"""

import json
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from urllib.parse import quote, unquote

from catalog.beneath import open_below, walk
from catalog.errors import FeatureNotSupported, InternalError
from catalog.features import NEWEST_READER, NEWEST_WRITER, OF_CHANGES, OF_COMMITS, UNDERSTOOD, find_in_use
from catalog.logfiles import LOG, LocalLog, commit_name
from catalog.replay import Action, LogState

HINT = "Run the statement outside a transaction block; each write is atomic by itself."
"""What to do with a table that a block does not write."""


@dataclass(frozen=True, slots=True)
class Net:
    """What a block has done to a table: files to add, with the path of each from the folder of all its clones, files to
    remove, and what it has become, by the kinds of these actions."""

    adds: Sequence[tuple[Action, str]]
    removes: Sequence[Action]
    definition: Mapping[str, Action]

    def __bool__(self) -> bool:
        return bool(self.adds or self.removes or self.definition)


def admit_state(state: LogState) -> None:
    """Raises FeatureNotSupported for a table that a block does not write."""
    found = _obstacle(state)
    if found is not None:
        raise FeatureNotSupported(f"a transaction block does not write a table with {found}", hint=HINT)


def _obstacle(state: LogState) -> str | None:
    protocol, configuration = state.protocol, state.metadata.get("configuration") or {}
    named = {*protocol.get("readerFeatures", ()), *protocol.get("writerFeatures", ())}
    if unknown := named - UNDERSTOOD:
        return f"the feature {min(unknown)}"
    if protocol["minReaderVersion"] > NEWEST_READER or protocol["minWriterVersion"] > NEWEST_WRITER:
        return "a newer protocol"
    if what := find_in_use(configuration, {**OF_CHANGES, **OF_COMMITS}):
        return what
    if "delta.identity." in state.metadata["schemaString"]:
        return "identity columns"
    return "deletion vectors" if any("deletionVector" in file for file in state.files.values()) else None


def write_clone(folder: Path, state: LogState, location: str | Path) -> None:
    """Makes the clone's folder, in a block's in one of its workspace's, and its first commit: what the log of
    `location` came to, its files by absolute path. Raises OSError."""
    log = LocalLog(folder.parents[2], folder)
    with walk(log.root, log.path, make=True):
        commit = open_below(log.root, log.path / commit_name(0), os.O_WRONLY | os.O_CREAT | os.O_EXCL)
    with open(commit, "w", encoding="utf-8") as file:
        file.writelines(_lines(state, _placed(state.files, location)))


def _lines(state: LogState, files: Mapping[str, Action]) -> Iterator[str]:
    yield encode("commitInfo", {"timestamp": time.time_ns() // 1_000_000, "operation": "CLONE"})
    yield encode("protocol", state.protocol)
    yield encode("metaData", state.metadata)
    for path, file in files.items():
        yield encode("add", {**file, "path": path, "dataChange": False})


def encode(kind: str, fields: Action) -> str:
    """One action as a line of a commit."""
    return json.dumps({kind: fields}, separators=(",", ":")) + "\n"


def place(path: str, location: str | Path) -> str:
    """A path as `location`'s log spells it, for a log elsewhere: absolute, percent-encoded as URLs are."""
    if "://" in path or path.startswith(("/", "file:")):
        return path
    return f"file://{quote(str(location))}/{path}"


def _placed(files: Mapping[str, Action], location: str | Path) -> Mapping[str, Action]:
    """These files by the paths that they have in a log elsewhere."""
    return {place(path, location): file for path, file in files.items()}


def net_actions(base: LogState, location: str, clone: LogState, folder: Path) -> Net:
    """What turned `base`, the log of `location`, into `clone`, the log of one of the folders beside each other of which
    `folder` is the latest. Raises FeatureNotSupported where the clone has come to what a block does not write."""
    admit_state(clone)
    before, after = _placed(base.files, location), _placed(clone.files, folder)
    adds = tuple(_find_added(file, path, folder.parent) for path, file in after.items() if path not in before)
    removes = tuple(remove(file) for path, file in before.items() if path not in after)
    return Net(adds, removes, _definition(base, clone))


def _definition(base: LogState, clone: LogState) -> Mapping[str, Action]:
    """The actions that say what has changed beside files."""
    changed: dict[str, Action] = {}
    if _demands(clone.protocol) != _demands(base.protocol):
        changed["protocol"] = clone.protocol
    if _form(clone.metadata) != _form(base.metadata):
        changed["metaData"] = clone.metadata
    return changed


def _demands(protocol: Action) -> tuple[object, ...]:
    features = {*protocol.get("readerFeatures", ())}, {*protocol.get("writerFeatures", ())}
    return features, protocol["minReaderVersion"], protocol["minWriterVersion"]


def _form(metadata: Action) -> tuple[object, ...]:
    return metadata["schemaString"], metadata["partitionColumns"], metadata.get("configuration", {})


def _find_added(file: Action, path: str, folders: Path) -> tuple[Action, str]:
    """The file as the table's log shall have it: at the same place below its folder as below the clone's."""
    parent = f"file://{quote(str(folders))}/"
    if not path.startswith(parent):
        raise InternalError("a block has added a file that is not its own")
    found = path.removeprefix(parent)
    if LOG in PurePosixPath(unquote(found)).parts:
        raise InternalError("a block has added a file of a log")
    return {**file, "path": found.partition("/")[2], "dataChange": True}, unquote(found)


def remove(file: Action) -> Action:
    """The action that takes a file away."""
    return {
        "path": file["path"],
        "deletionTimestamp": time.time_ns() // 1_000_000,
        "dataChange": True,
        "extendedFileMetadata": True,
        "partitionValues": file.get("partitionValues", {}),
        "size": file["size"],
    }
