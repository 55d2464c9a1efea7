"""A coverage-guided fuzzer of the protocol: `python tests/properties/fuzz_pgwire.py --seconds N`.

Any bytes, in any state, cut anywhere: only an SqlError may come of them, reading must get on, and the same bytes in one
piece must read the same.
"""

import sys
from pathlib import Path

import atheris

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

with atheris.instrument_imports(include=["gateway.pgwire"]):
    from catalog.errors import SqlError
    from gateway.pgwire import messages as m
    from gateway.pgwire.codec import encode
    from gateway.pgwire.connection import NEED_DATA, Connection
    from gateway.pgwire.errors import error_response
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


def fuzz(content: bytes) -> None:
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


def seeds() -> list[bytes]:
    """Every message, in every state that may read some."""
    samples = [content for _, content in (*PACKETS, *FRONTEND_SAMPLES, *BACKEND_SAMPLES)]
    single = [bytes([number, 7]) + content for number in range(len(READABLE)) for content in samples]
    whole = [bytes([number, 7]) + b"".join(samples) for number in range(len(READABLE))]
    return [*single, *whole]


if __name__ == "__main__":
    sys.exit(run(fuzz, seeds))
