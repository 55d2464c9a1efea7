"""How long a cancel takes that lands on the other gateway: until the client is told, and until the engine stops."""

import time
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
QUIET_SECONDS = 1.0
"""A machine that has used no processor for so long has stopped when that began."""
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
    """Seconds from the request to its error, and to the last tick of a processor's clock that a machine used."""
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
    """When they last used a processor, seen from now on, until they have been quiet for long enough."""
    used, since = cpu_seconds(machines), time.perf_counter()
    while time.perf_counter() - since < QUIET_SECONDS:
        if (now := cpu_seconds(machines)) > used:
            used, since = now, time.perf_counter()
        time.sleep(0.01)
    return since
