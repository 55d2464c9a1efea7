"""Snapshots kept and brought up to date by the log's new commits only. Blocking reads run in crews' threads.

A log on a local disk that has not changed is known by a look at its folder, which costs microseconds; asking delta-rs
costs a millisecond of thread switches.
"""

import asyncio
import os
import re
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TypeVar

from deltalake import DeltaTable
from deltalake.exceptions import DeltaError, TableNotFoundError

from catalog.confined import TakesTooMuch, Unfinished
from catalog.credentials import STORE_HINT, CredentialProvider, log_options
from catalog.crews import Crews
from catalog.deltalog import read_snapshot
from catalog.errors import FeatureNotSupported, InsufficientPrivilege, InvalidParameterValue, SqlError, UnreadableTable
from catalog.local import OpenLog, find_versions, open_log, update_log
from catalog.locations import is_object, root_of
from catalog.logfiles import MEND, LocalLog
from catalog.names import TableName
from catalog.rehearsal import too_large
from catalog.snapshots import Snapshot
from catalog.unsupported import read_unsupported

MOST_TABLES = 512
MOST_SNAPSHOTS = 1024
MOST_BYTES = 512 * 2**20
MOST_LOG_BYTES = 1 << 30
"""Of the logs that are kept as delta-rs has read them; one alone may be larger."""
_REFUSALS = ("Unsupported", "catalog-managed")
_REFUSED = re.compile(r"\b(403|401)\b|AccessDenied|PermissionDenied|Unauthenticated|lacked the required privileges")
T = TypeVar("T")
_Look = tuple[int, int, int]
_Place = tuple[str, str]
"""A location, and the workspace whose credentials read it if it lies in a store: another's may not."""


class _OpenTable:
    """A location's log, read by one thread at a time. `newest` is its version while its folder looks as `seen`, and
    `commit` is how that version's file looks. `options` are what delta-rs was given to open it."""

    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self.log: OpenLog | None = None
        self.options: Mapping[str, str] = {}
        self.newest = -1
        self.seen: _Look | None = None
        self.commit: _Look | None = None


