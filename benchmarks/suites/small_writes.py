"""Small writes: what the gateway writes itself, against the same statements carried out by Spark."""

import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from itertools import count
from statistics import median

import psycopg

from benchmarks.compare import Measurement, interleave
from benchmarks.laboratory import Laboratory
from planner.plan import Lane

STATEMENTS = 8
"""Of each kind, a round."""
SUBJECTS = {"gateway": "auto", "spark": Lane.SPARK.value}
"""Each way's lane."""


def small_writes(laboratory: Laboratory) -> Iterator[Measurement]:
    """CREATE and ALTER TABLE, INSERT of one row, COPY of a thousand, UPDATE and DELETE of one; tables that have grown
    alike."""
    with laboratory.gateway.connect() as connection:
        connection.execute("CREATE SCHEMA small")
        rounds = {name: partial(_round, connection, name, lane) for name, lane in SUBJECTS.items()}
        yield from interleave("small writes", rounds, laboratory.rounds)
        connection.execute("DROP SCHEMA small CASCADE")


def _round(connection: psycopg.Connection, name: str, lane: str) -> Mapping[str, float]:
    connection.execute(f"SET lakegate.lane = {lane}".encode())
    table = f"small.{name}"
    told = {
        "create p50 ms": _time(lambda: connection.execute(f"CREATE TABLE {table} (n int, word text)".encode()), 1),
        "insert p50 ms": _time(lambda: connection.execute(f"INSERT INTO {table} VALUES (1, 'one')".encode())),
        "copy p50 ms": _time(partial(_copy, connection, table)),
        "alter p50 ms": _time(partial(_alter, connection, table, count())),
        "update p50 ms": _time(lambda: connection.execute(f"UPDATE {table} SET c0 = 1 WHERE word = 'one'".encode())),
        "delete p50 ms": _time(partial(_delete, connection, table, count())),
    }
    connection.execute(f"DROP TABLE {table}".encode())
    return told


def _alter(connection: psycopg.Connection, table: str, numbers: Iterator[int]) -> None:
    connection.execute(f"ALTER TABLE {table} ADD COLUMN c{next(numbers)} int".encode())


def _delete(connection: psycopg.Connection, table: str, numbers: Iterator[int]) -> None:
    """Of a row that is there."""
    connection.execute(f"DELETE FROM {table} WHERE n = {next(numbers)}".encode())


def _copy(connection: psycopg.Connection, table: str) -> None:
    with connection.cursor().copy(f"COPY {table} FROM STDIN".encode()) as copy:
        copy.write(b"".join(b"%d\tone\n" % number for number in range(1000)))


def _time(work: Callable[[], object], times: int = STATEMENTS) -> float:
    """The median, in milliseconds."""
    spent = []
    for _ in range(times):
        began = time.perf_counter()
        work()
        spent.append((time.perf_counter() - began) * 1000)
    return median(spent)
