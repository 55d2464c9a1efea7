"""Entry: from a StartupMessage to a session, by way of SCRAM-SHA-256.

An unknown user goes through the same exchange as a known one, on a made-up verifier, so that nothing tells them
apart. Reference: PostgreSQL protocol, "Start-up".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from catalog.errors import InsufficientPrivilege, InvalidParameterValue
from gateway.auth.scram import MECHANISM, ScramServer, Verifier, mock_verifier
from gateway.pgwire.login import authenticate
from gateway.session import Services, Session
from gateway.settings import startup_settings
from gateway.variables import Variables

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gateway.activity import Activity
    from gateway.pgwire.door import Door
    from gateway.pgwire.messages import StartupMessage
    from gateway.sole import SolePrincipal

_YES = frozenset({"true", "on", "yes", "1", "database"})
_NO = frozenset({"false", "off", "no", "0"})


@dataclass(frozen=True, slots=True)
class Reception:
    """What log-ins need. `secret` hides which users exist; `reported` are the server's
    defaults of what is reported; `sole` is set where machines are not isolated."""

    services: Services
    activity: Activity
    secret: bytes
    reported: Mapping[str, str]
    sole: SolePrincipal | None = None


async def enter(reception: Reception, door: Door, startup: StartupMessage) -> Session:
    """Authenticates and opens the session. Raises SqlError, which is FATAL to the client."""
    user, workspace = startup.user, startup.database
    replicates = _asks_for_replication(startup.parameters.get("replication", "false"))
    login = await reception.services.catalog.login(user, workspace)
    stored = None if login is None else login.verifier
    verifier = mock_verifier(user, reception.secret) if stored is None else Verifier.parse(stored)
    await authenticate(door, {MECHANISM: ScramServer(user, verifier)})
    assert login is not None, "nobody passes a made-up verifier"
    if replicates:
        raise InsufficientPrivilege(
            "permission denied to start WAL sender",
            detail="Only roles with the REPLICATION attribute may start a WAL sender process.",
        )
    if reception.sole is not None:
        reception.sole.admit(login.principal)
    variables = Variables({**reception.reported, "session_authorization": user})
    session = Session(reception.services, login.principal, workspace, variables)
    try:
        asked = startup_settings(startup.parameters)
        validate = reception.services.verdicts.validate
        variables.start({name: await validate(session, name, value) for name, value in asked.items()})
    except BaseException:
        await session.close()
        raise
    return session


def _asks_for_replication(value: str) -> bool:
    """Nobody's role may replicate. Raises InvalidParameterValue for what is not a yes or no."""
    if value.lower() not in _YES | _NO:
        raise InvalidParameterValue(
            f'invalid value for parameter "replication": "{value}"',
            hint='Valid values are: "false", 0, "true", 1, "database".',
        )
    return value.lower() in _YES
