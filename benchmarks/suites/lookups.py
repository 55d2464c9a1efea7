"""A point look-up in a table of one million rows, against DuckDB embedded in a process on the same files."""

import random
import time
from collections.abc import Iterator, Mapping
from functools import partial
from statistics import median

import duckdb
import numpy as np

from benchmarks.compare import Measurement, interleave
from benchmarks.laboratory import Laboratory, embedded_duckdb
from benchmarks.load import percentiles, pgbench
from benchmarks.tables import POINTS, ROWS

SCRIPT = f"\\set key random(0, {ROWS - 1})\nSELECT id, amount, ratio, label FROM {POINTS} WHERE id = :key;\n"
EMBEDDED = f"SELECT id, amount, ratio, label FROM {POINTS} WHERE id = ?"
LOOKUPS = 200


def point_lookups(laboratory: Laboratory) -> Iterator[Measurement]:
    """One client against embedded DuckDB and PostgreSQL; eight clients against PostgreSQL only."""
    with embedded_duckdb({POINTS: laboratory.tables[POINTS]}) as connection:
        servers = {"lakegate": laboratory.gateway, "postgresql": laboratory.postgres}
        alone = {name: partial(pgbench, target, SCRIPT) for name, target in servers.items()}
        measured = list(
            interleave("point look-up, 1 client", alone | {"duckdb": partial(look_up, connection)}, laboratory.rounds)
        )
    yield from measured
    yield difference(measured, "lakegate", "duckdb")
    crowd = {name: partial(pgbench, target, SCRIPT, clients=8) for name, target in servers.items()}
    yield from interleave("point look-up, 8 clients", crowd, laboratory.rounds)


def look_up(connection: duckdb.DuckDBPyConnection) -> Mapping[str, float]:
    seconds = np.empty(LOOKUPS)
    for number in range(LOOKUPS):
        key = random.randrange(ROWS)
        started = time.perf_counter()
        rows = connection.execute(EMBEDDED, [key]).fetchall()
        seconds[number] = time.perf_counter() - started
        if [row[0] for row in rows] != [key]:
            raise RuntimeError(f"key {key} was answered by {rows}")
    return percentiles(seconds * 1000)


def difference(measured: list[Measurement], first: str, other: str) -> Measurement:
    """What the first adds to the other's p50, round by round."""
    rounds = {m.subject: m.rounds for m in measured if m.metric == "p50 ms"}
    values = tuple(a - b for a, b in zip(rounds[first], rounds[other], strict=True))
    return Measurement("point look-up, 1 client", f"{first} - {other}", "p50 ms, difference", median(values), values)
