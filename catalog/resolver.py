"""Names to what a statement may do with them: entries of the inventory, snapshots, and what stands behind views.

Partner of `catalog.catalog`, which opens workspaces and carries out changes.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from catalog.control import ControlDatabase
from catalog.definitions import Definitions
from catalog.errors import FeatureNotSupported, ObjectNotInPrerequisiteState, ProgramLimitExceeded
from catalog.expansion import MOST_BEHIND
from catalog.inventory import Inventory, TableEntry
from catalog.locations import fresh_location
from catalog.lookup import find_current_schema, find_entries, is_unknown
from catalog.names import Role, TableName, TableReference
from catalog.principals import Directory, Principal
from catalog.resolution import Resolution, ResolvedTable, ResolvedView
from catalog.resolution_cache import Question, ResolutionCache
from catalog.snapshot_cache import SnapshotCache
from catalog.snapshots import Snapshot
from catalog.tables import sync_table

if TYPE_CHECKING:
    from catalog.leftovers import Leftovers
    from catalog.observations import Observations

Pins = Mapping[str, int]
"""Versions by where their tables lie: another may get a table's name."""
_Read = dict[tuple[TableName, int | None], Snapshot]
"""By table and the version that was asked for: each table has one newest version in a statement."""
_NAMED_ONLY = (Role.OBJECT, Role.CREATE)


@dataclass(frozen=True, slots=True)
class Workspace:
    """What resolving needs of one."""

    name: str
    database: ControlDatabase[Inventory]
    observations: "Observations"
    leftovers: "Leftovers"


class Resolver:
    """One for a catalog."""

    def __init__(self, snapshots: SnapshotCache, warehouse_root: str) -> None:
        self._snapshots = snapshots
        self._warehouse_root = warehouse_root
        self._resolutions = ResolutionCache()

    async def resolve(
        self,
        question: Question,
        directory: Directory,
        workspace: Workspace,
        pins: Pins,
        definitions: Definitions | None = None,
    ) -> Resolution:
        """See `Catalog.resolve`."""
        if definitions is not None:
            return await self._resolve(question, directory, _InBlock(workspace, definitions), pins)
        inventory = await workspace.database.read()
        recent = self._resolutions.find(question, directory, inventory)
        if recent is None or not await self._is_newest(recent, pins):
            recent = await self._resolve(question, directory, _Shared(workspace), pins)
            self._resolutions.keep(question, directory, workspace.database.state, recent)
        return recent

    async def _resolve(self, question: Question, directory: Directory, view: "_Shared", pins: Pins) -> Resolution:
        who, name, references, search_path, temporary = question
        inventory = await view.read()
        found = find_entries(references, inventory, who, name, search_path, temporary)
        if any(is_unknown(ref, inventory, temporary) for ref in references if ref not in found):
            inventory = await view.confirm()
            found = find_entries(references, inventory, who, name, search_path, temporary)
        reading = _Reading(inventory, directory, who, pins)
        read = await self._read(name, reading, found)
        if await self._follow_schemas(view, inventory, read):
            inventory = view.state
            found = {ref: inventory.tables.get(entry.name, entry) for ref, entry in found.items()}
            reading = _Reading(inventory, directory, who, pins)
        current = find_current_schema(inventory, who, search_path)
        return Resolution(
            principal=who,
            workspace=name,
            catalog_version=directory.version + inventory.version,
            tables={ref: reading.resolve(ref, entry, read) for ref, entry in found.items()},
            schemas={schema: entry.privileges(who) for schema, entry in inventory.schemas.items()},
            current_schema=current,
            new_location=self._new_location(name, references, current),
            volatile_functions=inventory.volatile_functions,
        )

    async def _is_newest(self, resolution: Resolution, pins: Pins) -> bool:
        """Whether its tables would be read at the same snapshots again, now and with these pins."""
        for reference, table in resolution.tables.items():
            for known in table.snapshots():
                version = reference.version if reference.version is not None else pins.get(known.location)
                if await self._snapshots.read(resolution.workspace, known.table, known.location, version) is not known:
                    return False
        return True

    async def _read(self, workspace: str, reading: "_Reading", found: Mapping[TableReference, TableEntry]) -> _Read:
        wanted = {
            (entry.name, version): entry
            for ref, named in found.items()
            for entry, version in reading.snapshots_of(ref, named)
        }
        return {
            (name, version): await self._snapshots.read(workspace, name, entry.location, version)
            for (name, version), entry in wanted.items()
        }

    @staticmethod
    async def _follow_schemas(view: "_Shared", inventory: Inventory, read: _Read) -> bool:
        """Brings up the shadows of tables whose newest snapshot has another schema than they show; whether any was."""
        newest = [(inventory.tables[name], snapshot) for (name, version), snapshot in read.items() if version is None]
        stale = [snapshot for entry, snapshot in newest if snapshot.schema_digest != entry.schema_digest]
        if stale:
            await view.follow(stale)
        for entry, snapshot in newest:
            view.note(entry, snapshot)
        return bool(stale)

    def _new_location(self, workspace: str, references: Iterable[TableReference], current: str | None) -> str:
        made = next((ref for ref in references if ref.role is Role.CREATE), None)
        if made is None:
            return ""
        table = TableName(made.schema or current or "public", made.name)
        return fresh_location(self._warehouse_root, workspace, table)


