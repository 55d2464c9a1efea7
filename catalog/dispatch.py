"""Which function carries out which change. Each runs in the transaction of the revision that it is given."""

import asyncio

from catalog.changes import (
    AddKey,
    AlterRole,
    Change,
    CommentOnTable,
    CreateRole,
    CreateSchema,
    CreateView,
    DropKey,
    DropRole,
    DropSchema,
    DropTable,
    Grant,
    GrantMembership,
    RegisterTable,
    RenameTable,
    SyncTable,
)
from catalog.control import Revision
from catalog.errors import DuplicateSchema, InvalidSchemaName, SuccessfulCompletion
from catalog.grants import apply_grant
from catalog.keys import add_key, drop_key
from catalog.principals import Directory, Principal
from catalog.roles import RolePassword, alter_role, change_membership, create_role, drop_role
from catalog.snapshot_cache import require_log
from catalog.snapshots import Snapshot
from catalog.tables import (
    check_columns,
    comment_on,
    create_schema,
    drop_schema,
    drop_table,
    register_tables,
    rename_table,
    sync_table,
)
from catalog.views import create_view

RoleChange = CreateRole | AlterRole | DropRole | GrantMembership


async def change_roles(revision: Revision, change: RoleChange, who: Principal, role_password: RolePassword) -> None:
    """A change of the account."""
    match change:
        case CreateRole():
            await create_role(revision.connection, change, who, role_password)
        case AlterRole():
            await alter_role(revision.connection, change, who, role_password)
        case DropRole():
            await drop_role(revision.connection, change, who)
        case GrantMembership():
            await change_membership(revision.connection, change, who)


async def change_workspace(
    revision: Revision, change: Change, who: Principal, directory: Directory, snapshot: Snapshot | None
) -> None:
    """A change of a workspace. `snapshot` is that of the table to be registered or synchronised."""
    connection = revision.connection
    match change:
        case CreateSchema() | DropSchema():
            await _change_schema(revision, change, who)
        case Grant():
            revision.tables = await apply_grant(connection, change, who, directory)
        case RegisterTable() if snapshot is not None:
            check_columns(change.columns, snapshot)
            await register_tables(connection, [snapshot], who)
            await asyncio.to_thread(require_log, change.name, snapshot.location)
            for key in change.keys:
                await add_key(connection, AddKey(change.name, key), who)
            revision.tables = {change.name}
        case SyncTable() if snapshot is not None:
            revision.tables = await sync_table(connection, snapshot)
        case DropTable():
            revision.tables = await drop_table(connection, change, who)
        case CreateView():
            revision.tables = await create_view(connection, change, who)
        case RenameTable():
            revision.tables = await rename_table(connection, change, who)
        case CommentOnTable():
            await comment_on(connection, change, who)
            revision.tables = {change.name}
        case AddKey():
            await add_key(connection, change, who)
            revision.tables = {change.table}
        case DropKey():
            await drop_key(connection, change, who)
            revision.tables = {change.table}
        case _:
            raise TypeError(f"not a change of a workspace: {change!r}")


async def _change_schema(revision: Revision, change: CreateSchema | DropSchema, who: Principal) -> None:
    """What IF EXISTS or IF NOT EXISTS lets pass is remarked."""
    revision.tables = set()
    try:
        if isinstance(change, CreateSchema):
            await create_schema(revision.connection, change, who)
        else:
            revision.tables = await drop_schema(revision.connection, change, who)
    except DuplicateSchema as there:
        if isinstance(change, DropSchema) or not change.if_not_exists:
            raise
        revision.remark = DuplicateSchema(f"{there.message}, skipping")
    except InvalidSchemaName as missing:
        if isinstance(change, CreateSchema) or not change.if_exists:
            raise
        revision.remark = SuccessfulCompletion(f"{missing.message}, skipping")
