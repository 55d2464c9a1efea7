"""The authentication dialogues between a door and a client: SASL with whatever mechanisms there are, or a password."""

from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING

from catalog.errors import ProtocolViolation
from gateway.auth.bearer import BearerServer
from gateway.auth.exchange import Continue, Exchange, Failure, Inquire, Success
from gateway.pgwire.messages import (
    AuthenticationCleartextPassword,
    AuthenticationOk,
    AuthenticationSASL,
    AuthenticationSASLContinue,
    AuthenticationSASLFinal,
    PasswordMessage,
    SASLInitialResponse,
    SASLResponse,
)

if TYPE_CHECKING:
    from gateway.pgwire.door import Door

Judge = Callable[[str], Awaitable[bool]]
"""Whether a token lets in whoever shows it."""


async def authenticate(door: "Door", mechanisms: Mapping[str, Exchange], judge: Judge | None = None) -> Success:
    """Offers the mechanisms and runs the one that the client picks; `judge` is asked about tokens.

    Follow it with `admit`. Raises InvalidPassword, InvalidAuthorizationSpecification or ProtocolViolation when the
    client does not pass: let it through to the door.
    """
    door.send(AuthenticationSASL(tuple(mechanisms)))
    chosen = await door.receive()
    assert isinstance(chosen, SASLInitialResponse)
    exchange = mechanisms.get(chosen.mechanism)
    if exchange is None:
        raise ProtocolViolation("client selected an invalid SASL authentication mechanism")
    step = exchange.exchange(chosen.initial or b"")
    while isinstance(step, Continue | Inquire):
        if isinstance(step, Inquire):
            assert isinstance(exchange, BearerServer), "no other inquires"
            assert judge is not None, "whoever offers it can judge"
            step = exchange.conclude(accepted=await judge(step.token))
            continue
        door.send(AuthenticationSASLContinue(step.content))
        answer = await door.receive()
        assert isinstance(answer, SASLResponse)
        step = exchange.exchange(answer.content)
    if isinstance(step, Failure):
        raise step.error
    return step


async def ask_password(door: "Door") -> str:
    """A password in the clear: for a door whose bytes are encrypted."""
    assert door.encrypted, "no password is asked for in the clear"
    door.send(AuthenticationCleartextPassword())
    answer = await door.receive()
    assert isinstance(answer, PasswordMessage)
    return answer.password


def admit(door: "Door", proof: Success) -> None:
    """Tells the client that it has passed."""
    if proof.content is not None:
        door.send(AuthenticationSASLFinal(proof.content))
    door.send(AuthenticationOk())
