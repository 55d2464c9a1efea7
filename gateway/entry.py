"""Entry: from a StartupMessage to a session: where it goes, who comes, and whether too many have failed before.

Reference: PostgreSQL protocol, "Start-up".
"""

from __future__ import annotations

import logging
import math
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from catalog.errors import (
    InsufficientPrivilege,
    InvalidAuthorizationSpecification,
    InvalidParameterValue,
    InvalidPassword,
)
from gateway.auth.exchange import NoProof
from gateway.route import find_route
from gateway.services import Admission, Services
from gateway.session import Session
from gateway.settings import startup_settings
from gateway.variables import Variables

if TYPE_CHECKING:
    from collections.abc import Mapping

    from catalog.principals import AccessToken, Login
    from gateway.activity import Activity
    from gateway.auth.throttle import Throttle
    from gateway.pgwire.door import Door
    from gateway.pgwire.messages import StartupMessage
    from gateway.proofs import Gatekeeper
    from gateway.route import Route
    from gateway.sole import SolePrincipal

log = logging.getLogger(__name__)
_YES = frozenset({"true", "on", "yes", "1", "database"})
_NO = frozenset({"false", "off", "no", "0"})


@dataclass(frozen=True, slots=True)
class Reception:
    """What log-ins need. `reported` are the server's defaults of what is reported; `sole` is set where machines are not
    isolated."""

    services: Services
    activity: Activity
    gatekeeper: Gatekeeper
    throttle: Throttle
    reported: Mapping[str, str]
    sole: SolePrincipal | None = None


async def enter(reception: Reception, door: Door, startup: StartupMessage) -> Session:
    """Authenticates and opens the session. Raises SqlError, which is FATAL to the client."""
    replicates = _asks_for_replication(startup.parameters.get("replication", "false"))
    route = find_route(startup, door.server_name, reception.gatekeeper.access.domain)
    login, token = await _identify(reception, door, startup.user)
    if replicates:
        raise InsufficientPrivilege(
            "permission denied to start WAL sender",
            detail="Only roles with the REPLICATION attribute may start a WAL sender process.",
        )
    await reception.services.catalog.open_workspace(route.workspace)
    if reception.sole is not None:
        reception.sole.admit(login.principal)
    admission = _admit(reception.services, route, token)
    variables = Variables({**reception.reported, "session_authorization": startup.user})
    session = Session(reception.services, login.principal, route.workspace, variables, admission)
    try:
        asked = startup_settings(startup.parameters)
        validate = reception.services.verdicts.validate
        variables.start(dict([await validate(session, name, value) for name, value in asked.items()]))
    except BaseException:
        await session.close()
        raise
    return session


async def _identify(reception: Reception, door: Door, user: str) -> tuple[Login, AccessToken | None]:
    """Who the client has proved to be, by its token where it has used one.

    The limit is looked at again after the proof: whoever guesses many at once learns nothing of those beyond it.
    """
    throttle, address = reception.throttle, str(door.peer[0])
    _refuse_too_many(throttle, address, user)
    login = await reception.services.catalog.find_login(user)
    try:
        token = await reception.gatekeeper.prove(door, user, login, lambda: _refuse_too_many(throttle, address, user))
    except NoProof:
        raise
    except (InvalidPassword, InvalidAuthorizationSpecification) as error:
        log.info("a log-in as %r from %s failed: %s", user, address, error)
        throttle.fail(address, user, time.monotonic())
        raise
    assert login is not None, "nobody passes a made-up verifier"
    throttle.succeed(address, user)
    return login, token


def _refuse_too_many(throttle: Throttle, address: str, user: str) -> None:
    seconds = throttle.wait(address, user, time.monotonic())
    if seconds:
        raise InvalidAuthorizationSpecification(
            "too many failed log-ins", hint=f"Try again in {math.ceil(seconds)} seconds."
        )


def _admit(services: Services, route: Route, token: AccessToken | None) -> Admission:
    """What the session may, by how it came. Raises InsufficientPrivilege and InvalidParameterValue."""
    if token is not None and token.workspaces is not None and route.workspace not in token.workspaces:
        raise InsufficientPrivilege(
            f'the access token "{token.label}" is not for workspace "{route.workspace}"',
            hint=f"It is for: {', '.join(sorted(token.workspaces))}.",
        )
    sizes = sorted({size for _, size in services.declaration.sizes})
    if route.warehouse is not None and route.warehouse not in sizes:
        raise InvalidParameterValue(
            f'warehouse "{route.warehouse}" is not declared', hint=f"There are: {', '.join(sizes) or 'none'}."
        )
    return Admission(warehouse=route.warehouse, read_only=token is not None and token.read_only)


def _asks_for_replication(value: str) -> bool:
    """Nobody's role may replicate. Raises InvalidParameterValue for what is not a yes or no."""
    if value.lower() not in _YES | _NO:
        raise InvalidParameterValue(
            f'invalid value for parameter "replication": "{value}"',
            hint='Valid values are: "false", 0, "true", 1, "database".',
        )
    return value.lower() in _YES
