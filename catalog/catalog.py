"""`Catalog`: the metastore's only door. Composes control databases, shadows, grants and snapshots."""

import asyncio
import base64
import hmac
import secrets
from collections.abc import Mapping, Sequence
from contextlib import suppress

import psycopg
from psycopg import AsyncConnection, sql

from catalog.changes import (
    AlterRole,
    Change,
    CommentOnTable,
    CreateRole,
    CreateSchema,
    DropRole,
    DropSchema,
    DropTable,
    Grant,
    GrantMembership,
    RegisterTable,
    SyncTable,
)
from catalog.control import ControlDatabase, Revision
from catalog.endpoint import Endpoint, Server
from catalog.errors import InsufficientPrivilege, InvalidCatalogName, InvalidName, UndefinedTable
from catalog.grants import apply_grant
from catalog.inventory import Inventory, TableEntry, load_inventory, refresh_inventory
from catalog.locations import fresh_location, is_below, normalize_location
from catalog.migrations import History, migrate
from catalog.names import Role, TableName, TableReference
from catalog.principals import Directory, Login, Principal, load_directory
from catalog.resolution import Resolution, ResolvedTable, find_current_schema, find_entry
from catalog.roles import alter_role, change_membership, create_role, drop_role
from catalog.shadows import LONGEST_NAME, digest_schema
from catalog.snapshot_cache import SnapshotCache
from catalog.snapshots import Snapshot
from catalog.tables import comment_on, create_schema, drop_schema, drop_table, register_table, sync_table
from catalog.translation import as_sql_errors
from catalog.verifier import build_verifier

ACCOUNT_DATABASE = "lakegate"
RESERVED_WORKSPACES = frozenset({ACCOUNT_DATABASE, "postgres", "template0", "template1"})
OPERATOR = Principal("lakegate", admin=True, groups=frozenset())
"""Who acts when nobody is logged in yet: the gateway's own start."""


