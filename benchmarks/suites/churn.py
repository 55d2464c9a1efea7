"""Pods born, claimed and recycled on simulated nodes: Lakegate beside a bare client of the same API server."""

from collections.abc import Iterator

from benchmarks.churn.cluster import machines, simulated_cluster
from benchmarks.churn.subject import subject
from benchmarks.compare import Measurement, interleave
from benchmarks.laboratory import Laboratory
from tests.fix_cluster import GATEWAYS


def churn(laboratory: Laboratory) -> Iterator[Measurement]:
    """Both subjects live all the time and work in turn."""
    with simulated_cluster(laboratory.nodes) as plane, machines(plane) as prepared:
        ours, bare = GATEWAYS
        with subject("lakegate", plane, prepared, ours) as lakegate, subject("bare", plane, prepared, bare) as client:
            subjects = {"lakegate": lakegate.churn, "bare client": client.churn}
            yield from interleave(f"churn, {laboratory.nodes:,} nodes", subjects, laboratory.rounds)
