"""The fleet: a simulated day of 10,000 nodes, and what a decision costs by the number of machines."""

from collections.abc import Iterator, Mapping
from dataclasses import replace

from benchmarks.compare import Measurement
from benchmarks.laboratory import Laboratory
from benchmarks.report import RESULTS
from benchmarks.simulation.decisions import decision_costs
from benchmarks.simulation.fleet import COLD, PREDICTED, simulate
from benchmarks.simulation.pages import most_machines, write_pages
from benchmarks.simulation.record import Record
from benchmarks.simulation.workload import Demand

SHORT_HOURS = 1.0
"""The policy that is only compared with runs the hour round the spike."""
MACHINES = (1, 1_000, 100_000)


def fleet_simulation(laboratory: Laboratory) -> Iterator[Measurement]:
    """`hours` of the day up to its end, with the spike in them; one round, since the clock is simulated."""
    demand = around_the_spike(laboratory.hours)
    records = {f"predicted, {demand.hours:g} h": simulate(PREDICTED, demand)}
    short = around_the_spike(min(SHORT_HOURS, demand.hours))
    if short != demand:
        records[f"predicted, {short.hours:g} h"] = simulate(PREDICTED, short)
    records[f"cold, {short.hours:g} h"] = simulate(COLD, short)
    for subject, record in records.items():
        yield from (once("fleet", subject, metric, value) for metric, value in numbers(record).items())
    write_pages(RESULTS, demand, records)


def fleet_decisions(laboratory: Laboratory) -> Iterator[Measurement]:
    """A steady fleet, by size: requests, releases, starts and ends in equal parts."""
    for machines in MACHINES:
        rounds = [decision_costs(machines) for _ in range(min(3, laboratory.rounds))]
        for metric in rounds[0]:
            values = tuple(each[metric] for each in rounds)
            yield Measurement(
                "fleet decision", f"{machines} machines", metric, sorted(values)[len(values) // 2], values
            )


def around_the_spike(hours: float) -> Demand:
    """A whole day from midnight, or fewer hours of which the spike is in the middle."""
    demand = Demand()
    if hours >= 24:
        return demand
    return replace(demand, hours=hours, first_hour=demand.spike_at_hour - hours / 2)


def numbers(record: Record) -> Mapping[str, float]:
    return {
        "leases": float(sum(record.leases.values())),
        "leases within 1 s, share": record.share_within(1.0),
        "leases within 0.1 s, share": record.share_within(0.1),
        "p99 lease s": record.latency(0.99, "duckdb"),
        "unused machine-seconds against the oracle": record.waste_ratio("duckdb"),
        "most machines": float(most_machines(record)),
        "decision us": record.decision_nanoseconds / record.events / 1000,
        "p99 decision us": record.decision(0.99),
    }


def once(benchmark: str, subject: str, metric: str, value: float) -> Measurement:
    return Measurement(benchmark, subject, metric, value, (value,))