class SnapshotCache:
    """One for a catalog. `credentials` are for logs in an object store, None where there is none. Below
    `warehouse_root` machines write, in workspaces' folders."""

    def __init__(
        self, credentials: CredentialProvider | None = None, warehouse_root: str = "/", crews: Crews | None = None
    ) -> None:
        self._warehouse_root = warehouse_root
        self._credentials = credentials
        self._crews = crews or Crews()
        self._tables: OrderedDict[_Place, _OpenTable] = OrderedDict()
        self._snapshots: OrderedDict[tuple[_Place, int], Snapshot] = OrderedDict()
        self._bytes = 0

    def close(self) -> None:
        self._crews.close()

    def forget(self, location: str) -> None:
        """Drops what is kept of a local table that is no more."""
        self._tables.pop((location, ""), None)
        self._forget((location, ""))

    async def read(self, workspace: str, name: TableName, location: str, version: int | None = None) -> Snapshot:
        """The snapshot of a workspace's table at `version`, or the newest as of now.

        Raises UnreadableTable when the log is gone or damaged, InvalidParameterValue for a version that is not there,
        InsufficientPrivilege and StoreUnavailable where it lies in a store.
        """
        place = location, workspace if is_object(location) else ""
        if version is not None and (kept := self._find(name, place, version)):
            return kept
        table = self._open(place)
        if version is None and _is_unchanged(table, location) and (kept := self._find(name, place, table.newest)):
            return kept
        async with table.lock:
            if version is not None and (kept := self._find(name, place, version)):
                return kept
            if version is not None:
                return self._keep(place, await self._run(workspace, lambda: self._read_version(name, place, version)))
            try:
                return await self._read_newest(workspace, name, place, table)
            except (asyncio.CancelledError, SqlError):
                # A thread may be busy with it for ever.
                table.log = None
                raise

    async def _read_newest(self, workspace: str, name: TableName, place: _Place, table: _OpenTable) -> Snapshot:
        location = place[0]
        if table.commit != _look(_commit_path(location, table.newest)):
            self._forget(place)
            table.log = None
        seen, table.seen = _look(f"{location}/_delta_log"), None
        log = await self._run(workspace, lambda: self._refresh(name, place, table))
        if log is None:
            return await self._run(workspace, lambda: self._read_unsupported(name, location))
        table.newest, table.seen = log.table.version(), seen
        table.commit = _look(_commit_path(location, table.newest))
        if kept := self._find(name, place, table.newest):
            return kept
        snapshot = await self._run(workspace, lambda: _guard(name, lambda: _read_snapshot(log, name, location)))
        self._let_go()
        return self._keep(place, snapshot)

    def _refresh(self, name: TableName, place: _Place, table: _OpenTable) -> OpenLog | None:
        """The log at its newest version; None when delta-rs cannot read a table with such features."""
        kept, table.log = table.log, None
        read = self._read_stored if is_object(place[0]) else self._read_local
        try:
            table.log = _guard(name, lambda: read(place, table, kept))
        except _UnsupportedFeature:
            return None
        return table.log

    def _read_local(self, place: _Place, _table: _OpenTable, kept: OpenLog | None) -> OpenLog:
        log = self._log(place[0])
        return open_log(log) if kept is None else update_log(log, kept)

    def _read_stored(self, place: _Place, table: _OpenTable, kept: OpenLog | None) -> OpenLog:
        options = self._options(place)
        if kept is None or options != table.options:
            table.options = options
            return OpenLog(DeltaTable(place[0], storage_options=dict(options)))
        kept.table.update_incremental()
        return kept

    def _log(self, location: str) -> LocalLog:
        return LocalLog(root_of(location, self._warehouse_root), location)

    def _options(self, place: _Place) -> Mapping[str, str]:
        """delta-rs has no way to renew credentials: a log is opened anew with new ones."""
        location, workspace = place
        if not is_object(location) or self._credentials is None:
            return {}
        return log_options(self._credentials.store, self._credentials.lend(workspace, location))

    def _read_version(self, name: TableName, place: _Place, version: int) -> Snapshot:
        read = self._read_stored_version if is_object(place[0]) else self._read_local_version
        try:
            return _guard(name, lambda: read(name, place, version))
        except _UnsupportedFeature:
            return _require_newest(self._read_unsupported(name, place[0]), version)

    def _read_local_version(self, name: TableName, place: _Place, version: int) -> Snapshot:
        log = self._log(place[0])
        _require_version(name, version, *find_versions(log))
        return _read_snapshot(open_log(log, version), name, place[0])

    def _read_stored_version(self, name: TableName, place: _Place, version: int) -> Snapshot:
        """delta-rs reads all commits for the oldest version."""
        log = self._read_stored(place, _OpenTable(), None)
        oldest = min((commit["version"] for commit in log.table.history()), default=log.table.version())
        _require_version(name, version, oldest, log.table.version())
        log.table.load_as_version(version)
        return _read_snapshot(log, name, place[0])

    def _read_unsupported(self, name: TableName, location: str) -> Snapshot:
        """Raises FeatureNotSupported in a store: only Spark reads such tables, and not from there."""
        if is_object(location):
            raise FeatureNotSupported(f"table {name} has reader features that cannot be read from an object store here")
        log = self._log(location)
        snapshot = _guard(name, lambda: read_unsupported(name, log))
        return replace(snapshot, root=str(log.root))

    async def _run(self, workspace: str, work: Callable[[], T]) -> T:
        return await self._crews.run(workspace, work)

    def _open(self, place: _Place) -> _OpenTable:
        table = self._tables.setdefault(place, _OpenTable())
        self._tables.move_to_end(place)
        if len(self._tables) > MOST_TABLES:
            self._tables.popitem(last=False)
        return table

    def _let_go(self) -> None:
        """Of what was read of logs that nobody has asked for lately: they are read anew."""
        left = MOST_LOG_BYTES
        for number, table in enumerate(reversed(self._tables.values())):
            left -= 0 if table.log is None else table.log.size
            if left < 0 and number > 0:
                table.log = None

    def _find(self, name: TableName, place: _Place, version: int) -> Snapshot | None:
        """The same object wherever possible, because what is derived from it may be remembered by it: another only once
        the table has got another name."""
        snapshot = self._snapshots.get((place, version))
        if snapshot is None:
            return None
        if snapshot.table != name:
            snapshot = self._snapshots[place, version] = replace(snapshot, table=name)
        self._snapshots.move_to_end((place, version))
        return snapshot

    def _forget(self, place: _Place) -> None:
        """Another table lies there now, or none."""
        for key in [key for key in self._snapshots if key[0] == place]:
            self._bytes -= self._snapshots.pop(key).files.nbytes

    def _keep(self, place: _Place, snapshot: Snapshot) -> Snapshot:
        snapshot = replace(snapshot, root=root_of(place[0], self._warehouse_root))
        self._snapshots[place, snapshot.version] = snapshot
        self._bytes += snapshot.files.nbytes
        while len(self._snapshots) > MOST_SNAPSHOTS or (self._bytes > MOST_BYTES and len(self._snapshots) > 1):
            self._bytes -= self._snapshots.popitem(last=False)[1].files.nbytes
        return snapshot


