"""Connecting: log-ins a second, one after another, SCRAM, with and without TLS."""

import time
from collections.abc import Iterator, Mapping
from functools import partial

import psycopg

from benchmarks.compare import Measurement, interleave
from benchmarks.laboratory import Laboratory, tree_cpu_seconds
from tests.target import Target

LOGINS = 50


def connections(laboratory: Laboratory) -> Iterator[Measurement]:
    """Each connection runs nothing: the client's own SCRAM rounds cost both servers' clients the same."""
    servers = {"lakegate": laboratory.gateway, "postgresql": laboratory.postgres}
    plain = {name: partial(log_in, target, "disable") for name, target in servers.items()}
    yield from interleave("connecting, plain", plain, laboratory.rounds)
    yield from interleave(
        "connecting, TLS", {"lakegate": partial(log_in, laboratory.gateway, "require")}, laboratory.rounds
    )


def log_in(target: Target, sslmode: str) -> Mapping[str, float]:
    before, started = tree_cpu_seconds(target.pid or 0), time.perf_counter()
    for _ in range(LOGINS):
        psycopg.connect(target.conninfo, sslmode=sslmode).close()
    wall = time.perf_counter() - started
    return {"rate 1/s": LOGINS / wall, "CPU ms": max(0.0, tree_cpu_seconds(target.pid or 0) - before) / LOGINS * 1000}
