"""What one open block has changed of its workspace's definitions: seen by that block alone before COMMIT.

The changes are PostgreSQL's own, uncommitted, on the block's backend (`catalog.sealed`). Beside them this remembers
which names they touched and what these mean to the block, which lies over the inventory that everybody sees. Savepoints
are PostgreSQL's too: `refresh` reads anew what is left after one was gone back to.
"""

from typing import TYPE_CHECKING

from catalog.changes import Change, CreateSchema, DropSchema, Grant
from catalog.control import ControlDatabase, Revision
from catalog.dispatch import change_workspace
from catalog.errors import SqlError
from catalog.inventory import Inventory, SchemaEntry, TableEntry, find_schemas, find_tables
from catalog.leftovers import hold, leave, note
from catalog.principals import Directory, Principal
from catalog.sealed import SealedConnection
from catalog.snapshots import Snapshot
from catalog.tables import sync_table
from catalog.translation import as_sql_errors

if TYPE_CHECKING:
    from collections.abc import Mapping

    from catalog.names import TableName


class Definitions:
    """One block's. `touched` are the relations that it may have changed, `made` the folders of tables that it makes.
    Every method may raise SqlError."""

    def __init__(self, connection: SealedConnection, database: ControlDatabase[Inventory]) -> None:
        self.touched: set[TableName] = set()
        self.made: set[str] = set()
        self._connection = connection
        self._database = database
        self._tables: Mapping[TableName, TableEntry] = {}
        self._rules = False
        self._schemas: Mapping[str, SchemaEntry] | None = None
        self._over: tuple[Inventory, Inventory] | None = None

    def over(self, inventory: Inventory) -> Inventory:
        """The inventory as the block sees it."""
        if self._over is None or self._over[0] is not inventory:
            schemas = inventory.schemas if self._schemas is None else self._schemas
            seen = inventory.with_others(self.touched, self._tables, schemas, inventory.version)
            self._over = inventory, seen
        return self._over[1]

    async def apply(
        self, change: Change, who: Principal, directory: Directory, snapshot: Snapshot | None
    ) -> SqlError | None:
        """Carries out one change, authorised anew. Returns a notice for its client, if there is any."""
        with as_sql_errors():
            revision = Revision(self._connection)
            await change_workspace(revision, change, who, directory, snapshot)
            self.touched |= revision.tables or set()
            self._rules = self._rules or isinstance(change, CreateSchema | DropSchema | Grant)
            await self._read()
        return revision.remark

    async def follow(self, snapshot: Snapshot) -> None:
        """Brings the shadow of a table up to this schema, which its log has got on the block's machines, or from others
        where the block has touched it."""
        with as_sql_errors():
            self.touched |= await sync_table(self._connection, snapshot)
            await self._read()

    async def make_room(self, location: str) -> None:
        """For a table that the block makes there: the folder goes with the block, unless that is committed."""
        with as_sql_errors():
            await hold(self._connection, location)
        async with self._database.connection() as connection:
            await note(connection, location)
        self.made.add(location)

    async def leave(self, location: str) -> None:
        """The folder is to go at COMMIT."""
        with as_sql_errors():
            await leave(self._connection, location)

    async def refresh(self) -> None:
        """The block is at a savepoint again."""
        with as_sql_errors():
            await self._read()

    async def finish(self) -> int:
        """The last before COMMIT: the version that everybody will hear of then."""
        with as_sql_errors():
            return await Revision(self._connection, self.touched).finish()

    async def publish(self, version: int) -> None:
        """They are everybody's now, as of that version. Raises nothing."""
        await self._database.follow(version, self.touched)

    async def _read(self) -> None:
        self._tables = await find_tables(self._connection, self.touched)
        self._schemas = await find_schemas(self._connection) if self._rules else None
        self._over = None
