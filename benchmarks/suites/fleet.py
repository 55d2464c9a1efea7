"""The fleet: a simulated day of 10,000 nodes, and what a decision costs by the number of machines."""

from collections.abc import Iterator, Mapping

from benchmarks.compare import Measurement
from benchmarks.laboratory import Laboratory
from benchmarks.report import RESULTS
from benchmarks.simulation.day import report_day
from benchmarks.simulation.decisions import decision_costs
from benchmarks.simulation.record import Record
from benchmarks.simulation.workload import ENGINES

MACHINES = (1, 1_000, 100_000)


def fleet_simulation(laboratory: Laboratory) -> Iterator[Measurement]:
    """`hours` of the day up to its end, with the spike in them; one round, since the clock is simulated."""
    for subject, run in report_day(laboratory.hours, RESULTS / "fleet-day").items():
        yield from (once("fleet", subject, metric, value) for metric, value in numbers(run.record).items())


def fleet_decisions(laboratory: Laboratory) -> Iterator[Measurement]:
    """A steady fleet, by size: requests, releases, starts and ends in equal parts."""
    for machines in MACHINES:
        rounds = [decision_costs(machines) for _ in range(min(3, laboratory.rounds))]
        for metric in rounds[0]:
            values = tuple(each[metric] for each in rounds)
            yield Measurement(
                "fleet decision", f"{machines} machines", metric, sorted(values)[len(values) // 2], values
            )


def numbers(record: Record) -> Mapping[str, float]:
    return {
        "leases": float(sum(map(record.whole().leases, ENGINES))),
        "leases within 1 s, share": record.share_within(1.0),
        "leases within 0.1 s, share": record.share_within(0.1),
        "p99 lease s": record.whole().latency(0.99, "duckdb"),
        "unused machine-seconds against the oracle": record.waste_ratio("duckdb"),
        "most machines": float(record.most_machines),
        "decision us": record.decision_nanoseconds / record.events / 1000,
        "p99 decision us": float(record.decision(0.99)),
    }


def once(benchmark: str, subject: str, metric: str, value: float) -> Measurement:
    return Measurement(benchmark, subject, metric, value, (value,))
