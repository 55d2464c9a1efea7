"""`Catalog`: the metastore's only door. Composes control databases, shadows, grants and snapshots."""

import asyncio
import base64
import functools
import hmac
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, suppress

from catalog.attendance import Attendance
from catalog.changes import (
    AlterRole,
    Change,
    CreateRole,
    DropRole,
    DropTable,
    GrantMembership,
    RegisterTable,
    SyncTable,
)
from catalog.control import ControlDatabase
from catalog.credentials import CredentialProvider, ObjectStore
from catalog.databases import ACCOUNT_DATABASE, check_workspace_name, find_relay_key, prepare_database
from catalog.definitions import Definitions
from catalog.discovery import Bounds, find_tables
from catalog.dispatch import change_roles, change_workspace
from catalog.endpoint import Endpoint, Server
from catalog.errors import InsufficientPrivilege, InvalidCatalogName, SqlError, UndefinedTable
from catalog.gateways import Gateways
from catalog.inventory import Inventory, load_inventory, refresh_inventory
from catalog.leftovers import Leftovers, leave
from catalog.locations import fresh_location, is_below, is_object, normalize_location, split_object, workspace_folder
from catalog.migrations import History
from catalog.names import TableName, TableReference
from catalog.observations import Observations, write_down
from catalog.principals import OPERATOR, AccessToken, Directory, Login, Principal, list_tokens, load_directory
from catalog.resolution import Resolution
from catalog.resolver import Pins, Resolver, Workspace
from catalog.sealed import Backend, SealedConnection, find_owner
from catalog.sessions import SIGNAL_CHANNEL, Sessions
from catalog.snapshot_cache import SnapshotCache
from catalog.snapshots import Snapshot
from catalog.tokens import TokenRequest, make_token, revoke_token
from catalog.translation import as_sql_errors
from catalog.verifier import build_verifier, derive_salt
from catalog.writerrows import WriterRows

UNKNOWN_USERS = "unknown users"
"""The purpose of the secret that hides which users exist."""
_NO_PINS: Pins = {}


