"""The authentication dialogue between a door and a client: SASL, with whatever mechanisms the handler brings."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from catalog.errors import ProtocolViolation
from gateway.auth.exchange import Continue, Exchange, Failure
from gateway.pgwire.messages import (
    AuthenticationOk,
    AuthenticationSASL,
    AuthenticationSASLContinue,
    AuthenticationSASLFinal,
    SASLInitialResponse,
    SASLResponse,
)

if TYPE_CHECKING:
    from gateway.pgwire.door import Door


async def authenticate(door: "Door", mechanisms: Mapping[str, Exchange]) -> None:
    """Offers the mechanisms, runs the one that the client picks, and sends AuthenticationOk.

    Raises InvalidPassword or ProtocolViolation when the client does not pass: let it through to the door.
    """
    door.send(AuthenticationSASL(tuple(mechanisms)))
    chosen = await door.receive()
    assert isinstance(chosen, SASLInitialResponse)
    exchange = mechanisms.get(chosen.mechanism)
    if exchange is None:
        raise ProtocolViolation("client selected an invalid SASL authentication mechanism")
    step = exchange.exchange(chosen.initial or b"")
    while isinstance(step, Continue):
        door.send(AuthenticationSASLContinue(step.content))
        answer = await door.receive()
        assert isinstance(answer, SASLResponse)
        step = exchange.exchange(answer.content)
    if isinstance(step, Failure):
        raise step.error
    if step.content is not None:
        door.send(AuthenticationSASLFinal(step.content))
    door.send(AuthenticationOk())
