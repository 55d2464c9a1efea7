"""The role that a session acts as: the setting `role`, beside the user who has logged in and stays accountable.

Rights, ownership, the schema ``$user`` and `current_user` are the role's. Connections, machines, priorities,
`session_user` and `pg_stat_activity` are the user's. PostgreSQL's backends log in as the user and get the role as they
get any other setting, so what it refuses her there it refuses.

A membership that is revoked ends what is done in its name: statements are refused from then on, until the session
takes on another role. PostgreSQL would let the session go on. Reference: PostgreSQL documentation, SET ROLE, SET
SESSION AUTHORIZATION; `variable.c`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from catalog.errors import InsufficientPrivilege, SqlError

if TYPE_CHECKING:
    from catalog.catalog import Catalog
    from catalog.principals import Principal
    from gateway.relay import RelaySession
    from gateway.variables import Variables

ROLE = "role"
AUTHORIZATION = "session_authorization"
NONE = "none"
"""The value of `ROLE` by which a user acts as herself."""


class Roles:
    """One session's. `user` is who has logged in."""

    def __init__(self, user: Principal, catalog: Catalog, variables: Variables, relay: RelaySession) -> None:
        self._user = user
        self._catalog = catalog
        self._variables = variables
        self._relay = relay

    def find(self) -> Principal:
        """Whose rights count. Raises SqlError where the user may not act so any more."""
        role = self._variables.effective.get(ROLE, NONE)
        if role == NONE:
            return self._user
        try:
            return self._catalog.assume(self._user, role)
        except SqlError as error:
            error.hint = "The membership was revoked, or the role dropped: SET ROLE NONE."
            raise

    async def admit(self, role: str) -> str:
        """PostgreSQL's verdict on SET ROLE, and the catalog's. Returns its spelling. Raises SqlError.

        PostgreSQL looks at who has logged in alone. It is asked without the present role, which it may refuse now.
        """
        others = {name: value for name, value in self._variables.effective.items() if name != ROLE}
        chosen = await self._relay.set_variable(ROLE, role, others)
        if chosen != NONE:
            await self._catalog.confirm_role(self._user, chosen)
        return chosen

    async def admit_authorization(self, name: str) -> None:
        """The same of SET SESSION AUTHORIZATION, which is to oneself only."""
        if name != self._user.name:
            await self._relay.set_variable(AUTHORIZATION, name, self._variables.effective)
            raise InsufficientPrivilege(f'permission denied to set session authorization "{name}"')
