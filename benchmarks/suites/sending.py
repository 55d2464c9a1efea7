"""Rows to the wire: the processor time that a server spends on one, text and binary, against two peers."""

import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from functools import partial

from benchmarks.compare import Measurement, Round, interleave
from benchmarks.discard import Reader, reading
from benchmarks.laboratory import Laboratory, cpu_seconds, tree_cpu_seconds
from benchmarks.peers import running_buenavista
from benchmarks.tables import ROWS, WIDE

WHOLE = f"SELECT * FROM {WIDE}"
FEW = 20_000


def sending(laboratory: Laboratory) -> Iterator[Measurement]:
    """The gateway's share is its own process, which encodes and sends; with its machine it is `lakegate with engine`.

    PostgreSQL's backend scans as well as sends. buenavista, which needs a hundred times as long, sends fewer rows.
    """
    with ExitStack() as stack:
        buenavista = stack.enter_context(running_buenavista(laboratory.tables[WIDE]))
        for binary in (False, True):
            subjects = _subjects(stack, laboratory, binary)
            if not binary:
                reader, pid = stack.enter_context(reading(buenavista.conninfo)), buenavista.pid
                subjects["buenavista"] = partial(_send, reader, f"{WHOLE} LIMIT {FEW}", FEW, binary, pid or 0)
            yield from interleave(f"sending, {'binary' if binary else 'text'}", subjects, laboratory.rounds)


def _subjects(stack: ExitStack, laboratory: Laboratory, binary: bool) -> dict[str, Round]:
    gateway = stack.enter_context(reading(laboratory.gateway.conninfo))
    postgres = stack.enter_context(reading(laboratory.postgres.conninfo))
    pid = laboratory.gateway.pid or 0
    return {
        "lakegate": partial(_send, gateway, WHOLE, ROWS, binary, pid),
        "postgresql": partial(_send, postgres, WHOLE, ROWS, binary, postgres.backend_pid),
        "lakegate with engine": partial(_send, gateway, WHOLE, ROWS, binary, pid, tree=True),
    }


def _send(
    reader: Reader, statement: str, rows: int, binary: bool, pid: int, *, tree: bool = False
) -> Mapping[str, float]:
    spent = tree_cpu_seconds if tree else cpu_seconds
    before, started = spent(pid), time.perf_counter()
    reader.read(statement, binary=binary)
    wall = time.perf_counter() - started
    return {"CPU us/row": (spent(pid) - before) / rows * 1e6, "rate rows/s": rows / wall}