class Catalog:
    """One for a gateway. `open` first, `close` last.

    `warehouse_root` is the folder below which managed tables live; `credentials` are for tables in an object store.
    `sessions` are this gateway's; `attendance` has those of all `gateways` that share the metastore. `writer_rows` say
    which tables this one writes.
    """

    def __init__(
        self,
        server: Server,
        *,
        warehouse_root: str,
        credentials: CredentialProvider | None = None,
        sessions: Sessions | None = None,
    ) -> None:
        self._server = server
        self._warehouse_root = normalize_location(warehouse_root)
        self._credentials = credentials or CredentialProvider(ObjectStore())
        self._snapshots = SnapshotCache(credentials, self._warehouse_root)
        self._resolver = Resolver(self._snapshots, self._warehouse_root)
        self.gateways = Gateways(lambda: self._account.connection(), lambda: self._account.hearing)
        self.attendance = Attendance(
            sessions,
            self.gateways,
            lambda: self._account.connection(),
            lambda workspace: self._workspaces[workspace].database.connection(),
            lambda workspace: workspace in self._workspaces,
            lambda name: self._account.state.find(name),
        )
        endpoint = server.owner_endpoint(ACCOUNT_DATABASE)
        self._account = ControlDatabase[Directory](endpoint, load_directory, channels=self.attendance.channels)
        self.writer_rows = WriterRows(endpoint)
        self._workspaces: dict[str, Workspace] = {}
        self._opening = asyncio.Lock()
        self._relay_key = b""

    async def open(self) -> None:
        """Makes or migrates the account's database and loads it. Raises CannotConnectNow."""
        with as_sql_errors():
            await prepare_database(self._server, ACCOUNT_DATABASE, History.ACCOUNT)
        await self._account.open()
        async with self._account.connection() as connection:
            self._relay_key = await find_relay_key(connection)

    async def close(self) -> None:
        """Gives up every connection to the metastore; no table is written by this gateway any more."""
        await self.attendance.close()
        for workspace in self._workspaces.values():
            await workspace.observations.close()
            await workspace.leftovers.close()
            await workspace.database.close()
        await self.writer_rows.close()
        await self._account.close()
        self._snapshots.close()

    async def create_workspace(self, name: str) -> None:
        """Makes the workspace, or finishes making it; does nothing when it is there. Raises InvalidName."""
        if name in (await self._account.read()).workspaces:
            return
        check_workspace_name(name)
        with as_sql_errors():
            await prepare_database(self._server, name, History.WORKSPACE)
        insert = "INSERT INTO lakegate.workspaces (name) VALUES (%s) ON CONFLICT DO NOTHING"
        async with self._account.change() as revision:
            await revision.connection.execute(insert, (name,))

    async def bootstrap(self, admin: str, password: str) -> bool:
        """Makes the account's first admin. False when there is an admin already, whose password stays as it is."""
        directory = await self._account.read()
        if any(login.principal.admin for login in directory.logins.values()):
            return False
        await self.apply(CreateRole(admin, password, login=True, admin=True), OPERATOR, ACCOUNT_DATABASE)
        return True

    async def login(self, user: str, workspace: str) -> Login | None:
        """Who wants to log in; None for an unknown user, a group, or an unknown workspace: tell the client the same."""
        directory = await self._account.read()
        if user not in directory.logins or workspace not in directory.workspaces:
            directory = await self._account.confirm()
        login = directory.logins.get(user)
        if login is None or workspace not in directory.workspaces:
            return None
        await self.open_workspace(workspace)
        return login

    async def open_workspace(self, name: str) -> None:
        """For whoever is logged in. Raises InvalidCatalogName."""
        if name not in (await self._account.read()).workspaces:
            await self._account.confirm()
        await self._workspace(name)

    async def find_login(self, user: str) -> Login | None:
        """Who wants to log in; None for an unknown user or a group: tell the client the same.

        Answered from memory while the metastore's notices come, so that the time does not tell either.
        """
        return (await self._account.read()).logins.get(user)

    def assume(self, user: Principal, role: str) -> Principal:
        """Who a user is in a role that she has taken on. Answered from the cache. Raises what `Directory.assume`
        raises."""
        return self._account.state.assume(user.name, role)

    async def confirm_role(self, user: Principal, role: str) -> None:
        """That she may take it on, which another replica may have granted a moment ago. Raises the same."""
        with suppress(SqlError):
            self.assume(user, role)
            return
        (await self._account.confirm()).assume(user.name, role)

    async def make_token(self, request: TokenRequest) -> str:
        """The text of a new access token. Raises UndefinedObject, ProgramLimitExceeded. For the operator."""
        salt = derive_salt(request.principal, self.derive_secret(UNKNOWN_USERS))
        async with self._account.change() as revision:
            return await make_token(revision.connection, request, salt)

    async def revoke_token(self, token_id: str) -> None:
        """No log-in by it from now on; sessions that it has opened go on. Raises UndefinedObject. For the operator."""
        async with self._account.change() as revision:
            await revoke_token(revision.connection, token_id)

    async def list_tokens(self) -> Sequence[AccessToken]:
        """All that have not expired. For the operator."""
        async with self._account.connection() as connection:
            return await list_tokens(connection)

    def version(self, workspace: str) -> int:
        """Grows with every change that can alter a resolution or a description in this workspace, which is open."""
        return self._account.state.version + self._workspaces[workspace].database.state.version

    def has_table_called(self, workspace: str, name: str) -> bool:
        """Whether a lakehouse table has that bare name, in any schema. Answered from the cache."""
        inventory = self._workspaces[workspace].database.state
        return any(TableName(schema, name) in inventory.tables for schema in inventory.schemas)

    async def resolve(
        self,
        who: Principal,
        workspace: str,
        references: Sequence[TableReference],
        search_path: Sequence[str],
        *,
        pinned: Pins = _NO_PINS,
        temporary: frozenset[str] = frozenset(),
        definitions: Definitions | None = None,
    ) -> Resolution:
        """What the references mean to `who`, with grants and snapshots of one catalog version.

        `pinned` holds the versions that the transaction has read already, by location, `temporary` the names of the
        session's temporary tables, `definitions` what the block has changed. A table whose Delta schema was changed
        outside gets its shadow brought up first.
        Raises InsufficientPrivilege, UnreadableTable, InvalidParameterValue.
        """
        opened, directory = await self._workspace(workspace), await self._account.read()
        who = directory.renew(who)
        question = who, workspace, tuple(references), tuple(search_path), temporary
        return await self._resolver.resolve(question, directory, opened, pinned, definitions)

    async def apply(self, change: Change, who: Principal, workspace: str) -> SqlError | None:
        """Carries out one change, authorised anew, in one transaction. Returns a notice for its client, if there
        is any. Raises PostgreSQL's errors for what is wrong."""
        directory = await self._account.read()
        who = directory.renew(who)
        if isinstance(change, CreateRole | AlterRole | DropRole | GrantMembership):
            async with self._account.change() as revision:
                await change_roles(revision, change, who, self._role_verifier)
            return None
        opened = await self._workspace(workspace)
        inventory = await opened.database.read()
        snapshot = await self._snapshot_for(change, who, workspace, inventory)
        folder = self._folder_left_by(change, workspace, inventory)
        if isinstance(change, RegisterTable):
            await opened.leftovers.confirm(change.location)
        async with opened.database.change() as revision:
            await change_workspace(revision, change, who, directory, snapshot)
            if folder is not None:
                await leave(revision.connection, folder)
        if folder is not None:
            opened.leftovers.clear()
        return revision.remark

    async def open_definitions(self, who: Principal, workspace: str, backend: Backend) -> Definitions:
        """For a block of theirs, on that backend of its own."""
        opened = await self._workspace(workspace)
        async with opened.database.connection() as connection:
            owner = await find_owner(connection, who.user)
        return Definitions(SealedConnection(backend, owner), opened.database)

    async def define(self, definitions: Definitions, change: Change, who: Principal, workspace: str) -> SqlError | None:
        """`apply` in a block: everybody else sees it with COMMIT. Raises what `apply` raises."""
        directory = await self._account.read()
        who = directory.renew(who)
        inventory = definitions.over(await (await self._workspace(workspace)).database.read())
        snapshot = await self._snapshot_for(change, who, workspace, inventory)
        folder = self._folder_left_by(change, workspace, inventory)
        remark = await definitions.apply(change, who, directory, snapshot)
        if folder is not None:
            await definitions.leave(folder)
        return remark

    def making(self, workspace: str, location: str) -> AbstractAsyncContextManager[None]:
        """While a table is made there outside blocks. See `Leftovers.making`."""
        return self._workspaces[workspace].leftovers.making(location)

    def clear_leftovers(self, workspace: str) -> None:
        """The folders of tables that are none, or are none any more, are removed soon."""
        self._workspaces[workspace].leftovers.clear()

    def find_location(self, workspace: str, table: TableName, definitions: Definitions | None = None) -> str | None:
        """Where a table lies, None where there is none. Answered from the cache."""
        entry = self._seen(workspace, definitions).tables.get(table)
        return None if entry is None or entry.view is not None else entry.location

    def find_name(self, workspace: str, location: str, definitions: Definitions | None = None) -> TableName | None:
        """What the table there is called, None where there is none. Answered from the cache."""
        tables = self._seen(workspace, definitions).tables.values()
        return next((entry.name for entry in tables if entry.location == location), None)

    def _seen(self, workspace: str, definitions: Definitions | None) -> Inventory:
        inventory = self._workspaces[workspace].database.state
        return inventory if definitions is None else definitions.over(inventory)

    async def discover(self, workspace: str, location: str, bounds: Bounds) -> AsyncIterator[str]:
        """The locations of the Delta tables below a folder, as `find_tables` has them. For the operator."""
        walk = find_tables(location, workspace, self._credentials, bounds)
        while (found := await asyncio.to_thread(next, walk, None)) is not None:
            yield found

    async def list_locations(self, workspace: str) -> Mapping[str, TableName]:
        """Where the workspace's tables are. For the operator."""
        inventory = await (await self._workspace(workspace)).database.read()
        return {entry.location: entry.name for entry in inventory.tables.values() if entry.view is None}

    async def read_log(self, workspace: str, name: TableName, location: str) -> Snapshot:
        """The newest version of a table that need not be known, by that name in errors. For the operator."""
        return await self._snapshots.read(workspace, name, location)

    def derive_secret(self, purpose: str) -> bytes:
        """A secret of the account for one purpose, the same on every replica and after a restart."""
        return hmac.digest(self._relay_key, b"\0" + purpose.encode(), "sha256")

    async def relay_endpoint(self, role: str, workspace: str) -> Endpoint:
        """How a backend connection as that role is made."""
        return self._server.role_endpoint(role, workspace, self._role_secret(role))

    def _folder_left_by(self, change: Change, workspace: str, inventory: Inventory) -> str | None:
        """The folder of a managed table that is dropped. What lies in another workspace's is that one's."""
        entry = inventory.tables.get(change.name) if isinstance(change, DropTable) else None
        own = workspace_folder(self._warehouse_root, workspace)
        return entry.location if entry and is_below(entry.location, own) else None

    async def observe(self, workspace: str, table: TableName) -> None:
        """Writes down what a write has made of a table. Raises SqlError."""
        opened = await self._workspace(workspace)
        entry = (await opened.database.read()).tables.get(table)
        if entry is not None and entry.view is None:
            snapshot = await self._snapshots.read(workspace, table, entry.location)
            opened.observations.note(entry.id, snapshot)
            await opened.observations.flush()

    async def publish_statistics(self, workspace: str) -> None:
        """What this gateway has seen of tables, and the metastore has not: before a statement asks for it."""
        await (await self._workspace(workspace)).observations.flush()

    def has_published(self, workspace: str) -> bool:
        """Whether `publish_statistics` would do nothing."""
        return workspace in self._workspaces and self._workspaces[workspace].observations.written

    async def _workspace(self, name: str) -> Workspace:
        """Opened on first use, migrated before."""
        if name in self._workspaces:
            return self._workspaces[name]
        async with self._opening:
            if name not in self._workspaces:
                if name not in (await self._account.read()).workspaces:
                    raise InvalidCatalogName(f'database "{name}" does not exist')
                self._workspaces[name] = await self._open_workspace(name)
        return self._workspaces[name]

    async def _open_workspace(self, name: str) -> Workspace:
        with as_sql_errors():
            await prepare_database(self._server, name, History.WORKSPACE)
        endpoint = self._server.owner_endpoint(name)
        channels = {SIGNAL_CHANNEL: self.attendance.receive_signal}
        database = ControlDatabase[Inventory](endpoint, load_inventory, refresh_inventory, channels)
        await database.open()
        leftovers = Leftovers(endpoint, self._warehouse_root)
        leftovers.clear()
        return Workspace(name, database, Observations(functools.partial(write_down, database)), leftovers)

    def scratch_location(self, workspace: str, parent: str, name: str) -> str:
        """A fresh folder in the workspace's folder `parent`, for what is under way."""
        return fresh_location(self._warehouse_root, workspace, TableName(parent, name))

    async def read_newest(self, workspace: str, table: TableName, location: str | None = None) -> Snapshot:
        """A table as of now; with `location`, as it lies there. For what the caller has authorised. Raises
        UndefinedTable, UnreadableTable."""
        if location is None:
            entry = (await (await self._workspace(workspace)).database.read()).tables.get(table)
            if entry is None:
                raise UndefinedTable(f'relation "{table}" does not exist')
            location = entry.location
        return await self._snapshots.read(workspace, table, location)

    def forget(self, location: str) -> None:
        """No table is read there any more."""
        self._snapshots.forget(location)

    async def _snapshot_for(
        self, change: Change, who: Principal, workspace: str, inventory: Inventory
    ) -> Snapshot | None:
        """The snapshot that the change needs, read before its transaction begins."""
        if isinstance(change, RegisterTable):
            location = normalize_location(change.location)
            if is_object(location):
                split_object(location)
            if not who.admin and not is_below(location, workspace_folder(self._warehouse_root, workspace)):
                raise InsufficientPrivilege(f"permission denied for location {location}")
            return await self._snapshots.read(workspace, change.name, location)
        if isinstance(change, SyncTable):
            entry = inventory.tables.get(change.name)
            if entry is None:
                raise UndefinedTable(f'relation "{change.name.schema}.{change.name.name}" does not exist')
            if not entry.privileges(who):
                raise InsufficientPrivilege(f"permission denied for table {change.name.name}")
            return await self._snapshots.read(workspace, change.name, entry.location)
        return None

    def _role_secret(self, role: str) -> str | None:
        """The password that only the gateway can derive, where the server asks for one."""
        if not self._server.uses_passwords:
            return None
        return base64.b64encode(hmac.digest(self._relay_key, role.encode(), "sha256")).decode()

    def _role_verifier(self, role: str) -> str | None:
        password = self._role_secret(role)
        return None if password is None else build_verifier(password)
