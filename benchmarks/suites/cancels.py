"""How long a cancel takes that lands on the other gateway: until the client is told, and until the engine stops."""

import time
from collections import deque
from collections.abc import Iterator, Mapping

import numpy as np
import psutil

from benchmarks.compare import Measurement, measured
from benchmarks.laboratory import Laboratory, wait_until_warm
from benchmarks.tables import bench_tables
from tests.fix_replicas import Replicas, running_replicas
from tests.processes import busier, cpu_seconds, machines_of, until
from tests.storm import LANES, LONG, outcome, send

CANCELS = 20
"""In one round."""
QUIET_SECONDS, QUIET_USE = 1.0, 0.1
"""Machines that use so little of a processor, in seconds, in so long a time had stopped when that began. A task that is
left keeps a whole one busy; a JVM's own housekeeping, and the looks at whether a job was left behind (15 ms each), do
not come to a tenth."""
STARTED = 0.3
"""Seconds of processor time after which a statement is under way."""


def cancels(laboratory: Laboratory) -> Iterator[Measurement]:
    """Two gateways behind a balancer that takes turns: every request is handed on once."""
    with running_replicas(bench_tables(laboratory.scale)) as replicas:
        for target in (replicas.first, replicas.second):
            wait_until_warm(target)
        for lane in LANES:
            rounds = [cancel_some(replicas, lane) for _ in range(laboratory.rounds)]
            for metric in rounds[0]:
                yield measured("cancel", lane, metric, rounds)


def cancel_some(replicas: Replicas, lane: str) -> Mapping[str, float]:
    times = np.array([cancel_one(replicas, lane) for _ in range(CANCELS)]) * 1000
    told, stopped = times.T
    return {
        "p50 until told ms": float(np.percentile(told, 50)),
        "p99 until told ms": float(np.percentile(told, 99)),
        "p50 until stopped ms": float(np.percentile(stopped, 50)),
        "p99 until stopped ms": float(np.percentile(stopped, 99)),
    }


def cancel_one(replicas: Replicas, lane: str) -> tuple[float, float]:
    """Seconds from the request to its error, and until the machines had stopped."""
    with replicas.first.connect() as watching, replicas.balancer.connect() as session:
        session.execute(f"SET lakegate.lane = {lane}".encode())
        session.execute("SELECT count(*) FROM tpch.region")
        machines = [machine for pid in replicas.pids for machine in machines_of(lane, pid)]
        at_work = busier(machines, STARTED)
        send(watching, session, LONG)
        until(at_work)
        started = time.perf_counter()
        session.cancel_safe(timeout=60)
        assert outcome(session) == "57014"
        told = time.perf_counter() - started
        return told, last_use(machines) - started


def last_use(machines: list[psutil.Process]) -> float:
    """When they had stopped, seen from now on."""
    seen: deque[tuple[float, float]] = deque()
    while True:
        now, used = time.perf_counter(), cpu_seconds(machines)
        seen.append((now, used))
        while used - seen[0][1] > QUIET_USE:
            seen.popleft()
        if now - seen[0][0] >= QUIET_SECONDS:
            return seen[0][0]
        time.sleep(0.01)
