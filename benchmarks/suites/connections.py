"""Connecting, by TLS and SCRAM-SHA-256: how fast, at which steady rate, and what connections cost that only wait."""

import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path

import numpy as np
import psutil

from benchmarks.compare import Measurement, interleave
from benchmarks.connecting import Client, Crowd, make_context
from benchmarks.laboratory import Laboratory, running_before, tree_cpu_seconds
from benchmarks.peers import Missing, running_pgbouncer
from tests.fix_oracle import SETTINGS, running_postgres
from tests.target import Target

LOGINS = 200
"""In one round."""
RATE, STEADY_SECONDS = 300, 60
MANY = {**SETTINGS, "max_connections": "500"}
IDLE, IDLE_DIRECTLY = 5000, 200
"""Connections that wait: at a gateway, and at PostgreSQL itself, whose processes are too large for as many."""
FIRST = "SELECT c.oid FROM pg_catalog.pg_class c WHERE c.relname = 'pg_class'"


def connections(laboratory: Laboratory) -> Iterator[Measurement]:
    """Lakegate, PostgreSQL and PgBouncer, all before the same PostgreSQL, which has no TLS; then a minute at a steady
    rate."""
    with running_postgres(MANY) as postgres, ExitStack() as stack:
        gateway = stack.enter_context(running_before(postgres))
        servers = {"plain": {"lakegate": gateway, "postgresql": postgres}, "TLS": {"lakegate": gateway}}
        for door, subjects in servers.items():
            with suppress(Missing):
                subjects["pgbouncer"] = stack.enter_context(running_pgbouncer(postgres, secured=door == "TLS"))
            with ExitStack() as crowds:
                rounds = {
                    name: partial(log_in, crowds.enter_context(Crowd(target, secured=door == "TLS")))
                    for name, target in subjects.items()
                }
                yield from interleave(f"connecting, {door}", rounds, laboratory.rounds)
        with Crowd(gateway, secured=True) as crowd:
            yield from steady(crowd)


def log_in(crowd: Crowd) -> Mapping[str, float]:
    """As fast as it goes. Raises ConnectionError where one was not let in."""
    pid = crowd.target.pid or 0
    before = tree_cpu_seconds(pid)
    outcome = crowd.arrive(LOGINS)
    if outcome.failures:
        raise ConnectionError(outcome.failures[0])
    spent = tree_cpu_seconds(pid) - before
    return {"rate 1/s": LOGINS / outcome.wall, "CPU ms": max(0.0, spent) / LOGINS * 1000}


def steady(crowd: Crowd) -> Iterator[Measurement]:
    """Connections that come at a rate, whether the server keeps up or not."""
    outcome = crowd.arrive(RATE * STEADY_SECONDS, RATE, STEADY_SECONDS)
    times = np.array(outcome.seconds) * 1000
    values = {
        "rate 1/s": len(outcome.seconds) / outcome.wall,
        "failures": float(len(outcome.failures)),
        "p50 ms": float(np.percentile(times, 50)),
        "p99 ms": float(np.percentile(times, 99)),
    }
    for metric, value in values.items():
        yield Measurement(
            f"connecting, TLS, {RATE} a second for {STEADY_SECONDS} s", "lakegate", metric, value, (value,)
        )


def idle_connections(laboratory: Laboratory) -> Iterator[Measurement]:
    """What each costs that has logged in and says nothing, and what the next one waits for its first answer."""
    with running_postgres(MANY) as postgres, _roomy() as options, running_before(postgres, options) as gateway:
        servers = {"lakegate": (gateway, IDLE), "postgresql": (postgres, IDLE_DIRECTLY)}
        for name, (target, count) in servers.items():
            alone = [answer_one(target) for _ in range(laboratory.rounds)]
            parts = {"server": (target.pid or 0,), "metastore": (postgres.pid or 0,)}
            before = {part: memory(pids) for part, pids in parts.items()}
            with ExitStack() as stack:
                context = make_context() if target.is_gateway else None
                for _ in range(count):
                    stack.enter_context(Client(target, context))
                beside = [answer_one(target) for _ in range(laboratory.rounds)]
                for part, pids in parts.items():
                    if part == "server" or name == "lakegate":
                        each = (memory(pids) - before[part]) / count / 1024
                        yield Measurement(f"{count} idle connections", name, f"{part}, KiB each", each, (each,))
            yield _times(name, "a first answer beside none, ms", alone)
            yield _times(name, f"a first answer beside {count}, ms", beside)


def _times(name: str, metric: str, seconds: Sequence[float]) -> Measurement:
    values = tuple(one * 1000 for one in seconds)
    return Measurement("idle connections", name, metric, float(np.median(values)), values)


def answer_one(target: Target) -> float:
    """Seconds from the first byte to the first answer of a new connection."""
    started = time.perf_counter()
    with Client(target, make_context() if target.is_gateway else None) as client:
        client.ask(FIRST)
    return time.perf_counter() - started


def memory(pids: Sequence[int]) -> float:
    """Bytes that these and their children have for themselves, and their shares of what they share."""
    family = [one for pid in pids for one in (psutil.Process(pid), *psutil.Process(pid).children(recursive=True))]
    return float(sum(process.memory_full_info().pss for process in family))


@contextmanager
def _roomy() -> Iterator[tuple[str, ...]]:
    """The options of a gateway that lets so many in."""
    with tempfile.NamedTemporaryFile("w", suffix=".toml") as file:
        file.write(f"[connections]\nmost = {IDLE + 100}\n")
        file.flush()
        yield "--warehouse", str(Path(file.name))
