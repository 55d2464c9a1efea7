"""OAUTHBEARER: a client shows an issuer's token, or asks where to get one.

What the token is worth is asked of whoever runs the exchange (`Inquire`), since an issuer's keys may have to be fetched
for it. A client without one hears the issuer's discovery address, in JSON, and then the refusal.

References: RFC 7628; PostgreSQL 18's `auth-oauth.c` for the texts of the errors.
"""

import json
import re

from catalog.errors import InvalidAuthorizationSpecification, ProtocolViolation
from gateway.auth.exchange import Continue, Failure, Inquire, NoProof, Step, Success
from gateway.auth.token import Issuer

MECHANISM = "OAUTHBEARER"

_SEPARATOR = b"\x01"
_INITIAL = re.compile(rb"([^,]),([^,]*),\x01((?:[A-Za-z]+=[^\x01]*\x01)*)\x01")
_BEARER = re.compile(r"bearer +([A-Za-z0-9\-._~+/]+=*) *", re.IGNORECASE)


class BearerServer:
    """The server's side: the client's message, the verdict, and, where that is no, what to do instead."""

    def __init__(self, user: str, issuer: Issuer) -> None:
        self._user = user
        self._issuer = issuer
        self._asked = False
        self._refused = False

    def exchange(self, content: bytes) -> Step | Inquire:
        """Takes the message with the token; after a refusal, the client's word that it has heard of it."""
        if self._refused:
            return Failure(self._denial if content == _SEPARATOR else _malformed("The client did not send a kvsep."))
        if not content:
            return Continue(b"")
        try:
            token = self._read(content)
        except ProtocolViolation as error:
            return Failure(error)
        self._asked = token is None
        return self.conclude(accepted=False) if token is None else Inquire(token)

    def conclude(self, *, accepted: bool) -> Step:
        """What follows the verdict on the token."""
        if accepted:
            return Success()
        self._refused = True
        status = {
            "status": "invalid_token",
            "openid-configuration": self._issuer.discovery,
            "scope": self._issuer.scope,
        }
        return Continue(json.dumps(status).encode())

    @property
    def _denial(self) -> InvalidAuthorizationSpecification:
        denial = NoProof if self._asked else InvalidAuthorizationSpecification
        return denial(f'OAuth bearer authentication failed for user "{self._user}"')

    def _read(self, content: bytes) -> str | None:
        """The token; None where the client asks for discovery by an empty one."""
        match = _INITIAL.fullmatch(content)
        if match is None:
            raise _malformed("The message is not a client-initial-response.")
        flag, name, pairs = match.groups()
        if flag == b"p":
            raise _malformed(
                "The server does not support channel binding for OAuth, but the client message includes it."
            )
        if flag not in (b"n", b"y"):
            raise _malformed(f'Unexpected channel-binding flag "{flag.decode("ascii", "replace")}".')
        if name:
            raise _malformed("The client uses authorization identity, but it is not supported.")
        values = [pair[5:] for pair in pairs.split(_SEPARATOR) if pair.startswith(b"auth=")]
        if len(values) != 1:
            raise _malformed("Message must contain one auth value.")
        return self._read_value(values[0].decode("ascii", "replace"))

    def _read_value(self, value: str) -> str | None:
        if not value:
            return None
        match = _BEARER.fullmatch(value)
        if match is None:
            raise _malformed("The auth value is not a Bearer token.")
        return match[1]


def _malformed(detail: str) -> ProtocolViolation:
    return ProtocolViolation("malformed OAUTHBEARER message", detail=detail)
