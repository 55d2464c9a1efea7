"""CREATE, ALTER and DROP ROLE, and memberships: control rows of the account, mirrored as PostgreSQL roles.

A principal's role never gets a password from its user, nor SUPERUSER, CREATEROLE or CREATEDB: login secrets and the
admin right live in the control tables alone. Where the server asks for passwords, the role gets one that only the
gateway can derive.
"""

import asyncio
from collections.abc import Callable

from psycopg import sql

from catalog.changes import AlterRole, CreateRole, DropRole, GrantMembership
from catalog.connection import Connection
from catalog.errors import (
    DuplicateObject,
    InsufficientPrivilege,
    InvalidName,
    ObjectNotInPrerequisiteState,
    ReservedName,
    UndefinedObject,
)
from catalog.mirror import ADMINS, EVERYONE
from catalog.principals import Principal
from catalog.shadows import LONGEST_NAME
from catalog.tokens import renew_verifier
from catalog.verifier import build_verifier, is_verifier

RESERVED_ROLES = frozenset({"postgres", "public", "none", "user", "current_user", "session_user", "current_role"})

RolePassword = Callable[[str], str | None]
"""The password that PostgreSQL knows a role by; None where it lets the gateway in without."""


async def create_role(connection: Connection, change: CreateRole, who: Principal, role_password: RolePassword) -> None:
    """Raises DuplicateObject, ReservedName, and InsufficientPrivilege unless `who` is an admin."""
    _require_admin(who, "permission denied to create role")
    _refuse_reserved(change.name, connection.info.user)
    insert = (
        "INSERT INTO lakegate.principals (name, login, admin, verifier, connection_limit)"
        " VALUES (%s, %s, %s, %s, %s) ON CONFLICT DO NOTHING"
    )
    row = (change.name, change.login, change.admin, await _verifier(change.password), change.connection_limit)
    if (await connection.execute(insert, row)).rowcount == 0:
        raise DuplicateObject(f'role "{change.name}" already exists')
    role = sql.Identifier(change.name)
    await connection.execute(
        sql.SQL("CREATE ROLE {} {}").format(role, _attributes(change.login, role_password(change.name)))
    )
    await connection.execute(sql.SQL("GRANT {} TO {} WITH SET FALSE").format(sql.Identifier(EVERYONE), role))
    await _mirror_admin(connection, change.name, change.admin)


async def alter_role(connection: Connection, change: AlterRole, who: Principal, role_password: RolePassword) -> None:
    """Admins change anybody; everybody may change his own password, but not that of a role that he has taken on: with
    it he would log in as somebody else. Raises UndefinedObject."""
    is_own = change.name == who.user == who.name
    if not is_own or (change.login, change.admin, change.connection_limit) != (None, None, None):
        _require_admin(who, "permission denied to alter role")
    update = """UPDATE lakegate.principals SET login = coalesce(%s, login), admin = coalesce(%s, admin),
                verifier = coalesce(%s, verifier), connection_limit = coalesce(%s, connection_limit)
                WHERE name = %s RETURNING login, admin"""
    password = change.password
    verifier = None if password is None else await renew_verifier(connection, change.name, password)
    row = (change.login, change.admin, verifier, change.connection_limit, change.name)
    found = await (await connection.execute(update, row)).fetchone()
    if found is None:
        raise UndefinedObject(f'role "{change.name}" does not exist')
    attributes = _attributes(found[0], role_password(change.name))
    await connection.execute(sql.SQL("ALTER ROLE {} {}").format(sql.Identifier(change.name), attributes))
    await _mirror_admin(connection, change.name, found[1])
    await _require_some_admin(connection)


async def drop_role(connection: Connection, change: DropRole, who: Principal) -> None:
    """PostgreSQL itself refuses (2BP01) while the role has rights or tables anywhere. Raises UndefinedObject."""
    _require_admin(who, "permission denied to drop role")
    for name in change.names:
        if name in (who.name, who.user):
            whose = "current" if name == who.name else "session"
            raise ObjectNotInPrerequisiteState(f"{whose} user cannot be dropped")
        if (await connection.execute("DELETE FROM lakegate.principals WHERE name = %s", (name,))).rowcount:
            await connection.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(name)))
        elif not change.if_exists:
            raise UndefinedObject(f'role "{name}" does not exist')


async def change_membership(connection: Connection, change: GrantMembership, who: Principal) -> None:
    """GRANT group TO member. Raises UndefinedObject; PostgreSQL refuses circles (0LP01)."""
    for group in change.groups:
        _require_admin(who, f'permission denied to grant role "{group}"')
    await _require_principals(connection, (*change.groups, *change.members))
    pairs = [(group, member) for group in change.groups for member in change.members]
    for group, member in pairs:
        statement = "REVOKE {} FROM {}" if change.revoke else "GRANT {} TO {}"
        roles = sql.Identifier(group), sql.Identifier(member)
        await connection.execute(sql.SQL(statement).format(*roles))
        if change.revoke:
            query = "DELETE FROM lakegate.memberships WHERE (group_name, member_name) = (%s, %s)"
        else:
            query = "INSERT INTO lakegate.memberships VALUES (%s, %s) ON CONFLICT DO NOTHING"
        await connection.execute(query.encode(), (group, member))


def _require_admin(who: Principal, message: str) -> None:
    if not who.admin:
        raise InsufficientPrivilege(message, detail="Only an admin of the account may do this.")


def _refuse_reserved(name: str, owner: str) -> None:
    if name.startswith(("pg_", "lakegate")) or name in RESERVED_ROLES or name == owner:
        raise ReservedName(f'role name "{name}" is reserved')
    if not name or "\0" in name or len(name.encode()) > LONGEST_NAME:
        raise InvalidName(f"a role's name has between 1 and {LONGEST_NAME} bytes")


async def _verifier(password: str | None) -> str | None:
    if password is None or is_verifier(password):
        return password
    return await asyncio.to_thread(build_verifier, password)


def _attributes(login: bool, password: str | None) -> sql.Composable:
    words = sql.SQL("LOGIN" if login else "NOLOGIN")
    return words if password is None else sql.SQL("{} PASSWORD {}").format(words, sql.Literal(password))


async def _mirror_admin(connection: Connection, name: str, admin: bool) -> None:
    statement = "GRANT {} TO {} WITH SET FALSE" if admin else "REVOKE {} FROM {}"
    roles = sql.Identifier(ADMINS), sql.Identifier(name)
    await connection.execute(sql.SQL(statement).format(*roles))


async def _require_some_admin(connection: Connection) -> None:
    query = "SELECT EXISTS (SELECT FROM lakegate.principals WHERE admin AND login)"
    found = await (await connection.execute(query)).fetchone()
    if found is None or not found[0]:
        raise ObjectNotInPrerequisiteState("the account's last admin must stay an admin who can log in")


async def _require_principals(connection: Connection, names: tuple[str, ...]) -> None:
    query = "SELECT n FROM unnest(%s::text[]) n WHERE n NOT IN (SELECT name FROM lakegate.principals)"
    for (name,) in await (await connection.execute(query, (list(names),))).fetchall():
        raise UndefinedObject(f'role "{name}" does not exist')
