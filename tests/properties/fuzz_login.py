"""A coverage-guided fuzzer of what is said before a session: `python tests/properties/fuzz_login.py --seconds N`.

Both sides of SCRAM and OAUTHBEARER, a balancer's header, an issuer's tokens and keys: whatever bytes they are given,
only an answer or a refusal of their own may come of them, and what is let in has shown what it must.
"""

import json
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import atheris

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

with atheris.instrument_imports(include=["gateway.pgwire.proxy", "gateway.auth", "catalog.verifier", "jwt"]):
    import jwt
    from cryptography.hazmat.primitives.asymmetric import ec
    from jwt.algorithms import ECAlgorithm

    from catalog.errors import ProtocolViolation
    from catalog.verifier import build_verifier
    from gateway.auth.bearer import BearerServer
    from gateway.auth.exchange import Inquire, Success
    from gateway.auth.scram import ScramClient, ScramServer, Verifier
    from gateway.auth.token import Issuer, TokenRefused, check_token, read_keys, resembles_token
    from gateway.pgwire.proxy import SIGNATURE, Preface
    from tests.properties.fuzzing import run

VERIFIER = Verifier.parse(build_verifier("pencil", iterations=1, salt=b"salt"))
ISSUER = Issuer("test", "https://issuer.example", "lakegate", ("*",), algorithms=("ES256",))
PRIVATE = ec.generate_private_key(ec.SECP256R1())
PUBLISHED = json.dumps(
    {"keys": [{**ECAlgorithm.to_jwk(PRIVATE.public_key(), as_dict=True), "kid": "a", "alg": "ES256"}]}
)
KEYS = read_keys(PUBLISHED.encode())


def sign(claims: bytes) -> str:
    """A token of the issuer's with any bytes as its claims: their reading is behind the signature."""
    return jwt.api_jws.encode(claims, PRIVATE, algorithm="ES256", headers={"kid": "a"})


def fuzz_scram(content: bytes) -> None:
    """Both sides of the mechanisms, each hearing two arbitrary messages. Nobody guesses the proof."""
    first, _, second = content.partition(b"\0")
    for side in (
        ScramServer("ann", [VERIFIER], nonce="n"),
        ScramServer("ann", [VERIFIER], nonce="n", end_point=b"hash", bound=True),
        ScramClient("pencil", nonce="n"),
    ):
        for message in (first, second):
            assert not isinstance(side.exchange(message), Success), "it let somebody in"


def fuzz_bearer(content: bytes) -> None:
    """The message that holds a token, and what follows a refusal."""
    first, _, second = content.partition(b"\0")
    bearer = BearerServer("ann", ISSUER)
    step = bearer.exchange(first)
    if isinstance(step, Inquire):
        assert step.token
        bearer.conclude(accepted=False)
    assert not isinstance(bearer.exchange(second), Success), "it let somebody in"


def fuzz_preface(content: bytes) -> None:
    """A balancer's header in one piece and in two."""
    cut = content[0] % (len(content) + 1) if content else 0
    heard: list[object] = []
    for pieces in ([content], [content[:cut], content[cut:]]):
        preface, own = Preface(), b""
        try:
            for piece in pieces:
                own += piece if preface.whole else preface.receive(piece)
        except ProtocolViolation:
            heard.append("refused")
        else:
            heard.append((preface.source, preface.whole, own))
    assert heard[0] == heard[1], "the pieces make a difference"


def fuzz_token(content: bytes) -> None:
    """A token as a client shows it; those of the seeds are Bob's."""
    text = content.decode("latin-1")
    resembles_token(text)
    with suppress(TokenRefused):
        check_token(text, ISSUER, KEYS, "ann")
        raise AssertionError("the issuer has signed nothing for her")


def fuzz_claims(content: bytes) -> None:
    """The claims of a token that is signed. Ann is let in by nothing but claims that name her."""
    with suppress(TokenRefused):
        check_token(sign(content), ISSUER, KEYS, "ann")
        claims = json.loads(content)
        assert (claims["sub"], claims["iss"]) == ("ann", ISSUER.url), "somebody else was let in"


def fuzz_keys(content: bytes) -> None:
    """What an issuer publishes."""
    with suppress(ValueError, RecursionError):
        read_keys(content)


PARTS: tuple[Callable[[bytes], None], ...] = (
    fuzz_scram, fuzz_bearer, fuzz_preface, fuzz_token, fuzz_claims, fuzz_keys
)  # fmt: skip


def fuzz(content: bytes) -> None:
    """The first byte picks what hears the rest."""
    if content:
        PARTS[content[0] % len(PARTS)](content[1:])


def seeds() -> list[bytes]:
    """What each accepts, or nearly does."""
    claims = {"iss": ISSUER.url, "aud": "lakegate", "sub": "ann", "exp": int(time.time()) + 10**6, "nbf": 0, "iat": 0}
    whole = json.dumps(claims).encode()
    head = SIGNATURE + b"\x21\x11\x00\x10" + bytes(12) + b"\x04\x00\x01x"
    good: tuple[tuple[bytes, ...], ...] = (
        (
            b"n,,n=user,r=abc\0c=biws,r=abcn,p=AAAA",
            b"p=tls-server-end-point,,n=,r=abc\0c=YWJj,r=abcn,p=" + b"A" * 43 + b"=",
        ),
        (b"n,,\x01auth=Bearer abc\x01\x01\0\x01", b"y,,\x01host=h\x01auth=\x01\x01\0\x01"),
        (head + b"rest", SIGNATURE + b"\x20\x00\x00\x00", SIGNATURE + b"\x21\x21\x00\x24" + bytes(36)),
        (sign(whole.replace(b"ann", b"bob")).encode(), b"eyJraWQiOiJhIn0.e30.AA"),
        (whole, json.dumps({**claims, "aud": ["x", "lakegate"], "exp": "1e3"}).encode()),
        (
            PUBLISHED.encode(),
            b'{"keys": [{"kty": "RSA", "kid": "b", "n": "AQAB", "e": "AQAB"}, {"kty": "OKP", "kid": "c"}]}',
        ),
    )
    return [bytes([number]) + body for number, bodies in enumerate(good) for body in bodies]


if __name__ == "__main__":
    sys.exit(run(fuzz, seeds))
