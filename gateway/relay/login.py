"""Logging in to PostgreSQL as one role, and asking it to cancel what a backend runs.

On a Unix socket the operating system vouches for us (`peer`); over TCP it is TLS and SCRAM-SHA-256. Reference:
PostgreSQL protocol, "Start-up", "SASL Authentication", "Canceling Requests in Progress".
"""

import asyncio

from catalog.endpoint import Endpoint
from catalog.errors import CannotConnectNow, TooManyConnections
from gateway.auth.exchange import Continue, Failure, Step, Success
from gateway.auth.scram import ScramClient
from gateway.pgwire.messages import (
    AuthenticationOk,
    AuthenticationSASL,
    AuthenticationSASLContinue,
    AuthenticationSASLFinal,
    BackendKeyData,
    CancelRequest,
    NegotiateProtocolVersion,
    NoticeResponse,
    ParameterStatus,
    ProtocolVersion,
    ReadyForQuery,
    SASLInitialResponse,
    SASLResponse,
    StartupMessage,
)
from gateway.relay.backend import Backend, Identity
from gateway.relay.dialogue import Dialogue, open_dialogue
from gateway.relay.limits import RelayLimits
from gateway.relay.reports import RelayUnavailable

_MECHANISM = "SCRAM-SHA-256"


async def log_in(identity: Identity, endpoint: Endpoint, limits: RelayLimits) -> Backend:
    """A backend that is ready. Raises RelayUnavailable when none can be had, PostgreSQL's own error when it refuses."""
    try:
        async with asyncio.timeout(limits.connect_seconds):
            dialogue = await open_dialogue(endpoint)
            try:
                return await _start(dialogue, Backend(identity, limits), endpoint, limits)
            except BaseException:
                dialogue.transport.abort()
                raise
    except (CannotConnectNow, TooManyConnections) as refusal:
        raise RelayUnavailable(refusal.message, detail=refusal.detail, hint=refusal.hint) from refusal
    except (OSError, TimeoutError) as error:
        raise RelayUnavailable(
            "the metastore cannot be reached", hint="Try again in a moment; the gateway's operator sees why in its log."
        ) from error


async def request_cancel(endpoint: Endpoint, key: tuple[int, bytes], limits: RelayLimits) -> None:
    """Asks the server to cancel what that backend runs; returns when the signal is sent. Raises RelayUnavailable."""
    try:
        async with asyncio.timeout(limits.connect_seconds):
            dialogue = await open_dialogue(endpoint)
            try:
                dialogue.send(CancelRequest(*key))
                await dialogue.end()
            finally:
                dialogue.transport.abort()
    except (OSError, TimeoutError) as error:
        raise RelayUnavailable("the metastore cannot be reached") from error


async def _start(dialogue: Dialogue, backend: Backend, endpoint: Endpoint, limits: RelayLimits) -> Backend:
    dialogue.send(StartupMessage(ProtocolVersion(3, 2), _parameters(endpoint, limits), {}))
    await _authenticate(dialogue, endpoint.password)
    defaults: dict[str, str] = {}
    while not isinstance(message := await dialogue.receive(), ReadyForQuery):
        if isinstance(message, ParameterStatus):
            defaults[message.name] = message.value
        elif isinstance(message, BackendKeyData):
            backend.key = (message.pid, message.secret)
    backend.defaults = defaults
    backend.connection_made(dialogue.transport)
    dialogue.transport.set_protocol(backend)
    return backend


def _parameters(endpoint: Endpoint, limits: RelayLimits) -> dict[str, str]:
    """What every backend starts with, so that RESET goes back to it."""
    return {
        "user": endpoint.user,
        "database": endpoint.database,
        "client_encoding": "UTF8",
        "lock_timeout": f"{limits.lock_milliseconds}ms",
        "client_connection_check_interval": "1s",
    }


async def _authenticate(dialogue: Dialogue, password: str | None) -> None:
    """Answers until AuthenticationOk. The server, too, must prove that it knows the password."""
    scram = None if password is None else ScramClient(password)
    proved = scram is None
    while not isinstance(message := await dialogue.receive(), AuthenticationOk):
        match message:
            case AuthenticationSASL(mechanisms) if scram is not None and _MECHANISM in mechanisms:
                dialogue.send(SASLInitialResponse(_MECHANISM, _answer(scram.exchange(b""))))
            case AuthenticationSASLContinue(content) if scram is not None:
                dialogue.send(SASLResponse(_answer(scram.exchange(content))))
            case AuthenticationSASLFinal(content) if scram is not None:
                _answer(scram.exchange(content))
                proved = True
            case NoticeResponse() | NegotiateProtocolVersion():
                continue
            case _:
                raise RelayUnavailable("the metastore asks for a login that the relay cannot give")
    if not proved:
        raise RelayUnavailable("the metastore did not prove that it knows the role's password")


def _answer(step: Step) -> bytes:
    match step:
        case Continue(content):
            return content
        case Success():
            return b""
        case Failure(error):
            raise error
