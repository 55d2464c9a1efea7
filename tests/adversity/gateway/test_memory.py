"""Six million wide rows pass through a gateway whose memory stays bounded, however slowly the client reads."""

import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

from tests.fix_oracle import BINARIES
from tests.processes import cpu_seconds, machines_of, resident_bytes, settled, until
from tests.target import Target

COPIES = ", ".join(f"({number})" for number in range(10))
WIDE = f"SELECT a.* FROM tpch.lineitem a, (VALUES {COPIES}) AS copies (n)"
ROWS = 10 * 600_572
BOUND = 400 << 20
"""Bytes above idle."""


@contextmanager
def bounded(gateway: Target) -> Iterator[None]:
    """Asserts that the gateway's memory stayed below the bound all the while."""
    assert gateway.pid is not None
    pid, over, peaks = gateway.pid, threading.Event(), [resident_bytes(gateway.pid)]

    def watch() -> None:
        while not over.wait(0.1):
            peaks.append(resident_bytes(pid))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield
    finally:
        over.set()
        watcher.join()
    assert max(peaks) - peaks[0] < BOUND


def read(connection: psycopg.Connection) -> int:
    """The number of rows of the running query, held a chunk at a time."""
    rows = 0
    while (result := connection.pgconn.get_result()) is not None:
        assert not result.error_message
        rows += result.ntuples
    return rows


def test_psycopg_reads_six_million_rows(gateway: Target) -> None:
    with gateway.connect() as connection, bounded(gateway):
        connection.pgconn.send_query_params(WIDE.encode(), None, result_format=1)
        connection.pgconn.set_chunked_rows_mode(10_000)
        assert read(connection) == ROWS


def test_psql_reads_six_million_rows(gateway: Target) -> None:
    command = [str(BINARIES / "psql"), "-X", "-A", "-t", "-v", "FETCH_COUNT=10000", "-c", WIDE]
    with (
        bounded(gateway),
        subprocess.Popen(command, env=gateway.environment, stdout=subprocess.PIPE) as psql,
    ):
        assert psql.stdout is not None
        lines = 0
        while piece := psql.stdout.read(1 << 20):
            lines += piece.count(b"\n")
        assert (psql.wait(), lines) == (0, ROWS)


def test_a_client_that_does_not_read_pauses_the_engine_and_nobody_else(gateway: Target) -> None:
    assert gateway.pid is not None
    pid = gateway.pid
    with gateway.connect() as slow, gateway.connect() as other, bounded(gateway):
        slow.execute("SET lakegate.lane = duckdb")
        slow.execute("SELECT count(*) FROM tpch.region")
        engines = machines_of("duckdb", pid)
        before = cpu_seconds(engines)
        slow.pgconn.send_query(WIDE.encode())
        slow.pgconn.set_chunked_rows_mode(10_000)
        until(lambda: cpu_seconds(engines) > before)
        until(settled(lambda: cpu_seconds(engines)))
        for lane in ("duckdb", "spark"):
            other.execute(f"SET lakegate.lane = {lane}".encode())
            assert other.execute("SELECT count(*) FROM tpch.region").fetchone() == (5,)
        assert read(slow) == ROWS
        assert slow.execute("SELECT count(*) FROM tpch.region").fetchone() == (5,)
