"""SCRAM-SHA-256: the RFC's own example, both sides against each other, libpq's verifiers, and what is refused."""

import base64
import hashlib
import hmac
import itertools

import pytest
from psycopg import pq

from catalog.errors import InvalidAuthorizationSpecification, InvalidPassword, ProtocolViolation
from catalog.verifier import build_verifier
from gateway.auth.exchange import Continue, Failure, Step, Success
from gateway.auth.scram import MAX_ITERATIONS, ScramClient, ScramServer, Verifier, mock_verifier

# RFC 7677 section 3
SALT = base64.b64decode("W22ZaJ0SNY7soEsUEjb6gQ==")
CLIENT_NONCE, SERVER_NONCE = "rOprNGfwEbeRWgbNEkqO", "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
CLIENT_FIRST = b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO"
SERVER_FIRST = b"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
CLIENT_FINAL = (
    b"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
)
SERVER_FINAL = b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="

PASSWORDS = [
    "pencil",
    "",
    "p@ss word",
    "I\u00adX",
    "ª",
    "Ⅸ",
    "\u00a0",
    "a\u0007é",
    "\u0627\u0031é",
    "пароль",
    "𝄞",
    "\u1680x",
]
"""ASCII, and what SASLprep maps, normalises or prohibits (RFC 4013 section 3)."""


def verifier(password: str = "pencil") -> Verifier:
    return Verifier.parse(build_verifier(password))


def converse(client: ScramClient, server: ScramServer) -> tuple[Step, Step]:
    """The last step of each side."""
    said: Step = client.exchange(b"")
    while True:
        assert isinstance(said, Continue)
        heard = server.exchange(said.content)
        if not isinstance(heard, Continue):
            return (client.exchange(heard.content or b"") if isinstance(heard, Success) else said), heard
        said = client.exchange(heard.content)
        if isinstance(said, Failure):
            return said, heard


def refusal(server: ScramServer, *messages: bytes) -> Failure:
    """Every step but the last goes on."""
    steps = [server.exchange(message) for message in messages]
    assert all(isinstance(step, Continue) for step in steps[:-1])
    assert isinstance(steps[-1], Failure)
    return steps[-1]


def example_server() -> ScramServer:
    return ScramServer("user", [Verifier.parse(build_verifier("pencil", salt=SALT))], nonce=SERVER_NONCE)


def test_server_speaks_the_example_of_the_rfc() -> None:
    server = example_server()
    assert server.exchange(CLIENT_FIRST) == Continue(SERVER_FIRST)
    assert server.exchange(CLIENT_FINAL) == Success(SERVER_FINAL)


def test_client_speaks_the_example_of_the_rfc() -> None:
    client = ScramClient("pencil", nonce=CLIENT_NONCE, user="user")
    assert client.exchange(b"") == Continue(CLIENT_FIRST)
    assert client.exchange(SERVER_FIRST) == Continue(CLIENT_FINAL)
    assert client.exchange(SERVER_FINAL) == Success()


@pytest.mark.parametrize("password", PASSWORDS)
def test_verifier_is_the_one_libpq_makes(password: str) -> None:
    made = (
        pq.PGconn.connect_start(b"host=127.0.0.1 port=1")
        .encrypt_password(password.encode(), b"ann", b"scram-sha-256")
        .decode()
    )
    theirs = Verifier.parse(made)
    assert build_verifier(password, iterations=theirs.iterations, salt=theirs.salt) == made


@pytest.mark.parametrize("password", PASSWORDS)
def test_right_password(password: str) -> None:
    assert converse(ScramClient(password), ScramServer("ann", [verifier(password)]))[0] == Success()


@pytest.mark.parametrize("iterations", [1, 10_000])
def test_other_iterations(iterations: int) -> None:
    server = ScramServer("ann", [Verifier.parse(build_verifier("pencil", iterations=iterations))])
    assert converse(ScramClient("pencil"), server)[0] == Success()


def test_wrong_password() -> None:
    _, failure = converse(ScramClient("Pencil"), ScramServer("ann", [verifier()]))
    assert isinstance(failure, Failure)
    assert isinstance(failure.error, InvalidPassword)
    assert str(failure.error) == 'password authentication failed for user "ann"'


