"""How a client proves who it is: which proof is asked for, and what it lets the client do.

What is asked depends on the name, the connection and the access file, never on whether the name exists: a client's
certificate, an issuer's token, or a password, which may be an access token. An unknown user goes through the same
exchange as a known one, on a made-up verifier.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

from catalog.errors import InvalidAuthorizationSpecification, InvalidPassword
from catalog.verifier import read_salt
from gateway.access import CertificateProof
from gateway.auth.bearer import MECHANISM as BEARER
from gateway.auth.bearer import BearerServer
from gateway.auth.certificate import read_common_name
from gateway.auth.exchange import NoProof, Success
from gateway.auth.scram import BOUND_MECHANISM, MECHANISM, ScramServer, Verifier, find_secret, mock_verifier
from gateway.auth.token import Method, resembles_token
from gateway.pgwire.login import admit, ask_password, authenticate

if TYPE_CHECKING:
    from catalog.principals import AccessToken, Login
    from gateway.access import Access
    from gateway.auth.token import Issuer
    from gateway.issuers import Issuers
    from gateway.pgwire.door import Door

Confirm = Callable[[], None]
Proof = tuple[Success, "AccessToken | None"]
"""What is said to the client last, and the access token that it has used, None if it was something else."""


@dataclass(frozen=True, slots=True)
class Gatekeeper:
    """What proofs are held against. `end_point` is what -PLUS binds to, None where it is not offered; `secret` hides
    which users exist."""

    access: Access
    issuers: Issuers
    secret: bytes
    end_point: bytes | None = None

    async def prove(self, door: Door, user: str, login: Login | None, confirm: Confirm) -> AccessToken | None:
        """The access token that the client has used, if it was one. Raises SqlError for who does not pass.

        `confirm` is called once the proof is right, and may raise SqlError, too, before the client hears of it.
        """
        proof, token = await self._find(door, user, login)
        confirm()
        admit(door, proof)
        return token

    async def _find(self, door: Door, user: str, login: Login | None) -> Proof:
        if self._trusts_certificate(door, user):
            if login is None:
                raise _no_certificate(user)
            return Success(), None
        issuer = self.access.find_issuer(user)
        if issuer is None or (issuer.method is Method.PASSWORD and not door.encrypted):
            return await self._prove_by_scram(door, user, login)
        if issuer.method is Method.BEARER:
            return await self._prove_by_bearer(door, user, login, issuer), None
        return await self._prove_in_clear(door, user, login, issuer)

    def _trusts_certificate(self, door: Door, user: str) -> bool:
        """Whether the client's certificate is all that is needed. Raises where it is needed and missing."""
        certificates = self.access.certificates
        if certificates is None:
            return False
        shown = door.certificate
        names = shown is not None and certificates.names(read_common_name(shown), user)
        if not names and certificates.proof is not CertificateProof.ENOUGH:
            raise _no_certificate(user, missing=shown is None)
        return names and certificates.proof is not CertificateProof.BESIDE

    async def _prove_by_scram(self, door: Door, user: str, login: Login | None) -> Proof:
        tokens, verifiers = self._secrets(user, login)
        end_point = self.end_point if door.encrypted else None
        serve = partial(ScramServer, user, verifiers, end_point=end_point)
        bound = {} if end_point is None else {BOUND_MECHANISM: serve(bound=True)}
        proof = await authenticate(door, {**bound, MECHANISM: serve()})
        return proof, tokens[proof.matched]

    async def _prove_by_bearer(self, door: Door, user: str, login: Login | None, issuer: Issuer) -> Success:
        if not door.encrypted:
            raise NoProof("tokens are accepted over TLS only", hint="Connect with sslmode=verify-full.")

        async def judge(token: str) -> bool:
            return await self.issuers.judge(issuer, token, user) and login is not None

        return await authenticate(door, {BEARER: BearerServer(user, issuer)}, judge)

    async def _prove_in_clear(self, door: Door, user: str, login: Login | None, issuer: Issuer) -> Proof:
        """A token of the issuer, an access token, or the password itself."""
        password = await ask_password(door)
        if resembles_token(password):
            if await self.issuers.judge(issuer, password, user) and login is not None:
                return Success(), None
            raise _wrong(user)
        tokens, verifiers = self._secrets(user, login)
        matched = await asyncio.to_thread(find_secret, password, verifiers)
        if matched is None:
            raise _wrong(user)
        return Success(), tokens[matched]

    def _secrets(self, user: str, login: Login | None) -> tuple[list[AccessToken | None], list[Verifier]]:
        """The verifiers of all that the user may show, and the access token that each is of; None for the password."""
        now = datetime.now(UTC)
        stored = None if login is None else login.verifier
        tokens = [token for token in (login.tokens if login else ()) if token.expires_at > now]
        if stored is None and tokens:
            return list(tokens), [Verifier.parse(token.verifier) for token in tokens]
        if stored is None:
            return [None], [mock_verifier(user, self.secret)]
        fitting = [token for token in tokens if read_salt(token.verifier) == read_salt(stored)]
        return [None, *fitting], [Verifier.parse(stored), *(Verifier.parse(token.verifier) for token in fitting)]


def _wrong(user: str) -> InvalidPassword:
    return InvalidPassword(f'password authentication failed for user "{user}"')


def _no_certificate(user: str, *, missing: bool = False) -> InvalidAuthorizationSpecification:
    if missing:
        return NoProof("connection requires a valid client certificate")
    return InvalidAuthorizationSpecification(f'certificate authentication failed for user "{user}"')
