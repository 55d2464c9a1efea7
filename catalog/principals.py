"""Principals (users and groups) and their access tokens as sessions see them, and their cached directory."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from catalog.connection import Connection, fetch
from catalog.errors import InsufficientPrivilege, InvalidParameterValue

PUBLIC = "public"
"""The grantee that stands for everybody; no principal can have this name."""


@dataclass(frozen=True, slots=True)
class Principal:
    """`groups` holds every group it is in, directly or through other groups; `connection_limit` is -1 without one.
    `taken_by` is the user who acts as it since SET ROLE, None for one who acts as herself."""

    name: str
    admin: bool
    groups: frozenset[str]
    connection_limit: int = -1
    taken_by: str | None = None

    @property
    def user(self) -> str:
        """Who has logged in, and is accountable."""
        return self.taken_by or self.name

    @property
    def grantees(self) -> frozenset[str]:
        """The names whose grants count for this principal."""
        return self.groups | {self.name, PUBLIC}


OPERATOR = Principal("lakegate", admin=True, groups=frozenset())
"""Who acts when nobody is logged in yet: the gateway's own start."""


@dataclass(frozen=True, slots=True)
class AccessToken:
    """What is kept of a token. `workspaces` None: all that its principal may use."""

    id: str
    principal: str
    label: str
    expires_at: datetime
    workspaces: frozenset[str] | None = None
    read_only: bool = False
    verifier: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Login:
    """A principal that may log in, with its SCRAM verifier; None means that no password lets it in, but a token may."""

    principal: Principal
    verifier: str | None = field(repr=False)
    tokens: tuple[AccessToken, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class Directory:
    """All principals of the account at one version of its control tables."""

    version: int
    logins: Mapping[str, Login]
    groups: Mapping[str, Principal]
    workspaces: frozenset[str]

    def find(self, name: str) -> Principal | None:
        login = self.logins.get(name)
        return login.principal if login else self.groups.get(name)

    def assume(self, user: str, role: str) -> Principal:
        """Who a user is once she has taken on a role: she has its rights, and none of her own.

        Raises InvalidParameterValue where there is no such role, InsufficientPrivilege where she is no member of it.
        """
        member, taken = self.find(user), self.find(role)
        if taken is None:
            raise InvalidParameterValue(f'role "{role}" does not exist')
        if member is None or role not in member.groups | {user}:
            raise InsufficientPrivilege(f'permission denied to set role "{role}"')
        return taken if role == user else replace(taken, taken_by=user)

    def renew(self, who: Principal) -> Principal:
        """The principal with the rights of now. Raises InsufficientPrivilege when it has been dropped, and what
        `assume` raises."""
        if who.taken_by is not None:
            return self.assume(who.taken_by, who.name)
        found = OPERATOR if who == OPERATOR else self.find(who.name)
        if found is None:
            raise InsufficientPrivilege(f'role "{who.name}" was dropped')
        return found


async def load_directory(connection: Connection) -> Directory:
    """Reads it in one snapshot of the account's database."""
    async with connection.transaction():
        await connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        version = await fetch(connection, "SELECT version FROM lakegate.version")
        principals = await fetch(
            connection, "SELECT name, login, admin, verifier, connection_limit FROM lakegate.principals"
        )
        memberships = await fetch(connection, "SELECT member_name, group_name FROM lakegate.memberships")
        workspaces = await fetch(connection, "SELECT name FROM lakegate.workspaces")
        tokens = collect((token.principal, token) for token in await list_tokens(connection))
    parents = collect(memberships)
    found = {name: Principal(name, admin, ancestors(name, parents), limit) for name, _, admin, _, limit in principals}
    return Directory(
        version=version[0][0],
        logins={
            name: Login(found[name], verifier, tuple(tokens.get(name, ())))
            for name, login, _, verifier, _ in principals
            if login
        },
        groups={name: found[name] for name, login, *_ in principals if not login},
        workspaces=frozenset(name for (name,) in workspaces),
    )


async def list_tokens(connection: Connection) -> list[AccessToken]:
    """Those that have not expired, the oldest first."""
    rows = await connection.execute(
        """SELECT id, principal, label, expires_at, workspaces, read_only, verifier
           FROM lakegate.tokens WHERE expires_at > now() ORDER BY created_at, id"""
    )
    return [
        AccessToken(token, who, label, until, None if places is None else frozenset(places), read_only, verifier)
        for token, who, label, until, places, read_only, verifier in await rows.fetchall()
    ]


def collect(pairs: Iterable[tuple[Any, ...]]) -> dict[str, set[Any]]:
    """Pairs of (key, value), gathered by key."""
    gathered: dict[str, set[Any]] = {}
    for key, value in pairs:
        gathered.setdefault(key, set()).add(value)
    return gathered


def ancestors(name: str, parents: Mapping[str, set[str]]) -> frozenset[str]:
    """Every group above `name`. PostgreSQL forbids circles; one would only end the walk here."""
    found: set[str] = set()
    waiting = [name]
    while waiting:
        for group in parents.get(waiting.pop(), ()):
            if group not in found:
                found.add(group)
                waiting.append(group)
    return frozenset(found)