class Catalog:
    """One for a gateway. `open` first, `close` last.

    `warehouse_root` is the folder or URL below which managed tables live; `storage_options` are delta-rs's.
    """

    def __init__(
        self, server: Server, *, warehouse_root: str, storage_options: Mapping[str, str] | None = None
    ) -> None:
        self._server = server
        self._warehouse_root = normalize_location(warehouse_root)
        self._snapshots = SnapshotCache(storage_options)
        self._account = ControlDatabase[Directory](server.owner_endpoint(ACCOUNT_DATABASE), load_directory)
        self._workspaces: dict[str, ControlDatabase[Inventory]] = {}
        self._opening = asyncio.Lock()
        self._relay_key = b""

    async def open(self) -> None:
        """Makes or migrates the account's database and loads it. Raises CannotConnectNow."""
        with as_sql_errors():
            await self._prepare(ACCOUNT_DATABASE, History.ACCOUNT)
            await self._account.open()
            self._relay_key = await self._find_relay_key()

    async def close(self) -> None:
        for workspace in self._workspaces.values():
            await workspace.close()
        await self._account.close()
        self._snapshots.close()

    async def create_workspace(self, name: str) -> None:
        """Makes the workspace, or finishes making it; does nothing when it is there. Raises InvalidName."""
        if name in RESERVED_WORKSPACES or not name or "\0" in name or len(name.encode()) > LONGEST_NAME:
            raise InvalidName(f'"{name}" cannot be the name of a workspace')
        if name in (await self._account.read()).workspaces:
            return
        with as_sql_errors():
            await self._prepare(name, History.WORKSPACE)
        async with self._account.change() as revision:
            await revision.connection.execute(
                "INSERT INTO lakegate.workspaces (name) VALUES (%s) ON CONFLICT DO NOTHING", (name,)
            )

    async def bootstrap(self, admin: str, password: str) -> bool:
        """Makes the account's first admin. False when there is an admin already, whose password stays as it is."""
        directory = await self._account.read()
        if any(login.principal.admin for login in directory.logins.values()):
            return False
        await self._change_roles(CreateRole(admin, password, login=True, admin=True), OPERATOR)
        return True

    async def login(self, user: str, workspace: str) -> Login | None:
        """Who wants to log in; None for an unknown user, a group, or an unknown workspace: tell the client the same."""
        directory = await self._account.read()
        login = directory.logins.get(user)
        if login is None or workspace not in directory.workspaces:
            return None
        await self._workspace(workspace)
        return login

    def touches_lakehouse(
        self, who: Principal, workspace: str, references: Sequence[TableReference], search_path: Sequence[str]
    ) -> bool:
        """Whether any reference means a lakehouse table. From the cache; the workspace has been logged in to."""
        inventory = self._workspaces[workspace].state
        return any(find_entry(ref, inventory, who, workspace, search_path) is not None for ref in references)

    def version(self, workspace: str) -> int:
        """Changes with every change that can alter a resolution or a description in this workspace."""
        return self._account.state.version + self._workspaces[workspace].state.version

    async def resolve(
        self,
        who: Principal,
        workspace: str,
        references: Sequence[TableReference],
        search_path: Sequence[str],
        *,
        pinned: Mapping[TableName, int] | None = None,
        temporary: frozenset[str] = frozenset(),
    ) -> Resolution:
        """What the references mean to `who`, with grants and snapshots of one catalog version.

        `pinned` holds the versions that the transaction has read already. A table whose Delta schema was changed
        outside gets its shadow brought up first. Raises InsufficientPrivilege, UnreadableTable, InvalidParameterValue.
        """
        database = await self._workspace(workspace)
        inventory, who = await database.read(), await self._current(who)
        found = {
            reference: entry
            for reference in references
            if (entry := find_entry(reference, inventory, who, workspace, search_path, temporary)) is not None
        }
        snapshots = {
            reference: await self._read_snapshot(reference, entry, who, pinned or {})
            for reference, entry in found.items()
        }
        stale = [
            snapshot
            for reference, snapshot in snapshots.items()
            if snapshot is not None
            and _is_newest(reference, snapshot, pinned or {})
            and digest_schema(snapshot) != found[reference].schema_digest
        ]
        if stale:
            await self._sync(database, stale)
            inventory = database.state
        current = find_current_schema(inventory, who, search_path)
        return Resolution(
            principal=who,
            workspace=workspace,
            catalog_version=self.version(workspace),
            tables={ref: _resolved(entry, who, snapshots[ref]) for ref, entry in found.items()},
            schemas={name: schema.privileges(who) for name, schema in inventory.schemas.items()},
            current_schema=current,
            new_location=self._new_location(workspace, references, current),
            volatile_functions=inventory.volatile_functions,
        )

    async def apply(self, change: Change, who: Principal, workspace: str) -> None:
        """Carries out one change, authorised anew, in one transaction. Raises PostgreSQL's errors for what is wrong."""
        who = await self._current(who)
        if isinstance(change, CreateRole | AlterRole | DropRole | GrantMembership):
            await self._change_roles(change, who)
            return
        database = await self._workspace(workspace)
        snapshot = await self._snapshot_for(change, who, workspace, database)
        async with database.change() as revision:
            revision.tables = await self._change_workspace(revision, change, who, snapshot)

    async def relay_endpoint(self, role: str, workspace: str) -> Endpoint:
        """How a backend connection as that role is made."""
        return self._server.role_endpoint(role, workspace, self._role_secret(role))

    async def managed_folder(self, workspace: str, table: TableName) -> str | None:
        """The folder of a managed table, to be removed after DropTable; None for one that lives elsewhere."""
        entry = (await (await self._workspace(workspace)).read()).tables.get(table)
        return entry.location if entry and is_below(entry.location, self._warehouse_root) else None

    async def _prepare(self, database: str, history: History) -> None:
        async with await AsyncConnection.connect(
            self._server.owner_endpoint("postgres").conninfo(), autocommit=True
        ) as connection:
            known = await connection.execute("SELECT FROM pg_database WHERE datname = %s", (database,))
            if known.rowcount == 0:
                with suppress(psycopg.errors.DuplicateDatabase):
                    await connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(database)))
        await asyncio.to_thread(migrate, self._server.owner_endpoint(database), history)

    async def _workspace(self, name: str) -> ControlDatabase[Inventory]:
        """Opened on first use, migrated before."""
        if name in self._workspaces:
            return self._workspaces[name]
        async with self._opening:
            if name not in self._workspaces:
                if name not in (await self._account.read()).workspaces:
                    raise InvalidCatalogName(f'database "{name}" does not exist')
                endpoint = self._server.owner_endpoint(name)
                await asyncio.to_thread(migrate, endpoint, History.WORKSPACE)
                database = ControlDatabase[Inventory](endpoint, load_inventory, refresh_inventory)
                await database.open()
                self._workspaces[name] = database
        return self._workspaces[name]

    async def _current(self, who: Principal) -> Principal:
        """The principal with the rights of now. Raises InsufficientPrivilege when it has been dropped."""
        if who == OPERATOR:
            return who
        found = (await self._account.read()).find(who.name)
        if found is None:
            raise InsufficientPrivilege(f'role "{who.name}" does not exist any more')
        return found

    async def _read_snapshot(
        self, reference: TableReference, entry: TableEntry, who: Principal, pinned: Mapping[TableName, int]
    ) -> Snapshot | None:
        if reference.role in (Role.OBJECT, Role.CREATE) or not entry.privileges(who):
            return None
        version = reference.version if reference.version is not None else pinned.get(entry.name)
        return await self._snapshots.read(entry.name, entry.location, version)

    async def _sync(self, database: ControlDatabase[Inventory], snapshots: Sequence[Snapshot]) -> None:
        async with database.change() as revision:
            for snapshot in snapshots:
                await sync_table(revision.connection, snapshot)
            revision.tables = {snapshot.table for snapshot in snapshots}

    def _new_location(self, workspace: str, references: Sequence[TableReference], current: str | None) -> str:
        made = next((ref for ref in references if ref.role is Role.CREATE), None)
        schema = (made.schema if made else None) or current or "public"
        return fresh_location(self._warehouse_root, workspace, TableName(schema, made.name if made else "table"))

    async def _snapshot_for(
        self, change: Change, who: Principal, workspace: str, database: ControlDatabase[Inventory]
    ) -> Snapshot | None:
        if isinstance(change, RegisterTable):
            location = normalize_location(change.location)
            if not who.admin and not is_below(location, f"{self._warehouse_root}/{workspace}"):
                raise InsufficientPrivilege(f"permission denied for location {location}")
            return await self._snapshots.read(change.name, location)
        if isinstance(change, SyncTable):
            entry = (await database.read()).tables.get(change.name)
            if entry is None:
                raise UndefinedTable(f'relation "{change.name.schema}.{change.name.name}" does not exist')
            if not entry.privileges(who):
                raise InsufficientPrivilege(f"permission denied for table {change.name.name}")
            return await self._snapshots.read(change.name, entry.location)
        return None

    async def _change_workspace(
        self, revision: Revision, change: Change, who: Principal, snapshot: Snapshot | None
    ) -> set[TableName] | None:
        """Returns the tables that it touched, None when it touched schemas."""
        connection = revision.connection
        match change:
            case CreateSchema():
                await create_schema(connection, change, who)
                return None
            case DropSchema():
                await drop_schema(connection, change, who)
                return None
            case Grant():
                return await apply_grant(connection, change, who, self._account.state)
            case RegisterTable() if snapshot is not None:
                await register_table(connection, snapshot, who)
            case SyncTable() if snapshot is not None:
                await sync_table(connection, snapshot)
            case DropTable():
                await drop_table(connection, change, who)
            case CommentOnTable():
                await comment_on(connection, change, who)
            case _:
                raise TypeError(f"no change of a workspace: {change}")
        return {change.name}

    async def _change_roles(self, change: CreateRole | AlterRole | DropRole | GrantMembership, who: Principal) -> None:
        async with self._account.change() as revision:
            match change:
                case CreateRole():
                    await create_role(revision.connection, change, who, self._role_verifier)
                case AlterRole():
                    await alter_role(revision.connection, change, who, self._role_verifier)
                case DropRole():
                    await drop_role(revision.connection, change, who)
                case GrantMembership():
                    await change_membership(revision.connection, change, who)

    async def _find_relay_key(self) -> bytes:
        async with self._account.connection() as connection, connection.transaction():
            await connection.execute("LOCK TABLE lakegate.relay_key IN EXCLUSIVE MODE")
            row = await (await connection.execute("SELECT key FROM lakegate.relay_key")).fetchone()
            if row is not None:
                return bytes(row[0])
            key = secrets.token_bytes(32)
            await connection.execute("INSERT INTO lakegate.relay_key VALUES (%s)", (key,))
            return key

    def _role_secret(self, role: str) -> str | None:
        if not self._server.uses_passwords:
            return None
        return base64.b64encode(hmac.digest(self._relay_key, role.encode(), "sha256")).decode()

    def _role_verifier(self, role: str) -> str | None:
        password = self._role_secret(role)
        return None if password is None else build_verifier(password)


def _is_newest(reference: TableReference, snapshot: Snapshot, pinned: Mapping[TableName, int]) -> bool:
    return reference.version is None and snapshot.table not in pinned


def _resolved(entry: TableEntry, who: Principal, snapshot: Snapshot | None) -> ResolvedTable:
    return ResolvedTable(entry.name, entry.privileges(who), snapshot, entry.owner, entry.obstacle)
