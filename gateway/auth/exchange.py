"""The shape that every way of proving who one is has: bytes in, a step out; no I/O and no waiting.

A door names the mechanisms that it offers, hands over what the peer sends, and sends what the step carries. SCRAM is
one mechanism; a token (OAUTHBEARER) is another of the same shape. A client certificate needs no exchange at all: the
door knows it when TLS is up.
"""

from dataclasses import dataclass, field
from typing import Protocol

from catalog.errors import InvalidAuthorizationSpecification, SqlError


class NoProof(InvalidAuthorizationSpecification):
    """The client has shown nothing that could be wrong: this was no guess."""


@dataclass(frozen=True, slots=True)
class Continue:
    """Send this, and hand over the answer."""

    content: bytes


@dataclass(frozen=True, slots=True)
class Success:
    """The peer is who it says it is. `content` is the last message to send; None if there is none. `matched` counts
    which of the secrets that it might have known it has shown."""

    content: bytes | None = None
    matched: int = 0


@dataclass(frozen=True, slots=True)
class Failure:
    """The peer is not, or broke the mechanism's rules. Show `error`; it says nothing that helps to guess."""

    error: SqlError


@dataclass(frozen=True, slots=True)
class Inquire:
    """Find out what the token that the peer shows is worth, and `conclude` the exchange with that."""

    token: str = field(repr=False)


Step = Continue | Success | Failure


class Exchange(Protocol):
    """One run of one mechanism. Used once. One that may Inquire has `conclude(accepted=…)`, too."""

    def exchange(self, content: bytes) -> Step | Inquire:
        """The next step. `content` is empty for a first message that is not there."""
        ...
