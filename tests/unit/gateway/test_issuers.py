"""Tokens of a real HTTPS issuer: which let in, which do not, and when its keys are asked for."""

import asyncio
import base64
import json
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from gateway.auth.token import LONGEST_DOCUMENT, Issuer, read_keys
from gateway.issuers import FRESH_SECONDS, PAUSE_SECONDS, STALE_SECONDS, KeyRing
from tests.certificates import Authority
from tests.issuer import AUDIENCE, TokenIssuer, running_issuer

DISCOVERY, KEYS = "/.well-known/openid-configuration", "/keys"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("issuer"))


@pytest.fixture
def issuer(authority: Authority) -> Iterator[TokenIssuer]:
    with running_issuer(authority) as running:
        yield running


class Clock:
    """Goes on only when it is told to."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def expected(issuer: TokenIssuer, authority: Authority, **changes: Any) -> Issuer:
    return replace(Issuer("test", issuer.url, AUDIENCE, ("*",), authority=authority.file), **changes)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def ring(issuer: TokenIssuer, authority: Authority, clock: Clock) -> KeyRing:
    return KeyRing(expected(issuer, authority), clock)


async def test_keys_are_fetched_once(issuer: TokenIssuer, ring: KeyRing) -> None:
    verdicts = await asyncio.gather(*(ring.judge(issuer.token("ann"), "ann") for _ in range(20)))
    assert all(verdicts)
    assert issuer.requests == [DISCOVERY, KEYS]


@pytest.mark.parametrize(
    "claims",
    [
        {"exp": 1},
        {"exp": None},
        {"exp": "soon"},
        {"exp": 1e400},
        {"nbf": 2**40},
        {"iat": 2**40},
        {"aud": "other"},
        {"aud": ["other", "another"]},
        {"aud": None},
        {"iss": "https://elsewhere.example"},
        {"iss": None},
        {"sub": "bob"},
        {"sub": None},
        {"sub": ["ann"]},
        {"header": {"kid": "other"}},
        {"header": {"kid": ""}},
        {"header": {"crit": ["exp"], "exp": 1}},
    ],
    ids=str,
)
async def test_what_lets_nobody_in(issuer: TokenIssuer, ring: KeyRing, claims: dict[str, Any]) -> None:
    try:
        token = issuer.token("ann", **claims)
    except (TypeError, jwt.PyJWTError):
        token = forged(issuer, claims)
    assert not await ring.judge(token, "ann")


def forged(issuer: TokenIssuer, claims: dict[str, Any]) -> str:
    """A token whose claims the library itself does not write."""
    header, _, signature = issuer.token("ann").split(".")
    return ".".join((header, encode(json.dumps(claims).encode()), signature))


def encode(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


async def test_a_little_skew_is_forgiven(issuer: TokenIssuer, ring: KeyRing) -> None:
    now = int(time.time())
    assert await ring.judge(issuer.token("ann", exp=now - 30, iat=now + 30, nbf=now + 30), "ann")
    assert not await ring.judge(issuer.token("ann", exp=now - 90), "ann")


async def test_an_audience_among_several(issuer: TokenIssuer, ring: KeyRing) -> None:
    assert await ring.judge(issuer.token("ann", aud=["other", AUDIENCE]), "ann")


async def test_no_signature_and_a_published_key_as_a_secret(issuer: TokenIssuer, ring: KeyRing) -> None:
    claims = {"iss": issuer.url, "aud": AUDIENCE, "sub": "ann", "exp": int(time.time()) + 300}
    assert not await ring.judge(jwt.encode(claims, "", "none", headers={"kid": "first"}), "ann")
    pem = issuer.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    signed = ".".join((encode(b'{"alg":"HS256","kid":"first"}'), encode(json.dumps(claims).encode())))
    mac = jwt.get_algorithm_by_name("HS256")
    digest = mac.sign(signed.encode(), pem)
    assert not await ring.judge(f"{signed}.{encode(digest)}", "ann")


async def test_another_key_under_the_same_id(issuer: TokenIssuer, ring: KeyRing) -> None:
    assert await ring.judge(issuer.token("ann"), "ann")
    foreign = TokenIssuer(issuer.url, "foreign")
    assert not await ring.judge(foreign.token("ann"), "ann")


@pytest.mark.parametrize(
    "token",
    ["", "a.b.c", "eyJ.eyJ.", ".".join((encode(b"[" * 9000), "e30", "AA")), "eyJ" + "a" * 20_000 + ".a.b", "é.é.é"],
    ids=["empty", "letters", "cut", "deep", "long", "odd"],
)
async def test_what_is_no_token(ring: KeyRing, token: str) -> None:
    assert not await ring.judge(token, "ann")


async def test_a_claim_and_a_map_name_the_role(issuer: TokenIssuer, authority: Authority) -> None:
    ring = KeyRing(expected(issuer, authority, claim="email", roles={"a@b.example": "ann"}))
    assert await ring.judge(issuer.token("x", email="a@b.example"), "ann")
    assert not await ring.judge(issuer.token("ann", email="ann"), "ann"), "who is not in the map is nobody"


async def test_an_algorithm_that_is_not_allowed(issuer: TokenIssuer, authority: Authority) -> None:
    issuer.rotate("second", "ES256")
    assert not await KeyRing(expected(issuer, authority, algorithms=("RS256",))).judge(issuer.token("ann"), "ann")
    assert await KeyRing(expected(issuer, authority)).judge(issuer.token("ann"), "ann")


async def test_rotated_keys_are_found(issuer: TokenIssuer, ring: KeyRing, clock: Clock) -> None:
    old = issuer.token("ann")
    assert await ring.judge(old, "ann")
    issuer.rotate("second")
    clock.now = PAUSE_SECONDS
    assert await ring.judge(issuer.token("ann"), "ann")
    assert not await ring.judge(old, "ann"), "what is not published any more is not trusted"


async def test_a_storm_of_unknown_keys_asks_once(issuer: TokenIssuer, ring: KeyRing, clock: Clock) -> None:
    assert await ring.judge(issuer.token("ann"), "ann")
    issuer.requests.clear()
    clock.now = PAUSE_SECONDS
    unknown = [issuer.token("ann", header={"kid": str(number)}) for number in range(50)]
    assert not any(await asyncio.gather(*(ring.judge(token, "ann") for token in unknown)))
    assert issuer.requests == [DISCOVERY, KEYS]


async def test_keys_outlive_an_issuer_for_a_while(issuer: TokenIssuer, ring: KeyRing, clock: Clock) -> None:
    token = issuer.token("ann")
    assert await ring.judge(token, "ann")
    issuer.answers[DISCOVERY] = 503, b""
    clock.now = 2 * FRESH_SECONDS
    assert await ring.judge(token, "ann")
    clock.now = 2 * STALE_SECONDS
    assert not await ring.judge(token, "ann")


@pytest.mark.parametrize(
    ("path", "answer"),
    [
        (DISCOVERY, (404, b"")),
        (DISCOVERY, (302, b"")),
        (DISCOVERY, (200, b"")),
        (DISCOVERY, (200, b'{"issuer": "https://elsewhere.example", "jwks_uri": "https://localhost/keys"}')),
        (DISCOVERY, (200, b"[" * 5000)),
        (KEYS, (200, b'{"keys": {}}')),
        (KEYS, (200, json.dumps({"keys": [{}] * 101}).encode())),
        (KEYS, (200, b" " * (LONGEST_DOCUMENT + 1))),
        (KEYS, (200, b"\xff")),
    ],
    ids=lambda value: str(value)[:40],
)
async def test_an_issuer_that_answers_badly(
    issuer: TokenIssuer, ring: KeyRing, path: str, answer: tuple[int, bytes]
) -> None:
    issuer.answers[path] = answer
    assert not await ring.judge(issuer.token("ann"), "ann")


async def test_keys_over_plain_http_are_not_fetched(issuer: TokenIssuer, ring: KeyRing) -> None:
    document = {"issuer": issuer.url, "jwks_uri": issuer.url.replace("https", "http") + "/keys"}
    issuer.answers[DISCOVERY] = 200, json.dumps(document).encode()
    assert not await ring.judge(issuer.token("ann"), "ann")
    assert issuer.requests == [DISCOVERY]


async def test_an_issuer_whose_certificate_nobody_knows(issuer: TokenIssuer, tmp_path: Path) -> None:
    stranger = Authority(tmp_path, name="stranger")
    assert not await KeyRing(expected(issuer, stranger)).judge(issuer.token("ann"), "ann")


def test_keys_that_are_no_use_are_passed_over() -> None:
    weak = jwt.get_algorithm_by_name("RS256").to_jwk(
        rsa.generate_private_key(public_exponent=65537, key_size=2048).public_key(), as_dict=True
    )
    good = {**weak, "kid": "good"}
    odd: list[object] = [
        weak,
        {**weak, "kid": 7},
        {**weak, "kid": "x", "use": "enc"},
        {**weak, "kid": "x", "alg": "HS256"},
        {**weak, "kid": "x", "n": "?"},
        {"kty": "oct", "k": "c2VjcmV0", "kid": "x"},
        {"kty": "EC", "crv": "secp256k1", "kid": "x"},
        {"kty": "OKP", "crv": "X25519", "kid": "x"},
        {"kid": "x"},
        7,
    ]
    assert set(read_keys(json.dumps({"keys": [*odd, good]}).encode())) == {"good"}
