"""Catalog statements of tools among ten thousand tables, through a gateway and on PostgreSQL, one by one."""

import time
from collections.abc import Iterator, Mapping, Sequence
from itertools import count
from statistics import median
from typing import NamedTuple

import numpy as np
import psycopg

from benchmarks.compare import Measurement, Round, interleave
from benchmarks.laboratory import Laboratory
from benchmarks.metadata.estate import Estate, running_estate
from benchmarks.metadata.traffic import Asked, Traffic, collect
from benchmarks.metadata.work import work_of_all
from tests.target import Target

PEER = "postgresql"
MOST, LONG_MS = 1.3, 5
"""What a statement may take, of PostgreSQL's time, if that is so long."""
TRIES = 3
"""Sessions in a round: what a statement takes is the least of them. As many more tell of processor time."""
TIME, WORK = " ms", " processor ms"
"""What the metrics of a statement end with."""
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
    return {name: _asking(estate, target, rounds, tool) for name, target in servers.items()}


def _asking(estate: Estate, target: Target, rounds: list[Traffic], tool: str) -> Round:
    numbers = count()

    def ask() -> Mapping[str, float]:
        asked = rounds[next(numbers)][tool]
        tries = np.array([ask_all(target, asked) for _ in range(TRIES)]).min(axis=0)
        spent = np.array([work_of_all(estate, target, asked) for _ in range(TRIES)]).min(axis=0)
        times = {f"{place}: {one.purpose}{TIME}": float(tries[place]) for place, one in enumerate(asked)}
        works = {f"{place}: {one.purpose}{WORK}": float(spent[place]) for place, one in enumerate(asked)}
        return {"all ms": float(tries.sum()), "all processor ms": float(spent.sum()), **times, **works}

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


class Compared(NamedTuple):
    """A statement's milliseconds, of time and of processor time, through the gateway and on PostgreSQL."""

    tool: str
    statement: str
    time: tuple[float, float]
    work: tuple[float, float]

    @property
    def is_long(self) -> bool:
        return self.time[1] >= LONG_MS


def _compare(seen: Sequence[Measurement]) -> Iterator[Compared]:
    values = {(m.benchmark, m.metric, m.subject): m.value for m in seen}
    for tool, metric, subject in values:
        if subject != PEER or not metric.endswith(WORK) or metric.startswith("all"):
            continue
        statement = metric.removesuffix(WORK)
        time_, work = (
            (values[tool, statement + unit, "lakegate"], values[tool, statement + unit, PEER]) for unit in (TIME, WORK)
        )
        yield Compared(tool, statement, time_, work)


def _summary(seen: Sequence[Measurement]) -> Iterator[Measurement]:
    """Of all statements: how many of those that take PostgreSQL some time take more than they may, and what is added
    to the others, for which the way through another process is much. Then each that takes more, its times as rounds."""
    compared = list(_compare(seen))
    over = [one for one in compared if _ratio(one.time) > MOST]
    long = [one for one in compared if one.is_long]
    short = [one for one in compared if not one.is_long]
    found = {
        f"statements of {LONG_MS} ms or more": float(len(long)),
        f"of them over {MOST}": float(sum(one.is_long for one in over)),
        "of them, greatest ratio": max(_ratio(one.time) for one in long),
        f"of them over {MOST} by processor time": float(sum(_ratio(one.work) > MOST for one in long)),
        "of them, greatest ratio by processor time": max(_ratio(one.work) for one in long),
        "shorter statements": float(len(short)),
        f"of the shorter over {MOST}": float(sum(not one.is_long for one in over)),
        "added to the shorter, median ms": median(ours - theirs for ours, theirs in (one.time for one in short)),
    }
    for metric, value in found.items():
        yield Measurement("metadata", f"lakegate / {PEER}", metric, value, (value,))
    for one in sorted(over, key=lambda one: -one.time[1]):
        for unit, pair in ((TIME, one.time), (WORK, one.work)):
            metric = f"{one.statement}{unit}, ratio"
            yield Measurement(f"{one.tool}, over {MOST}", f"lakegate / {PEER}", metric, _ratio(pair), pair)


def _ratio(pair: tuple[float, float]) -> float:
    return pair[0] / pair[1]


def ask_first(target: Target) -> Mapping[str, float]:
    """SCRAM and one statement, one connection after another; without TLS, which the PostgreSQL of the wheel has not."""
    started = time.perf_counter()
    for _ in range(LOGINS):
        with psycopg.connect(target.conninfo, sslmode="disable", autocommit=True) as connection:
            connection.execute(FIRST)
    return {"connect and ask ms": (time.perf_counter() - started) / LOGINS * 1000}
