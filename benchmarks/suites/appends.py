"""Small writes: what the gateway appends itself, against the same statements carried out by Spark."""

import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from statistics import median

import psycopg

from benchmarks.compare import Measurement, interleave
from benchmarks.laboratory import Laboratory
from planner.plan import Lane

STATEMENTS = 8
"""Of each kind, a round."""
SUBJECTS = {"gateway": "auto", "spark": Lane.SPARK.value}
"""Each way's lane."""


def appends(laboratory: Laboratory) -> Iterator[Measurement]:
    """CREATE TABLE, INSERT of one row, and COPY of a thousand; tables that have grown alike."""
    with laboratory.gateway.connect() as connection:
        connection.execute("CREATE SCHEMA appended")
        rounds = {name: partial(_round, connection, name, lane) for name, lane in SUBJECTS.items()}
        yield from interleave("small writes", rounds, laboratory.rounds)
        connection.execute("DROP SCHEMA appended CASCADE")


def _round(connection: psycopg.Connection, name: str, lane: str) -> Mapping[str, float]:
    connection.execute(f"SET lakegate.lane = {lane}".encode())
    table = f"appended.{name}"
    told = {
        "create p50 ms": _time(lambda: connection.execute(f"CREATE TABLE {table} (n int, word text)".encode()), 1),
        "insert p50 ms": _time(lambda: connection.execute(f"INSERT INTO {table} VALUES (1, 'one')".encode())),
        "copy p50 ms": _time(partial(_copy, connection, table)),
    }
    connection.execute(f"DROP TABLE {table}".encode())
    return told


def _copy(connection: psycopg.Connection, table: str) -> None:
    with connection.cursor().copy(f"COPY {table} FROM STDIN".encode()) as copy:
        copy.write(b"1\tone\n" * 1000)


def _time(work: Callable[[], object], times: int = STATEMENTS) -> float:
    """The median, in milliseconds."""
    spent = []
    for _ in range(times):
        began = time.perf_counter()
        work()
        spent.append((time.perf_counter() - began) * 1000)
    return median(spent)
