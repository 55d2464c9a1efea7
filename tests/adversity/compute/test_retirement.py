"""A guest that its node wants to be rid of, at the worst moment."""

import subprocess
import sys
from pathlib import Path

GUEST = """
import signal, socket, sys
from compute.engines import EngineOptions, open_engine
from compute.guest.channel import Channel
from compute.guest.machine import Guest
from compute.transport import Frame, Kind

scratch = sys.argv[1]
engine = open_engine("duckdb", EngineOptions(threads=1, memory_bytes=128 << 20, scratch=scratch))
guest = Guest(engine, lambda _identity, _folders: signal.raise_signal(signal.SIGTERM), scratch, remote=True)
signal.signal(signal.SIGTERM, lambda _signal, _frame: guest.retire())
ours, its_own = socket.socketpair()
identity = {"hostname": "h", "time_ns": 0, "seed": "00", "workspace": "w", "warehouse": "/"}
Channel(ours).send(Frame(Kind.IDENTITY, control=identity))
guest.converse(its_own)
raise SystemExit("it went on")
"""
DEADLINE = 120.0


def test_a_guest_that_is_becoming_somebodys_ends_at_once(tmp_path: Path) -> None:
    """The signal comes while the main thread binds the engine: nobody has a lease yet."""
    command = [sys.executable, "-c", GUEST, str(tmp_path)]
    ended = subprocess.run(command, timeout=DEADLINE, capture_output=True, text=True)
    assert (ended.returncode, ended.stderr) == (0, "")
