"""How many sessions there may be on a gateway: in all, of a user, in a workspace, and how many are kept for admins.

As in PostgreSQL, admins are bound by the gateway's own limit only. Reference: PostgreSQL documentation,
`superuser_reserved_connections`, CREATE ROLE, `CONNECTION LIMIT`; `postinit.c` for the texts.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from catalog.errors import TooManyConnections
from catalog.principals import Principal


@dataclass(frozen=True, slots=True)
class Quota:
    """`most` in all, the last `reserved` of them for admins; `workspaces` have limits of their own."""

    most: int = 1000
    reserved: int = 3
    workspaces: Mapping[str, int] = field(default_factory=dict)


class Admission:
    """Counts the sessions of one gateway."""

    def __init__(self, quota: Quota) -> None:
        self._quota = quota
        self._users: Counter[str] = Counter()
        self._workspaces: Counter[str] = Counter()

    def admit(self, who: Principal, workspace: str) -> None:
        """Counts a session in; `leave` at its end. Raises TooManyConnections."""
        if not who.admin:
            self._check(who, workspace)
        elif self._users.total() >= self._quota.most:
            raise TooManyConnections("sorry, too many clients already")
        self._users[who.name] += 1
        self._workspaces[workspace] += 1

    def leave(self, who: Principal, workspace: str) -> None:
        for counter, key in ((self._users, who.name), (self._workspaces, workspace)):
            counter[key] -= 1
            if not counter[key]:
                del counter[key]

    def _check(self, who: Principal, workspace: str) -> None:
        quota = self._quota
        if self._users.total() >= quota.most - quota.reserved:
            raise TooManyConnections(
                "remaining connection slots are reserved for roles with the SUPERUSER attribute",
                hint="Admins of the account are let in; others when a session has ended.",
            )
        if self._workspaces[workspace] >= quota.workspaces.get(workspace, quota.most):
            raise TooManyConnections(f'too many connections for database "{workspace}"')
        if 0 <= who.connection_limit <= self._users[who.name]:
            raise TooManyConnections(f'too many connections for role "{who.name}"')