def _look(path: str) -> _Look | None:
    """What tells a local file from one that takes its place, and a folder from itself with a file more or less; None
    where nothing is, or elsewhere."""
    if not path.startswith("/"):
        return None
    try:
        state = os.stat(path)
    except OSError:
        return None
    return state.st_dev, state.st_ino, state.st_mtime_ns


def _commit_path(location: str, version: int) -> str:
    return f"{location}/_delta_log/{version:020}.json"


def _is_unchanged(table: _OpenTable, location: str) -> bool:
    """Whether the version that was found last is the newest still.

    A folder's time is as coarse as the kernel's tick, so the next commit is looked for as well.
    """
    if table.seen is None or table.seen != _look(f"{location}/_delta_log"):
        return False
    return not os.path.exists(_commit_path(location, table.newest + 1))


def require_log(name: TableName, location: str) -> None:
    """delta-rs takes a log that has vanished for one without news; on a local disk looking costs nothing. Raises
    UnreadableTable."""
    if location.startswith("/") and not os.path.isdir(f"{location}/_delta_log"):
        raise UnreadableTable(f"the Delta log of table {name} is missing", hint=MEND)


class _UnsupportedFeature(Exception):
    """delta-rs refuses to open the table at all."""


def _require_newest(snapshot: Snapshot, version: int) -> Snapshot:
    if snapshot.version != version:
        raise FeatureNotSupported(
            f"table {snapshot.table} has reader features that allow no time travel here",
            detail=f"Its reader features are {', '.join(sorted(snapshot.reader_features))}.",
        )
    return snapshot


def _require_version(name: TableName, version: int, oldest: int, newest: int) -> None:
    """Raises InvalidParameterValue."""
    if not oldest <= version <= newest:
        raise InvalidParameterValue(
            f"table {name} has no version {version}", hint=f"It has the versions {oldest} to {newest}."
        )


def _read_snapshot(log: OpenLog, name: TableName, location: str) -> Snapshot:
    snapshot = read_snapshot(log.table, name, location, has_vectors=log.has_vectors)
    log.count(snapshot.files.num_rows)
    return snapshot


def _guard(name: TableName, work: Callable[[], T]) -> T:
    """Reads a log and gives the errors our words."""
    try:
        return work()
    except (TableNotFoundError, FileNotFoundError) as error:
        raise UnreadableTable(f"the Delta log of table {name} is missing", hint=MEND) from error
    except TakesTooMuch as error:
        raise too_large(f"the Delta log of table {name}", error) from error
    except (DeltaError, OSError, Unfinished) as error:
        raise _reworded(name, error) from error


def _reworded(name: TableName, error: Exception) -> Exception:
    if isinstance(error, NotADirectoryError):
        error = NotADirectoryError("it is, or lies below, a link")
    if _REFUSED.search(str(error)):
        return InsufficientPrivilege(
            f"the object store refuses the gateway the Delta log of table {name}", hint=STORE_HINT
        )
    if any(refusal in str(error) for refusal in _REFUSALS):
        return _UnsupportedFeature()
    reason = str(error).splitlines()[0][:300]
    return UnreadableTable(f"the Delta log of table {name} cannot be read", detail=reason, hint=MEND)
