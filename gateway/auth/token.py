"""Tokens of an issuer (JWT, OpenID Connect): which are accepted, whose they are, and what an issuer publishes. No I/O.

A token is accepted when one of the issuer's keys has signed it, by an algorithm that the operator allows and that is
the key's own; when issuer and audience are the expected ones; when it is neither expired nor not yet valid; and when
its claim names the role that logs in. All algorithms are asymmetric: a published key never verifies an HMAC.

References: RFC 7515, 7517, 7519, 8725; OpenID Connect Core 1.0 and Discovery 1.0.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import jwt
from jwt.types import Options

ALGORITHMS = frozenset({"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"})
MOST_KEYS = 100
LONGEST_KEY_ID = 256
LONGEST_DOCUMENT = 256 * 1024
"""Bytes of what an issuer publishes."""
LONGEST_TOKEN = 16_000
_OPTIONS: Options = {"require": ["exp", "iss", "aud"], "enforce_minimum_key_length": True}
_UNREADABLE = (jwt.PyJWTError, ValueError, TypeError, ArithmeticError, RecursionError)
"""What reading somebody's JSON, numbers and keys raises where they are not what they should be."""


class Method(StrEnum):
    """How a client hands its token over: by SASL, or in place of a password."""

    BEARER = "oauthbearer"
    PASSWORD = "password"


@dataclass(frozen=True, slots=True)
class Issuer:
    """Whose tokens let in whom. `users` are patterns of the names that log in this way, whether they exist or not.

    `claim` names the role, through `roles` where that is said. `keys` is where its keys are, None for what discovery
    says; `authority` are the certificates that its TLS is checked by, None for the system's.
    """

    name: str
    url: str
    audience: str
    users: tuple[str, ...]
    method: Method = Method.BEARER
    claim: str = "sub"
    roles: Mapping[str, str] = field(default_factory=dict)
    algorithms: tuple[str, ...] = ("RS256", "ES256")
    scope: str = "openid"
    keys: str | None = None
    authority: Path | None = None
    skew_seconds: float = 60.0

    @property
    def discovery(self) -> str:
        """Where it says what it is (OpenID Connect Discovery 1.0, section 4)."""
        return f"{self.url.rstrip('/')}/.well-known/openid-configuration"

    def serves(self, user: str) -> bool:
        return any(fnmatchcase(user, pattern) for pattern in self.users)


class TokenRefused(Exception):
    """Why a token is not accepted: for the log, never for the client."""


class UnknownKey(TokenRefused):
    """It names a key that the issuer has not published, as far as is known."""


def resembles_token(password: str) -> bool:
    """Whether a password is a JWT by its form: three parts, the first of JSON."""
    return password.count(".") == 2 and password.startswith("eyJ")


def read_keys(document: bytes) -> Mapping[str, jwt.PyJWK]:
    """An issuer's keys for signatures, by their ids. Those of kinds that are not accepted are passed over.

    Raises ValueError for what is not a JSON Web Key Set.
    """
    content = json.loads(document)
    listed = content.get("keys") if isinstance(content, dict) else None
    if not isinstance(listed, list) or len(listed) > MOST_KEYS:
        raise ValueError(f"not a set of at most {MOST_KEYS} keys")
    found: dict[str, jwt.PyJWK] = {}
    for entry in listed:
        if (key := _read_key(entry)) is not None:
            found[str(key.key_id)] = key
    return found


def _read_key(entry: Any) -> jwt.PyJWK | None:
    """A key without an id cannot be told from another."""
    if not isinstance(entry, dict) or entry.get("use", "sig") != "sig" or not _is_key_id(entry.get("kid")):
        return None
    if entry.get("kty") not in ("RSA", "EC", "OKP"):
        return None
    try:
        key = jwt.PyJWK.from_dict(entry)
    except _UNREADABLE:
        return None
    return key if key.algorithm_name in ALGORITHMS else None


def _is_key_id(key_id: object) -> bool:
    return isinstance(key_id, str) and 0 < len(key_id) <= LONGEST_KEY_ID


def read_key_id(token: str) -> str:
    """The id of the key that a token says it is signed with; nothing is verified yet. Raises TokenRefused."""
    if len(token) > LONGEST_TOKEN:
        raise TokenRefused(f"a token of {len(token)} characters is too long")
    try:
        key_id = jwt.get_unverified_header(token).get("kid")
    except _UNREADABLE as error:
        raise TokenRefused(str(error)) from None
    if not _is_key_id(key_id):
        raise TokenRefused("it names no key")
    return str(key_id)


def check_token(token: str, issuer: Issuer, keys: Mapping[str, jwt.PyJWK], user: str) -> None:
    """Returns if the token lets this user in. Raises TokenRefused; UnknownKey where newer keys may help."""
    key = keys.get(read_key_id(token))
    if key is None:
        raise UnknownKey("its key is not among the issuer's")
    if key.algorithm_name not in issuer.algorithms:
        raise TokenRefused(f"its key is for {key.algorithm_name}, which is not allowed")
    try:
        claims = jwt.decode(
            token,
            key,
            algorithms=[key.algorithm_name],
            audience=issuer.audience,
            issuer=issuer.url,
            leeway=issuer.skew_seconds,
            options=_OPTIONS,
        )
    except _UNREADABLE as error:
        raise TokenRefused(str(error)) from None
    named = claims.get(issuer.claim)
    role = issuer.roles.get(named, None if issuer.roles else named) if isinstance(named, str) else None
    if role is None or role != user:
        raise TokenRefused(f"its {issuer.claim} is {named!r}, who is not {user!r}")
