"""Replays a Delta log on a local disk into its actions, as they were written. Blocking. As a module that is run it is
the rehearsal of such a replay.

`catalog.deltalog` tells what is in a table's files; this tells the log's own words for them, which a commit that takes
them away, or a clone that borrows them, has to repeat.

References: Delta protocol, sections "Action Reconciliation", "Checkpoints", "Delta Log Entries".
"""

import re
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from catalog.confined import perform
from catalog.errors import ProgramLimitExceeded, UnreadableTable
from catalog.logfiles import LocalLog
from catalog.rehearsal import rehearse

MOST_FILES = 200_000
"""Of a table that can be cloned: each costs about a kilobyte of memory, and of the clone's log."""
_COMMIT = re.compile(r"([0-9]{20})\.json")
_CHECKPOINT = re.compile(r"(\d{20})\.checkpoint(?:\.\d{10}\.(\d{10}))?\.parquet")
_DEFINITION = ("protocol", "metaData")
_KINDS = (*_DEFINITION, "add")
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


def commit_name(version: int) -> str:
    """What a version's commit is called in its log."""
    return f"{version:020}.json"


def newest_version(log: LocalLog) -> int:
    """The newest version of a log; -1 of one that has none, or is not there. Raises OSError."""
    try:
        names = log.list_names()
    except FileNotFoundError:
        return -1
    return max(map(_version_of, names), default=-1)


def oldest_version(log: LocalLog) -> int:
    """The oldest version that has a commit; -1 without any. Raises OSError."""
    return min((version for version in map(_version_of, log.list_names()) if version >= 0), default=-1)


def read_commit(log: LocalLog, version: int) -> Sequence[Mapping[str, Action]]:
    """The actions of one commit, each under its kind. Raises OSError, ValueError."""
    return [_named(action) for action in log.read_actions(commit_name(version))]


def read_definition(log: LocalLog, version: int) -> LogState:
    """The log at `version` without its files, which may be many. Raises UnreadableTable."""
    return _replay(log, version, _DEFINITION)


def read_state(log: LocalLog, version: int) -> LogState:
    """The log at `version`. Raises UnreadableTable, ProgramLimitExceeded beyond MOST_FILES."""
    return _replay(log, version, _KINDS)


def _replay(log: LocalLog, version: int, kinds: Sequence[str]) -> LogState:
    try:
        failure = _rehearse(log, version)
        if failure is None:
            return _Replay(log, version, kinds).state()
    except (OSError, ValueError, KeyError, TypeError) as error:
        failure = f"{type(error).__name__}: {error}"
    raise UnreadableTable("the Delta log cannot be read", detail=failure[:300])


def _rehearse(log: LocalLog, version: int) -> str | None:
    """Tries what is read at `version`, for all kinds at once. Raises OSError."""
    at, parts = _find_checkpoint(log, version) or (-1, ())
    read = [file for file in log.list_files() if file.name in parts or at < _version_of(file.name) <= version]
    return rehearse((__name__, log.location), read, __name__, log.root, log.location, version)


class _Replay:
    def __init__(self, log: LocalLog, version: int, kinds: Sequence[str]) -> None:
        self._log = log
        self._version = version
        self._kinds = kinds
        self._latest: dict[str, Action] = {}
        self._files: dict[str, Action] = {}

    def state(self) -> LogState:
        """The newest checkpoint and all commits after it, in order."""
        first = 0
        checkpoint = _find_checkpoint(self._log, self._version)
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
                self._files.pop(fields["path"], None)
            elif kind not in self._kinds:
                continue
            elif kind == "add":
                self._files[fields["path"]] = fields
                self._admit_size()
            else:
                self._latest[kind] = fields

    def _admit_size(self) -> None:
        if len(self._files) > MOST_FILES:
            raise ProgramLimitExceeded(
                f"a block writes tables of {MOST_FILES} files at most", hint="Write it outside a transaction block."
            )


def _find_checkpoint(log: LocalLog, version: int) -> tuple[int, Sequence[str]] | None:
    """The newest whole checkpoint up to `version`, with its files' names."""
    parts = defaultdict[tuple[int, int], list[str]](list)
    for name in log.list_names():
        if found := _CHECKPOINT.fullmatch(name):
            parts[int(found[1]), int(found[2] or 1)].append(name)
    whole = [(at, names) for (at, count), names in parts.items() if at <= version and len(names) == count]
    return max(whole, default=None)


def _read_checkpoint(log: LocalLog, names: Sequence[str], kinds: Sequence[str]) -> Iterator[Mapping[str, Action]]:
    for name in names:
        with log.open_file(name) as part, pq.ParquetFile(part) as file:
            columns = list(_find_columns(file.schema_arrow, kinds))
            for batch in file.iter_batches(_ROWS, columns=columns):
                for row in batch.to_pylist(maps_as_pydicts="strict"):
                    yield _named(row)


def _version_of(name: str) -> int:
    """-1 for what is no commit."""
    found = _COMMIT.fullmatch(name)
    return int(found[1]) if found else -1


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


def _try(root: str, location: str, version: str) -> None:
    """What defines a table may lie behind more files than a state has."""
    log = LocalLog(root, location)
    try:
        _Replay(log, int(version), _KINDS).state()
    except ProgramLimitExceeded:
        _Replay(log, int(version), _DEFINITION).state()


if __name__ == "__main__":
    perform(lambda: _try(*sys.argv[1:]))
