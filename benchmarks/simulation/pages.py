"""A simulation's plots and its page: what a reader looks at beside the numbers."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pygal

from benchmarks.report import machine
from benchmarks.simulation.record import Moment, Record
from benchmarks.simulation.workload import Demand

WIDTH, HEIGHT = 1100, 420
LEAST = 1.0
"""What stands for nothing on a logarithmic axis."""
Series = dict[str, Callable[[Moment], float]]

PLOTS: dict[str, tuple[str, str, Series, bool]] = {
    "demand": (
        "Leases granted, starts and stops",
        "a second",
        {"leases": lambda m: m.leases, "starts and stops": lambda m: m.starts_and_stops},
        False,
    ),
    "machines": (
        "Machines",
        "number, logarithmic",
        {
            "serving": lambda m: m.machines["serving"],
            "spare": lambda m: m.machines["spare"],
            "starting": lambda m: m.machines["starting"],
        },
        True,
    ),
    "waiting": ("Requests that wait", "number", {"waiting": lambda m: m.waiting}, False),
    "latency": (
        "From request to lease: the slowest of a hundred in each interval",
        "milliseconds, logarithmic",
        {"p99": lambda m: m.p99_seconds * 1000},
        True,
    ),
    "decisions": (
        "Cost of a decision",
        "microseconds, mean",
        {"decision": lambda m: m.decision_microseconds},
        False,
    ),
}
"""Title, axis, series, and whether the axis is logarithmic."""


def write_pages(folder: Path, demand: Demand, records: dict[str, Record]) -> Path:
    """Plots of the first record and a page of all; returns the page's path."""
    folder.mkdir(parents=True, exist_ok=True)
    first = next(iter(records.values()))
    for name in PLOTS:
        (folder / f"fleet-{name}.svg").write_text(plot(name, demand, first.timeline))
    page = folder / "fleet.md"
    pictures = "\n\n".join(f"![{PLOTS[name][0]}](fleet-{name}.svg)" for name in PLOTS)
    page.write_text(f"# Fleet simulation\n\n{machine()}\n\n{describe(demand)}\n\n{table(records)}\n{pictures}\n")
    return page


def describe(demand: Demand) -> str:
    return (
        f"{demand.hours:g} simulated hours from {demand.first_hour:g}:00, {demand.peak_rate:g} leases a second in the "
        f"busiest hour of {demand.tenants} workspaces, {demand.spike_factor:g} times that for "
        f"{demand.spike_seconds:g} s at {demand.spike_at_hour:g}:00. Shape and sources: "
        "`benchmarks/simulation/workload.py`. The plots show the first column."
    )


def table(records: dict[str, Record]) -> str:
    """One row a number, one column a policy."""
    rows: list[tuple[str, Callable[[Record], str]]] = [
        ("leases", lambda r: f"{sum(r.leases.values()):,}"),
        ("refused, moved, lost with their node", lambda r: f"{r.refusals.total():,}, {r.moved:,}, {r.lost:,}"),
        ("leases within 1 s", lambda r: f"{r.share_within(1.0):.4%}"),
        ("… of DuckDB, of Spark", lambda r: f"{r.share_within(1.0, 'duckdb'):.4%}, {r.share_within(1.0, 'spark'):.4%}"),
        ("leases within 0.1 s", lambda r: f"{r.share_within(0.1):.4%}"),
        ("DuckDB lease p50, p99", lambda r: f"{r.latency(0.5, 'duckdb'):.2f} s, {r.latency(0.99, 'duckdb'):.2f} s"),
        ("unused machine-seconds, of all", lambda r: f"{unused_share(r):.2%}"),
        ("unused machine-seconds against the oracle, DuckDB", lambda r: f"{r.waste_ratio('duckdb'):.2f}"),
        ("most starts and stops a second", lambda r: f"{max(m.starts_and_stops for m in r.timeline):,.0f}"),
        ("most machines, most waiting", lambda r: f"{most_machines(r):,}, {max(m.waiting for m in r.timeline):,}"),
        ("events", lambda r: f"{r.events:,}"),
        ("decision, mean", lambda r: f"{r.decision_nanoseconds / r.events / 1000:.1f} µs"),
        ("decision, p99", lambda r: f"{r.decision(0.99):.0f} µs"),
    ]
    head = f"| | {' | '.join(records)} |\n| --- |{' --: |' * len(records)}\n"
    lines = (f"| {name} | {' | '.join(show(record) for record in records.values())} |\n" for name, show in rows)
    return head + "".join(lines)


def unused_share(record: Record) -> float:
    """Of all machine-seconds, those before a machine's first lease."""
    return sum(record.unused_seconds.values()) / max(1e-9, sum(record.machine_seconds.values()))


def most_machines(record: Record) -> int:
    return max(moment.machines.total() for moment in record.timeline)


def plot(name: str, demand: Demand, timeline: Sequence[Moment]) -> str:
    """Lines over the hours of the day."""
    title, axis, series, logarithmic = PLOTS[name]
    numbers = [value(moment) for moment in timeline for value in series.values()]
    decades = range(len(str(int(max(numbers, default=LEAST)))) + 1)
    chart = pygal.XY(
        title=title,
        y_title=axis,
        x_title="hour",
        width=WIDTH,
        height=HEIGHT,
        dots_size=0,
        logarithmic=logarithmic,
        y_labels=[10**power for power in decades] if logarithmic else None,
        show_x_guides=False,
        legend_at_bottom=True,
        disable_xml_declaration=True,
        js=[],
        x_value_formatter=lambda hour: f"{hour:.4g}",
    )
    for label, value in series.items():
        points = [(demand.first_hour + m.at / 3600, float(value(m))) for m in timeline]
        chart.add(label, [(hour, max(LEAST, number)) if logarithmic else (hour, number) for hour, number in points])
    rendered: str = chart.render(is_unicode=True)
    return rendered
