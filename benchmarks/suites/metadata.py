"""Catalog statements of tools among ten thousand tables, through a gateway and on PostgreSQL, one by one."""

import time
from collections.abc import Iterator, Mapping, Sequence
from itertools import count
from statistics import median

import numpy as np
import psycopg

from benchmarks.compare import Measurement, Round, interleave
from benchmarks.laboratory import Laboratory
from benchmarks.metadata.estate import Estate, running_estate
from benchmarks.metadata.traffic import Asked, Traffic, collect
from tests.target import Target

PEER = "postgresql"
MOST, LONG_MS = 1.3, 5
"""What a statement may take, of PostgreSQL's time, if that is so long."""
TRIES = 3
"""Sessions in a round: what a statement takes is the least of them."""
LOGINS = 20
FIRST = "SELECT c.oid, c.relname FROM pg_catalog.pg_class c WHERE c.relname = 'table_00007'"


def metadata(laboratory: Laboratory) -> Iterator[Measurement]:
    """A round asks each statement of a tool once in each of some new sessions."""
    with running_estate() as estate:
        yield Measurement("metadata", "lakegate", "registering, tables 1/s", *_rate(estate))
        rounds = collect(estate.postgres, estate.names, laboratory.rounds + 1)
        seen: list[Measurement] = []
        for tool in rounds[0]:
            for one in interleave(f"metadata, {tool}", _subjects(estate, rounds, tool), laboratory.rounds):
                seen.append(one)
                yield one
        yield from _summary(seen)
        servers = {"lakegate": estate.gateway, PEER: estate.postgres}
        first = {name: lambda target=target: ask_first(target) for name, target in servers.items()}
        yield from interleave("metadata, a new connection's first query", first, laboratory.rounds)


def _rate(estate: Estate) -> tuple[float, tuple[float, ...]]:
    rate = len(estate.names) / estate.seconds
    return rate, (rate,)


def _subjects(estate: Estate, rounds: list[Traffic], tool: str) -> Mapping[str, Round]:
    servers = {"lakegate": estate.gateway, PEER: estate.postgres}
    return {name: _asking(target, rounds, tool) for name, target in servers.items()}


def _asking(target: Target, rounds: list[Traffic], tool: str) -> Round:
    numbers = count()

    def ask() -> Mapping[str, float]:
        asked = rounds[next(numbers)][tool]
        tries = np.array([ask_all(target, asked) for _ in range(TRIES)]).min(axis=0)
        named = {f"{place}: {one.purpose} ms": float(tries[place]) for place, one in enumerate(asked)}
        return {"all ms": float(tries.sum()), **named}

    return ask


def ask_all(target: Target, asked: Sequence[Asked]) -> list[float]:
    """Milliseconds of each statement, in a new session."""
    taken = []
    with target.connect(sslmode="disable") as connection:
        for statement in asked:
            started = time.perf_counter()
            statement.ask(connection)
            taken.append((time.perf_counter() - started) * 1000)
    return taken


def _summary(seen: Sequence[Measurement]) -> Iterator[Measurement]:
    """Of all statements: how many of those that take PostgreSQL some time take more than they may, and what is added
    to the others, for which the way through another process is much."""
    times = {(m.benchmark, m.metric, m.subject): m.value for m in seen if not m.metric.startswith("all ms")}
    pairs = [
        (times[tool, metric, "lakegate"], value) for (tool, metric, whose), value in times.items() if whose == PEER
    ]
    long = [(ours / theirs) for ours, theirs in pairs if theirs >= LONG_MS]
    short = [(ours, theirs) for ours, theirs in pairs if theirs < LONG_MS]
    found = {
        f"statements of {LONG_MS} ms or more": float(len(long)),
        f"of them over {MOST}": float(sum(ratio > MOST for ratio in long)),
        "of them, greatest ratio": max(long),
        "shorter statements": float(len(short)),
        f"of the shorter over {MOST}": float(sum(ours / theirs > MOST for ours, theirs in short)),
        "added to the shorter, median ms": median(ours - theirs for ours, theirs in short),
    }
    for metric, value in found.items():
        yield Measurement("metadata", f"lakegate / {PEER}", metric, value, (value,))


def ask_first(target: Target) -> Mapping[str, float]:
    """SCRAM and one statement, one connection after another; without TLS, which the PostgreSQL of the wheel has not."""
    started = time.perf_counter()
    for _ in range(LOGINS):
        with psycopg.connect(target.conninfo, sslmode="disable", autocommit=True) as connection:
            connection.execute(FIRST)
    return {"connect and ask ms": (time.perf_counter() - started) / LOGINS * 1000}