def test_unknown_user_looks_like_a_wrong_password() -> None:
    secret = b"of the server"
    first, second = (ScramServer("eve", [mock_verifier("eve", secret)]).exchange(CLIENT_FIRST) for _ in range(2))
    assert isinstance(first, Continue)
    assert isinstance(second, Continue)
    assert first.content.split(b",")[1:] == second.content.split(b",")[1:], "the salt is the same at each try"
    assert mock_verifier("eve", secret).salt != mock_verifier("ann", secret).salt
    assert mock_verifier("eve", secret).salt != mock_verifier("eve", b"of another").salt
    _, failure = converse(ScramClient("pencil"), ScramServer("eve", [mock_verifier("eve", secret)]))
    assert isinstance(failure, Failure)
    assert str(failure.error) == 'password authentication failed for user "eve"'


def test_nonces_are_never_the_same() -> None:
    first, second = (ScramServer("ann", [verifier()]).exchange(CLIENT_FIRST) for _ in range(2))
    assert first != second
    assert ScramClient("x").exchange(b"") != ScramClient("x").exchange(b"")


def test_a_client_that_sends_nothing_first_is_asked() -> None:
    server = example_server()
    assert server.exchange(b"") == Continue(b"")
    assert server.exchange(CLIENT_FIRST) == Continue(SERVER_FIRST)


def test_a_client_that_could_bind_is_let_in() -> None:
    """Flag y: it would have, but we did not offer it, and indeed we did not."""
    server = example_server()
    assert isinstance(server.exchange(CLIENT_FIRST.replace(b"n,,", b"y,,")), Continue)
    failure = server.exchange(CLIENT_FINAL.replace(b"c=biws", b"c=eSws"))
    assert isinstance(failure, Failure)
    assert isinstance(failure.error, InvalidPassword), "the flag is part of the proof"


END_POINT = b"hash of a certificate"
BOUND = base64.b64encode(b"p=tls-server-end-point,," + END_POINT)
BOUND_FIRST = CLIENT_FIRST.replace(b"n,,", b"p=tls-server-end-point,,")


def binding_server(*, bound: bool = True) -> ScramServer:
    verifiers = [Verifier.parse(build_verifier("pencil", salt=SALT))]
    return ScramServer("user", verifiers, nonce=SERVER_NONCE, end_point=END_POINT, bound=bound)


def prove(client_final_without_proof: bytes) -> bytes:
    """The last message with its proof, as somebody who knows the password makes it."""
    salted = hashlib.pbkdf2_hmac("sha256", b"pencil", SALT, 4096)
    client_key = hmac.digest(salted, b"Client Key", "sha256")
    transcript = b",".join((CLIENT_FIRST[3:], SERVER_FIRST, client_final_without_proof))
    signature = hmac.digest(hashlib.sha256(client_key).digest(), transcript, "sha256")
    proof = bytes(a ^ b for a, b in zip(client_key, signature, strict=True))
    return client_final_without_proof + b",p=" + base64.b64encode(proof)


def test_a_bound_login() -> None:
    server = binding_server()
    assert server.exchange(BOUND_FIRST) == Continue(SERVER_FIRST)
    nonce = SERVER_FIRST.partition(b",")[0]
    assert isinstance(server.exchange(prove(b"c=" + BOUND + b"," + nonce)), Success)


def test_a_login_bound_to_something_else() -> None:
    nonce = SERVER_FIRST.partition(b",")[0]
    other = base64.b64encode(b"p=tls-server-end-point,,hash of another")
    error = refusal(binding_server(), BOUND_FIRST, prove(b"c=" + other + b"," + nonce)).error
    assert isinstance(error, InvalidAuthorizationSpecification)
    assert str(error) == "SCRAM channel binding check failed"


def test_an_offer_that_was_cut_out_is_noticed() -> None:
    error = refusal(binding_server(bound=False), CLIENT_FIRST.replace(b"n,,", b"y,,")).error
    assert isinstance(error, InvalidAuthorizationSpecification)
    assert str(error) == "SCRAM channel binding negotiation error"