class _Shared:
    """A workspace as everybody sees it."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace

    @property
    def state(self) -> Inventory:
        return self._workspace.database.state

    async def read(self) -> Inventory:
        return await self._workspace.database.read()

    async def confirm(self) -> Inventory:
        return await self._workspace.database.confirm()

    async def follow(self, stale: Sequence[Snapshot]) -> None:
        """Brings shadows up to these."""
        async with self._workspace.database.change() as revision:
            revision.tables = set()
            for snapshot in stale:
                revision.tables |= await sync_table(revision.connection, snapshot)

    def note(self, entry: TableEntry, snapshot: Snapshot) -> None:
        """This is its newest."""
        self._workspace.observations.note(entry.id, snapshot)


class _InBlock(_Shared):
    """A workspace as a block sees it that has changed definitions."""

    def __init__(self, workspace: Workspace, definitions: Definitions) -> None:
        super().__init__(workspace)
        self._definitions = definitions

    @property
    def state(self) -> Inventory:
        return self._definitions.over(super().state)

    async def read(self) -> Inventory:
        return self._definitions.over(await super().read())

    async def confirm(self) -> Inventory:
        return self._definitions.over(await super().confirm())

    async def follow(self, stale: Sequence[Snapshot]) -> None:
        """On the block's own connection where it has locked what is to be changed."""
        touched = self._definitions.touched
        for snapshot in stale:
            if snapshot.table in touched:
                await self._definitions.follow(snapshot)
        if others := [snapshot for snapshot in stale if snapshot.table not in touched]:
            await super().follow(others)

    def note(self, entry: TableEntry, snapshot: Snapshot) -> None:
        if entry.name not in self._definitions.touched:
            super().note(entry, snapshot)


class _Reading:
    """What a statement of `who` reads: of tables their snapshots, of views what stands behind them, with the rights of
    whoever counts there."""

    def __init__(self, inventory: Inventory, directory: Directory, who: Principal, pins: Pins) -> None:
        self._inventory = inventory
        self._directory = directory
        self._who = who
        self._pins = pins
        self._visits = 0

    def snapshots_of(self, reference: TableReference, entry: TableEntry) -> Iterator[tuple[TableEntry, int | None]]:
        """The tables to be read for a reference, and at which version: the one asked for, else the block's, else the
        newest. Raises FeatureNotSupported for a view at a version."""
        if entry.view is not None and reference.version is not None:
            raise FeatureNotSupported(
                f'"{entry.name.name}" is a view, which has no versions', hint="FOR VERSION AS OF takes a table."
            )
        if reference.role not in _NAMED_ONLY:
            yield from self._behind(entry, self._who, reference.version)

    def _behind(
        self, entry: TableEntry, who: Principal | None, asked: int | None = None
    ) -> Iterator[tuple[TableEntry, int | None]]:
        self._visits += 1
        if self._visits > MOST_BEHIND:
            raise ProgramLimitExceeded(f'the views behind "{entry.name.name}" read more than {MOST_BEHIND} relations')
        if who is None or not entry.privileges(who):
            return
        if entry.view is None:
            yield entry, self._version(entry, asked)
        for each in self._read_by(entry):
            yield from self._behind(each, self._reader(entry))

    def _read_by(self, entry: TableEntry) -> Iterator[TableEntry]:
        for name in () if entry.view is None else entry.view.reads:
            if name in self._inventory.tables:
                yield self._inventory.tables[name]

    def _reader(self, view: TableEntry) -> Principal | None:
        """Whose rights count behind the view: PostgreSQL's rule is its owner's, with `security_invoker` always those of
        who asks."""
        assert view.view is not None
        return self._who if view.view.by_invoker else self._directory.find(view.owner)

    def _version(self, entry: TableEntry, asked: int | None) -> int | None:
        return asked if asked is not None else self._pins.get(entry.location)

    def resolve(self, reference: TableReference, entry: TableEntry, read: _Read) -> ResolvedTable:
        return self._resolved(entry, self._who, read, reference.version, named=reference.role in _NAMED_ONLY)

    def _resolved(
        self, entry: TableEntry, who: Principal | None, read: _Read, asked: int | None = None, *, named: bool = False
    ) -> ResolvedTable:
        privileges = frozenset() if who is None else entry.privileges(who)
        snapshot, view = None, None
        if entry.view is None and privileges and not named:
            snapshot = read.get((entry.name, self._version(entry, asked)))
        if entry.view is not None:
            if entry.view.reason is not None and privileges and not named:
                raise ObjectNotInPrerequisiteState(
                    f'view "{entry.name.name}" cannot be read any more: {entry.view.reason}',
                    hint="Its tables were changed outside. Make it anew by CREATE OR REPLACE VIEW, or DROP VIEW.",
                )
            # No further than `_behind`, which is bounded, has gone.
            behind = () if named or not privileges else self._read_by(entry)
            relations = {each.name: self._resolved(each, self._reader(entry), read) for each in behind}
            view = ResolvedView(entry.view.text, entry.view.columns, relations)
        return ResolvedTable(entry.name, privileges, snapshot, entry.owner, entry.obstacle, view)
