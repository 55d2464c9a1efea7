"""What a statement costs its servers in processor time, which other work on the machine changes least."""

import re
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from benchmarks.metadata.estate import COPY, WORKSPACE, Estate
from benchmarks.metadata.traffic import Asked
from tests.target import Target

_NANOSECONDS = 1_000_000
_REST_SECONDS = 0.001
"""Until who has answered waits again: the scheduler counts when it takes the processor away."""
_BACKEND = re.compile(rb"postgres: \S+ (%s|%s) " % (WORKSPACE.encode(), COPY.encode()))
"""What a process of PostgreSQL calls itself that answers a client, unlike those that tidy up."""


def work_of_all(estate: Estate, target: Target, asked: Sequence[Asked]) -> list[float]:
    """Milliseconds of processor time for each statement, in a new session of one of the two, of the gateway and of all
    backends: those of the other are idle."""
    spent = []
    with target.connect(sslmode="disable") as connection:
        before = _busy(estate)
        for statement in asked:
            statement.ask(connection)
            time.sleep(_REST_SECONDS)
            after = _busy(estate)
            spent.append((after - before) / _NANOSECONDS)
            before = after
    return spent


def _busy(estate: Estate) -> int:
    """Nanoseconds since they began, as the scheduler counts them."""
    assert estate.gateway.pid is not None
    assert estate.postgres.pid is not None
    return sum(map(_spent, (estate.gateway.pid, *_backends(estate.postgres.pid))))


def _backends(pid: int) -> Iterator[int]:
    for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        with suppress(FileNotFoundError):
            if _BACKEND.match(Path(f"/proc/{child}/cmdline").read_bytes()):
                yield int(child)


def _spent(pid: int) -> int:
    """Of all threads; 0 for a process that has ended."""
    total = 0
    with suppress(FileNotFoundError, ProcessLookupError):
        for thread in Path(f"/proc/{pid}/task").iterdir():
            total += int((thread / "schedstat").read_text().split()[0])
    return total
