"""Replays a Delta log on a local disk into its actions, as they were written. Blocking. As a module that is run it is
the rehearsal of such a replay.

`catalog.deltalog` tells what is in a table's files; this tells the log's own words for them, which a commit that takes
them away, or a clone that borrows them, has to repeat.

References: Delta protocol, sections "Action Reconciliation", "Checkpoints", "Delta Log Entries".
"""

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from catalog.confined import TakesTooMuch, Unfinished, perform
from catalog.errors import ProgramLimitExceeded, UnreadableTable
from catalog.excerpt import read_excerpt
from catalog.logfiles import LocalLog, commit_name, find_checkpoint, version_of
from catalog.rehearsal import rehearse, too_large

MOST_FILES = 200_000
"""Of a table that can be cloned: each costs about a kilobyte of memory, and of the clone's log."""
MOST_BYTES = 1 << 30
"""Of what a log says of these files, in memory: statistics of very many columns are long."""
_DEFINITION = ("protocol", "metaData")
_KINDS = (*_DEFINITION, "add")
_ITEM_BYTES = 48
_PARSED = "_parsed"
_ROWS = 1000
"""Of a checkpoint at once: making them Python's holds up all other threads."""
Action = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class LogState:
    """A log at a version: the fields of its latest `protocol` and `metaData`, and of each `add` that is live, by its
    path as the log spells it."""

    version: int
    protocol: Action
    metadata: Action
    files: Mapping[str, Action]


def newest_version(log: LocalLog) -> int:
    """The newest version of a log; -1 of one that has none, or is not there. Raises OSError."""
    try:
        names = log.list_names()
    except FileNotFoundError:
        return -1
    return max(map(version_of, names), default=-1)


def read_commit(log: LocalLog, version: int) -> Iterator[Mapping[str, Action]]:
    """The actions of one commit, each under its kind, one after the other. Raises OSError, ValueError."""
    return (_named(action) for action in log.read_actions(commit_name(version)))


def read_definition(log: LocalLog, version: int) -> LogState:
    """The log at `version` without its files, which may be many. Raises UnreadableTable."""
    return _replay(log, version, _DEFINITION)


def read_state(log: LocalLog, version: int) -> LogState:
    """The log at `version`. Raises UnreadableTable, ProgramLimitExceeded beyond MOST_FILES."""
    return _replay(log, version, _KINDS)


def _replay(log: LocalLog, version: int, kinds: Sequence[str]) -> LogState:
    try:
        with read_excerpt(log, version) as excerpt:
            folder = excerpt.log.location
            failure = rehearse((__name__, log.location), excerpt, __name__, folder, version, grows=True)
            if failure is None:
                return _Replay(excerpt.log, version, kinds).state()
    except TakesTooMuch as error:
        raise too_large("a Delta log", error) from error
    except Unfinished as error:
        failure = str(error)
    except (OSError, ValueError, KeyError, TypeError) as error:
        failure = f"{type(error).__name__}: {error}"
    raise UnreadableTable("the Delta log cannot be read", detail=failure[:300])


class _Replay:
    def __init__(self, log: LocalLog, version: int, kinds: Sequence[str]) -> None:
        self._log = log
        self._version = version
        self._kinds = kinds
        self._latest: dict[str, Action] = {}
        self._files: dict[str, Action] = {}
        self._bytes = 0

    def state(self) -> LogState:
        """The newest checkpoint and all commits after it, in order."""
        first = 0
        checkpoint = find_checkpoint(self._log.list_names(), self._version)
        if checkpoint is not None:
            first = checkpoint[0] + 1
            for action in _read_checkpoint(self._log, checkpoint[1], self._kinds):
                self._take(action)
        for version in range(first, self._version + 1):
            for action in read_commit(self._log, version):
                self._take(action)
        return LogState(self._version, self._latest["protocol"], self._latest["metaData"], self._files)

    def _take(self, action: Mapping[str, Action]) -> None:
        for kind, fields in action.items():
            if kind == "remove":
                self._forget(fields["path"])
            elif kind not in self._kinds:
                continue
            elif kind == "add":
                self._admit(fields)
            else:
                self._latest[kind] = fields

    def _forget(self, path: str) -> None:
        if (file := self._files.pop(path, None)) is not None:
            self._bytes -= _weigh(file)

    def _admit(self, file: Action) -> None:
        """Raises ProgramLimitExceeded."""
        self._forget(file["path"])
        self._files[file["path"]] = file
        self._bytes += _weigh(file)
        if len(self._files) > MOST_FILES:
            raise _too_many(f"{MOST_FILES} files")
        if self._bytes > MOST_BYTES:
            raise _too_many(f"{MOST_BYTES >> 20} MiB of statistics")


def _too_many(most: str) -> ProgramLimitExceeded:
    hint = "Write it outside a transaction block, or have fewer files (OPTIMIZE)."
    return ProgramLimitExceeded(f"a block writes tables of {most} at most", hint=hint)


def _read_checkpoint(log: LocalLog, names: Sequence[str], kinds: Sequence[str]) -> Iterator[Mapping[str, Action]]:
    for name in names:
        with log.open_file(name) as part, pq.ParquetFile(part) as file:
            columns = list(_find_columns(file.schema_arrow, kinds))
            for batch in file.iter_batches(_ROWS, columns=columns):
                for row in batch.to_pylist(maps_as_pydicts="strict"):
                    yield _named(row)


def _find_columns(schema: pa.Schema, kinds: Sequence[str]) -> Iterator[str]:
    """The fields that are read, without those that say others again, parsed."""
    for kind in kinds:
        for field in schema.field(kind).type:
            if not field.name.endswith(_PARSED):
                yield f"{kind}.{field.name}"


def _named(row: Mapping[str, Action | None]) -> Mapping[str, Action]:
    return {kind: _plain(fields) for kind, fields in row.items() if fields is not None}


def _plain(fields: Action) -> Action:
    """Without what is unknown, which some writers say and some leave out; NULLs among partition values are values."""
    return {
        name: _plain(value) if isinstance(value, dict) and name != "partitionValues" else value
        for name, value in fields.items()
        if value is not None and not name.endswith(_PARSED)
    }


def _weigh(value: Any) -> int:
    """About what it takes of memory, in bytes."""
    if isinstance(value, dict):
        return _ITEM_BYTES + sum(_ITEM_BYTES + _weigh(each) for each in value.values())
    if isinstance(value, list):
        return _ITEM_BYTES + sum(map(_weigh, value))
    return _ITEM_BYTES + (len(value) if isinstance(value, str) else 0)


def _try(folder: str, version: str) -> None:
    """What defines a table may lie behind more files than a state has."""
    log = LocalLog(folder, folder)
    try:
        _Replay(log, int(version), _KINDS).state()
    except ProgramLimitExceeded:
        _Replay(log, int(version), _DEFINITION).state()


if __name__ == "__main__":
    perform(lambda: _try(*sys.argv[1:]))
