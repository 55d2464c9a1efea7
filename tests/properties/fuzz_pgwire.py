"""A coverage-guided fuzzer of the protocol: `python tests/properties/fuzz_pgwire.py --seconds N`.

Any bytes, in any state, cut anywhere: only an SqlError may come of them, reading must get on, and the same bytes in one
piece must read the same. A crash prints the input and ends the process with an error.
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import atheris

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

with atheris.instrument_imports(include=["gateway.pgwire", "gateway.auth"]):
    from catalog.errors import SqlError
    from catalog.verifier import build_verifier
    from gateway.auth.scram import ScramClient, ScramServer, Verifier
    from gateway.pgwire import messages as m
    from gateway.pgwire.codec import encode
    from gateway.pgwire.connection import NEED_DATA, Connection
    from gateway.pgwire.errors import error_response
    from gateway.pgwire.state import FRONTEND, Side, State
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
    """Both sides of SCRAM, each hearing two arbitrary messages."""
    first, _, second = content.partition(b"\0")
    for side in (ScramServer("ann", VERIFIER, nonce="n"), ScramClient("pencil", nonce="n")):
        for message in (first, second):
            side.exchange(message)


def fuzz(content: bytes) -> None:
    """The entry point of the fuzzer."""
    if content[:1] == b"\xff":
        fuzz_scram(content[1:])
    else:
        fuzz_connection(content)


def write_seeds(folder: Path) -> None:
    """Every message, in every state that may read some."""
    samples = [content for _, content in (*PACKETS, *FRONTEND_SAMPLES, *BACKEND_SAMPLES)]
    for number in range(len(READABLE)):
        for at, content in enumerate(samples):
            (folder / f"{number}-{at}").write_bytes(bytes([number, 7]) + content)
        (folder / f"{number}-all").write_bytes(bytes([number, 7]) + b"".join(samples))
    (folder / "scram").write_bytes(b"\xffn,,n=user,r=abc\0c=biws,r=abcn,p=AAAA")


def main() -> int:
    """Runs until the time is over. The last lines on standard error say how many inputs were tried.

    The fuzzer never comes back to its caller, so a child runs it and the corpus is removed here.
    """
    parser = argparse.ArgumentParser(description="fuzz the protocol's state machine")
    parser.add_argument("--seconds", type=int, default=20)
    parser.add_argument("--corpus", type=Path)
    arguments = parser.parse_args()
    if arguments.corpus is not None:
        options = [f"-max_total_time={arguments.seconds}", "-timeout=10", "-rss_limit_mb=1024", "-print_final_stats=1"]
        atheris.Setup([sys.argv[0], *options, f"-artifact_prefix={arguments.corpus}/", str(arguments.corpus)], fuzz)
        atheris.Fuzz()
    with tempfile.TemporaryDirectory(prefix="lakegate-fuzz-") as folder:
        write_seeds(Path(folder))
        return subprocess.run([sys.executable, *sys.argv, "--corpus", folder], check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
