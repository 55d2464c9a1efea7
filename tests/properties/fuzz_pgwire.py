"""A coverage-guided fuzzer of the protocol: `python tests/properties/fuzz_pgwire.py --seconds N`.

Any bytes, in any state, cut anywhere: only an SqlError may come of them, reading must get on, and the same bytes in one
piece must read the same.
"""

import sys
from contextlib import suppress
from pathlib import Path

import atheris

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

with atheris.instrument_imports(include=["gateway.pgwire", "gateway.auth"]):
    from catalog.errors import ProtocolViolation, SqlError
    from catalog.verifier import build_verifier
    from gateway.auth.bearer import BearerServer
    from gateway.auth.scram import ScramClient, ScramServer, Verifier
    from gateway.auth.token import Issuer, TokenRefused, read_key_id
    from gateway.pgwire import messages as m
    from gateway.pgwire.codec import encode
    from gateway.pgwire.connection import NEED_DATA, Connection
    from gateway.pgwire.errors import error_response
    from gateway.pgwire.proxy import SIGNATURE, Preface
    from gateway.pgwire.state import FRONTEND, Side, State
    from tests.properties.fuzzing import run
    from tests.unit.gateway.pgwire.samples import BACKEND as BACKEND_SAMPLES
    from tests.unit.gateway.pgwire.samples import FRONTEND as FRONTEND_SAMPLES
    from tests.unit.gateway.pgwire.samples import PACKETS

LOGIN = (State.NEGOTIATING, State.AUTHENTICATING, State.SASL_INITIAL, State.STARTING)
READABLE: list[tuple[Side, State]] = [(Side.SERVER, state) for state in FRONTEND if state is not State.OPEN]
READABLE += [(Side.CLIENT, state) for state in (*LOGIN, State.OPEN)]
STOPPED = {
    Side.SERVER: frozenset({State.FAILED, State.CLOSED, State.AUTHENTICATING, State.NEGOTIATING}),
    Side.CLIENT: frozenset({State.FAILED, State.CLOSED, State.STARTUP}),
}
"""Where the fuzzed side would have to say something of its own."""
ISSUER = Issuer("test", "https://issuer.example", "lakegate", ("*",))
VERIFIER = Verifier.parse(build_verifier("pencil", iterations=1, salt=b"salt"))


def read(side: Side, state: State, pieces: list[bytes]) -> list[object]:
    """All that comes out, in order; messages are written again, which must not fail either."""
    connection = Connection(side)
    connection.state = state
    found: list[object] = []
    for piece in pieces:
        connection.receive_data(piece)
        while True:
            left = connection.buffered
            try:
                message = connection.next_event()
            except SqlError as error:
                found.append((error.sqlstate, str(error)))
                if side is Side.CLIENT or connection.state is State.FAILED:
                    return found
                connection.send(error_response(error))
            else:
                if message is NEED_DATA:
                    break
                encode(message)
                found.append(message)
            assert connection.buffered < left, "reading does not get on"
            if side is Side.SERVER and connection.state in (State.BUSY, State.SYNCING):
                connection.send(m.ReadyForQuery(b"I"))
            if connection.state in STOPPED[side]:
                return found
    return found


def fuzz_connection(content: bytes) -> None:
    """The first byte picks side and state, the second how long the pieces are."""
    if len(content) < 2:
        return
    side, state = READABLE[content[0] % len(READABLE)]
    size = content[1] % 40 + 1
    body = content[2:]
    whole = read(side, state, [body])
    pieces = read(side, state, [body[at : at + size] for at in range(0, len(body), size)])
    # What lies behind a request for encryption is an attack; what comes after it is not.
    assert state in (State.STARTUP, State.NEGOTIATING) or whole == pieces, "the pieces make a difference"


def fuzz_scram(content: bytes) -> None:
    """Both sides of the mechanisms, each hearing two arbitrary messages."""
    first, _, second = content.partition(b"\0")
    bound = ScramServer("ann", [VERIFIER], nonce="n", end_point=b"hash", bound=True)
    for side in (
        ScramServer("ann", [VERIFIER], nonce="n"),
        bound,
        BearerServer("ann", ISSUER),
        ScramClient("pencil", nonce="n"),
    ):
        for message in (first, second):
            side.exchange(message)


def fuzz_preface(content: bytes) -> None:
    """A balancer's header in one piece and in two, and the start of an issuer's token."""
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
    with suppress(TokenRefused):
        read_key_id(content.decode("latin-1"))


def fuzz(content: bytes) -> None:
    """The entry point of the fuzzer."""
    if content[:1] == b"\xfe":
        fuzz_preface(content[1:])
    elif content[:1] == b"\xff":
        fuzz_scram(content[1:])
    else:
        fuzz_connection(content)


def seeds() -> list[bytes]:
    """Every message, in every state that may read some."""
    samples = [content for _, content in (*PACKETS, *FRONTEND_SAMPLES, *BACKEND_SAMPLES)]
    single = [bytes([number, 7]) + content for number in range(len(READABLE)) for content in samples]
    whole = [bytes([number, 7]) + b"".join(samples) for number in range(len(READABLE))]
    scram = b"\xffn,,n=user,r=abc\0c=biws,r=abcn,p=AAAA"
    bearer = b"\xffn,,\x01auth=Bearer abc\x01\x01\0\x01"
    header = b"\xfe" + SIGNATURE + b"\x21\x11\x00\x10" + bytes(12) + b"\x04\x00\x01x" + b"rest"
    return [*single, *whole, scram, bearer, header, b"\xfeeyJraWQiOiJhIn0.e30.AA"]


if __name__ == "__main__":
    sys.exit(run(fuzz, seeds))