@pytest.mark.parametrize("flag", [b"n", b"y", b"p=tls-unique", b"p="])
def test_a_bound_login_without_its_binding(flag: bytes) -> None:
    assert isinstance(refusal(binding_server(), CLIENT_FIRST.replace(b"n,,", flag + b",,")).error, ProtocolViolation)


def test_one_of_several_secrets_is_enough() -> None:
    verifiers = [Verifier.parse(build_verifier(secret, salt=SALT)) for secret in ("first", "pencil", "third")]
    server = ScramServer("user", verifiers, nonce=SERVER_NONCE)
    server.exchange(CLIENT_FIRST)
    assert server.exchange(CLIENT_FINAL) == Success(SERVER_FINAL, 1)


@pytest.mark.parametrize(
    "first",
    [
        b"p=tls-server-end-point,,n=user,r=abc",
        b"x,,n=user,r=abc",
        b"n,a=other,n=user,r=abc",
        b"n,,m=ext,n=user,r=abc",
        b"n,,n=user",
        b"n,,n=user,r=",
        b"n,,n=user,r=a\x00b",
        b"n,,n=user,r=a\x80b",
        b"n",
        b",",
    ],
)
def test_malformed_first_message(first: bytes) -> None:
    error = refusal(example_server(), first).error
    assert isinstance(error, ProtocolViolation)
    assert str(error) == "malformed SCRAM message"


@pytest.mark.parametrize(
    "final",
    [
        CLIENT_FINAL.replace(b"c=biws", b"c=eSws"),
        CLIENT_FINAL.replace(b"c=biws", b"c=cD1mb28sLA=="),
        CLIENT_FINAL.replace(b"hNlF$k0", b"hNlF$k1"),
        CLIENT_FINAL.partition(b",p=")[0] + b",p=AAAA",
        CLIENT_FINAL.partition(b",p=")[0] + b",p=A",
        CLIENT_FINAL.partition(b",p=")[0],
        CLIENT_FINAL + b",x=1",
        b"c=biws",
        b"",
    ],
)
def test_malformed_final_message(final: bytes) -> None:
    assert isinstance(refusal(example_server(), CLIENT_FIRST, final).error, ProtocolViolation)


@pytest.mark.parametrize(
    "challenge",
    [
        SERVER_FIRST.replace(b"r=rOpr", b"r=xOpr"),
        SERVER_FIRST.replace(b"i=4096", b"i=0"),
        SERVER_FIRST.replace(b"i=4096", b"i=%d" % (MAX_ITERATIONS + 1)),
        SERVER_FIRST.replace(b"i=4096", b"i=-1"),
        SERVER_FIRST.replace(b"s=W22Z", b"s=?"),
        b"m=new," + SERVER_FIRST,
        b"e=unknown-user",
    ],
)
def test_client_refuses_a_bad_challenge(challenge: bytes) -> None:
    client = ScramClient("pencil", nonce=CLIENT_NONCE, user="user")
    client.exchange(b"")
    assert isinstance(client.exchange(challenge), Failure)


@pytest.mark.parametrize("signature", [b"v=AAAA", b"", b"e=other-error"])
def test_client_refuses_a_server_that_does_not_know_the_password(signature: bytes) -> None:
    client = ScramClient("pencil", nonce=CLIENT_NONCE, user="user")
    client.exchange(b"")
    client.exchange(SERVER_FIRST)
    assert isinstance(client.exchange(signature), Failure)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "md5abc",
        "SCRAM-SHA-256$4096:AAAA$AAAA:AAAA",
        "SCRAM-SHA-256$0:" + build_verifier("x").partition(":")[2],
        "SCRAM-SHA-256$4096:?" + build_verifier("x").partition(":")[2],
        build_verifier("x") + "$",
    ],
)
def test_not_a_verifier(text: str) -> None:
    with pytest.raises(ValueError, match=r"verifier|base64|padding|Incorrect|Only"):
        Verifier.parse(text)


def test_verifier_shows_nothing_by_accident() -> None:
    kept = verifier()
    secrets = map(str, itertools.chain([kept.stored_key, kept.server_key], str(kept).split("$")[2].split(":")))
    assert not any(secret in repr(kept) for secret in secrets)
    assert Verifier.parse(str(kept)) == kept
