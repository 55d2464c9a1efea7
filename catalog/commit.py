"""Puts what a block has done to a table into the table's own log, as one commit. Blocking.

First the commit is written down beside the clone, then the files get their second names below the table, then the
commit gets its own in the log: a hard link, which is put only where nothing is. That alone is `put`: whoever holds what
others wait for does the rest before, with `prepare`. Before each try its version is written
down too. So whoever finds the folder of a process that is no more can tell whether it has happened: that commit file
has two names then, or the log has gone past that version and may have dropped one. `withdraw` clears up only where
neither is so. All of it is done as the table's owner (`catalog.owner`).

An outside commit in between is never undone. The block's goes behind it where it takes no files away, the outside one
has changed neither schema nor features, and one of the two at least is blind: has not read the table's rows, as a
change of its columns has not. Else it fails, naming both versions. The rule is that of Delta's WriteSerializable.

References: Delta protocol, sections "Delta Log Entries", "Commit Provenance Information"; Delta Lake documentation,
"Concurrency control".
"""

import logging
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from catalog.clone import Net, encode
from catalog.errors import SerializationFailure
from catalog.landing import Landing, find_tried
from catalog.logfiles import LocalLog
from catalog.names import TableName
from catalog.replay import Action, newest_version, read_commit

_log = logging.getLogger(__name__)
_DEFINITION = {"metaData", "protocol"}
"""What changes the table's schema, properties or features."""
_TAKEN_FROM_ONE = ("operation", "operationParameters", "operationMetrics")


@dataclass(frozen=True, slots=True)
class Origin:
    """What a commit goes behind: the table, its folder, from which folder on no link is followed to that, the id in its
    log, and the version that the block began with. `strict`: nothing may have happened since."""

    table: TableName
    location: str
    root: str
    id: str
    version: int
    strict: bool

    @property
    def log(self) -> LocalLog:
        return LocalLog(self.root, self.location)


class Commit:
    """A block's commit to a table's log. `folder` is the block's own, on the table's file system."""

    def __init__(
        self, origin: Origin, net: Net, history: Sequence[Action], folder: Path, *, reads: bool = False
    ) -> None:
        """`history` has the commit information of each of the block's writes; `reads` says that one has read the table
        by itself, of which its engine knows nothing."""
        self._origin = origin
        self._net = net
        self._history = history
        self._id = folder.name
        self._landing = Landing(folder, origin.location)
        self._next = origin.version + 1
        self._blind = not reads and not net.removes and all(_is_blind(write) for write in history)

    def prepare(self) -> None:
        """All that may take long: its files are below the table, where no version names them. `put` or `take_back` is
        next. Raises SerializationFailure, OSError; the table is as it was then, but that files which cannot be taken
        back stay."""
        self._next = self._admit(self._origin.version) + 1
        self._landing.note(self._next)
        self._landing.write_commit(self._lines())
        try:
            self._landing.add((found, file["path"]) for file, found in self._net.adds)
        except BaseException:
            self.take_back()
            raise

    def put(self) -> int:
        """The version that it became. Raises what `prepare` raises, and leaves then what that does."""
        try:
            self._follow()
            while not self._landing.put(self._next):
                self._follow()
        except BaseException:
            self.take_back()
            raise
        return self._next

    def take_back(self) -> None:
        """It is not put. Raises OSError."""
        self._landing.take_back()

    def _follow(self) -> None:
        """Goes behind what has come meanwhile."""
        version = self._admit(self._next - 1) + 1
        if version != self._next:
            self._next = version
            self._landing.note(version)

    def _admit(self, seen: int) -> int:
        """The newest version, if the commit may go behind it; up to `seen` it may. Raises SerializationFailure."""
        newest = newest_version(self._origin.log)
        if newest < seen:
            raise replaced(self._origin.table)
        if not all(self._goes_behind(version) for version in range(seen + 1, newest + 1)):
            raise overtaken(self._origin.table, self._origin.version, newest)
        return newest

    def _goes_behind(self, version: int) -> bool:
        if self._origin.strict or self._net.removes:
            return False
        try:
            told = _tell(read_commit(self._origin.log, version))
        except (FileNotFoundError, ValueError):
            # Clean-up has taken it, or it is damaged: what it did is not known.
            return False
        return not told.keys() & _DEFINITION and (self._blind or _is_blind(told.get("commitInfo", {})))

    def _lines(self) -> Iterator[str]:
        yield encode("commitInfo", self._provenance())
        for kind, fields in self._net.definition.items():
            yield encode(kind, fields)
        for file in self._net.removes:
            yield encode("remove", file)
        for file, _ in self._net.adds:
            yield encode("add", file)

    def _provenance(self) -> dict[str, Any]:
        """Of a single write its own; of several that it was a transaction."""
        writes = str(len(self._history))
        own = {
            "operation": "TRANSACTION",
            "operationParameters": {"writes": writes},
            "operationMetrics": {
                "numAddedFiles": str(len(self._net.adds)),
                "numRemovedFiles": str(len(self._net.removes)),
            },
        }
        if len(self._history) == 1:
            own |= {name: self._history[0][name] for name in _TAKEN_FROM_ONE if name in self._history[0]}
        seen = {"readVersion": self._origin.version} if self._origin.version >= 0 else {}
        return {
            "timestamp": time.time_ns() // 1_000_000,
            **own,
            **seen,
            "isolationLevel": "Serializable" if self._origin.strict or self._net.removes else "WriteSerializable",
            "isBlindAppend": self._blind,
            "engineInfo": "Lakegate",
            "txnId": self._id,
        }


def overtaken(table: TableName, seen: int, newest: int) -> SerializationFailure:
    """The error for a table that has moved under a block."""
    return SerializationFailure(
        "could not serialize access due to concurrent update",
        detail=f"Table {table} was at version {seen} for this transaction, and is at version {newest} now.",
        hint="Run the transaction again: nothing of it has been written.",
    )


def replaced(table: TableName) -> SerializationFailure:
    """The error for a table that is another one now, of the same name."""
    return SerializationFailure(
        "could not serialize access due to concurrent update",
        detail=f"Table {table} was made anew since this transaction has written it.",
        hint="Run the transaction again: nothing of it has been written.",
    )


def withdraw(folder: Path) -> None:
    """Takes back the names that a commit has given to its files, unless it has happened, or may have. Names outside its
    workspace stay, of files that no version names: machines may have written which those are. Raises OSError, and more
    where others have written what lies there."""
    found = find_tried(folder)
    if found is None:
        return
    landing, version = found
    if not landing.is_within:
        _log.warning("%s may have left files in %.300r, outside its workspace", landing.folder, landing.location)
    elif landing.newest() < version:
        landing.take_back()


def _tell(actions: Iterable[Mapping[str, Action]]) -> Mapping[str, Action]:
    """Of a commit the last action of each kind, whatever number of files it has."""
    return {kind: fields for action in actions for kind, fields in action.items()}


def _is_blind(told: Action) -> bool:
    """Whether a commit says that it has added files and read nothing of the table. delta-rs says so of none, and reads
    nothing for its appends."""
    if "isBlindAppend" in told or "delta-rs" not in str(told.get("engineInfo")):
        return told.get("isBlindAppend") is True
    return told.get("operation") == "WRITE" and told.get("operationParameters", {}).get("mode") == "Append"
