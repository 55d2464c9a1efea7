"""A simulation's page: what is simulated, the numbers, the plots, and how to make it anew."""

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from benchmarks.report import machine
from benchmarks.simulation.fleet import clock_overhead
from benchmarks.simulation.hardware import Hardware
from benchmarks.simulation.plots import BLACK, BLUE, GREEN, ORANGE, RED, Run, draw, draw_costs, highest, mean
from benchmarks.simulation.record import INTERVAL_SECONDS, Interval, Record, grouped, merge
from benchmarks.simulation.workload import ENGINES, Demand
from compute.events import Refusal

BUDGET = Refusal.BUDGET
AROUND_SPIKE_HOURS = 1 / 12
TARGET_SECONDS = 1.0

HEAD = """\
# A day of the simulated fleet

The fleet's own code under a simulated clock: 10,000 nodes ({nodes}), up to 100,000 DuckDB machines of 4 GiB. {demand}

Made by `{command}`, seed {seed}, on {machine}.
The same seed gives the same history; the cost of decisions alone is measured.

"""
TAIL = """
**The oracle** knows the future. It orders each lease's machine just so long before the lease as a start takes: nobody
waits, and a machine is unused only while it starts. Its unused machine-seconds are the leases times the mean start
({mean_start:.2f} s). A machine of the fleet is unused from its order to its first lease, or to its end if it is never
lent. *Cold* keeps nothing warm: who asks waits for a start, so it wastes what the oracle wastes, and time.

**A decision's cost** is the thread's processor time over one `Fleet.handle`, all instructions included. Neither a stop
nor a busy host counts as time in it; what a busy host does to caches and shared cores does: its load was {load:.0f} at
the end. Reading the clock twice is in it, {overhead:.2f} µs then. The collector is off: there is nothing
for it to find.

"""


def write_pages(folder: Path, command: str, demand: Demand, runs: Mapping[str, Run]) -> Path:
    """Plots of the first run, beside the last one's waste, and a page of all; returns the page's path."""
    folder.mkdir(parents=True, exist_ok=True)
    pictures = []
    for name, (caption, svg) in plots(demand, runs).items():
        (folder / f"{name}.svg").write_text(svg)
        pictures.append(f"![{caption}]({name}.svg)\n\n{caption}\n")
    nodes = " and ".join(f"{group.count:,} {group.node_type}" for group in Hardware().nodes)
    about = {"demand": describe(demand), "command": command, "seed": demand.seed, "machine": machine()}
    mean_start = next(iter(runs.values())).record.mean_start("duckdb")
    tail = TAIL.format(mean_start=mean_start, overhead=clock_overhead(), load=os.getloadavg()[0])
    page = folder / "README.md"
    page.write_text(HEAD.format(nodes=nodes, **about) + table(runs) + tail + "\n".join(pictures))
    return page


def describe(demand: Demand) -> str:
    return (
        f"{demand.hours:g} hours from hour {demand.first_hour:g},\n{demand.peak_rate:g} leases a second in the busiest "
        f"hour of {demand.tenants:,} workspaces, {demand.spike_factor:g} times that for {demand.spike_seconds:g} s at "
        f"{demand.spike_at_hour:g}:00.\nShape, sources and what is assumed: `benchmarks/simulation/workload.py`; "
        "what starts take, and what goes wrong with nodes: `hardware.py`."
    )


def plots(demand: Demand, runs: Mapping[str, Run]) -> Mapping[str, tuple[str, str]]:
    """By name: a caption and the SVG."""
    first, last = next(iter(runs.values())), list(runs.values())[-1]
    hour = last.first_hour, last.first_hour + len(last.record.timeline) * INTERVAL_SECONDS / 3600
    return {
        "demand": ("What is asked for, and what starts and stops for it.", _demand(first)),
        "spike": ("The spike, ten seconds a point.", _spike(first, demand)),
        "machines": (
            "All machines, beside the oracle's: each lease's own, and those that start for the next.",
            _machines(first),
        ),
        "states": ("The same by state; the oracle's unused ones are those that start.", _states(first)),
        "latency": ("From request to lease.", _latency(first)),
        "waste": (
            "Unused machines in the spike's hour: as predicted, with nothing kept warm, of the oracle.",
            _waste(first, last, hour),
        ),
        "trouble": ("What leaving nodes and spent budgets do to leases.", _trouble(first)),
        "decisions": ("Processor time of a decision.", draw_costs(first.record)),
    }


def _asked(each: Interval) -> float:
    return each.asked / each.seconds


def _changes(each: Interval) -> float:
    return each.starts_and_stops


def _demand(run: Run) -> str:
    lines = [
        run.line("starts and stops, busiest 10 s", ORANGE, highest(_changes)),
        run.line("starts and stops, mean", BLUE, mean(_changes)),
        run.line("leases asked for, mean", BLACK, mean(_asked), dashed=True),
    ]
    return draw("Leases asked for, starts and stops", "a second", lines, logarithmic=True)


def _spike(run: Run, demand: Demand) -> str:
    span = demand.spike_at_hour - AROUND_SPIKE_HOURS / 2, demand.spike_at_hour + AROUND_SPIKE_HOURS
    lines = [
        run.line("leases asked for", BLACK, mean(_asked), dashed=True, span=span),
        run.line("starts", BLUE, mean(lambda each: each.ordered / each.seconds), span=span),
        run.line("stops", ORANGE, mean(lambda each: each.over / each.seconds), span=span),
    ]
    return draw("Round the spike", "a second", lines)


def _machines(run: Run) -> str:
    """The most in each few minutes."""
    mean_start = run.record.mean_start("duckdb")

    def oracle(each: Interval) -> float:
        return (each.machines["duckdb"]["serving"] + each.leases("duckdb") / each.seconds * mean_start) / 1000

    lines = [
        run.line("fleet", BLUE, highest(lambda each: each.machines["duckdb"].total() / 1000)),
        run.line("oracle", ORANGE, highest(oracle), dashed=True),
    ]
    return draw("DuckDB machines", "thousands", lines)


def _states(run: Run) -> str:
    colours = {"serving": BLUE, "spare": GREEN, "starting": ORANGE, "stopping": RED}
    lines = [run.line(state, colour, _state(state)) for state, colour in colours.items()]
    lines.append(run.line("oracle, unused", BLACK, lambda group: _oracle(run, group), dashed=True))
    return draw("DuckDB machines by state", "number", lines, logarithmic=True)


def _state(state: str) -> Callable[[Sequence[Interval]], float]:
    """On average."""
    return lambda group: sum(each.machines["duckdb"][state] for each in group) / len(group)


def _latency(run: Run) -> str:
    lines = [
        run.line("DuckDB p99.9", RED, _slowest(0.999, "duckdb")),
        run.line("DuckDB p99", ORANGE, _slowest(0.99, "duckdb")),
        run.line("DuckDB p50", BLUE, _slowest(0.5, "duckdb")),
        run.line("Spark p99", GREEN, _slowest(0.99, "spark"), dashed=True),
        run.line("target of p99", BLACK, lambda _: TARGET_SECONDS * 1000, dashed=True),
    ]
    return draw("From request to lease", "milliseconds", lines, logarithmic=True)


def _slowest(share: float, engine: str) -> Callable[[Sequence[Interval]], float]:
    return mean(lambda each: each.latency(share, engine) * 1000)


def _waste(run: Run, cold: Run, span: tuple[float, float]) -> str:
    lines = [
        run.line("predicted", BLUE, _unused, span=span),
        cold.line("cold", RED, _unused, span=span),
        run.line("oracle", BLACK, lambda group: _oracle(run, group), dashed=True, span=span),
    ]
    return draw("Unused DuckDB machines", "machine-seconds a second", lines, logarithmic=True)


def _trouble(run: Run) -> str:
    lines = [
        run.line("moved off what is to go", BLUE, mean(lambda each: each.moved * 60 / each.seconds)),
        run.line("ended by a spent budget", ORANGE, mean(lambda each: each.ended * 60 / each.seconds)),
        run.line("refused until it renews", RED, mean(lambda each: each.refused[BUDGET] * 60 / each.seconds)),
    ]
    return draw("Leases moved, ended and refused", "a minute", lines, logarithmic=True)


def _unused(group: Sequence[Interval]) -> float:
    whole = merge(group)
    return whole.unused_seconds["duckdb"] / whole.seconds


def _oracle(run: Run, group: Sequence[Interval]) -> float:
    """Its machines that start, on average: so many leases a second times the mean start."""
    whole = merge(group)
    return whole.leases("duckdb") / whole.seconds * run.record.mean_start("duckdb")


def table(runs: Mapping[str, Run]) -> str:
    """One row a number, one column a policy."""
    rows: list[tuple[str, Callable[[Record], str]]] = [
        ("leases", lambda r: f"{sum(map(r.whole().leases, ENGINES)):,}"),
        ("moved off what was to go, lost with it", lambda r: f"{r.whole().moved:,}, {r.whole().lost:,}"),
        ("ended by a spent budget, refused for it", lambda r: f"{r.whole().ended:,}, {r.whole().refused[BUDGET]:,}"),
        ("refused for another reason", lambda r: f"{r.whole().refused.total() - r.whole().refused[BUDGET]:,}"),
        ("leases within 1 s", lambda r: f"{r.share_within(1.0):.3%}"),
        ("… of DuckDB, of Spark", lambda r: f"{r.share_within(1.0, 'duckdb'):.3%}, {r.share_within(1.0, 'spark'):.3%}"),
        ("leases within 0.1 s", lambda r: f"{r.share_within(0.1):.3%}"),
        ("DuckDB lease p50, p99, p99.9", _latencies),
        ("unused machine-seconds of DuckDB, against the oracle's", lambda r: f"{r.waste_ratio('duckdb'):.2f}"),
        ("… of all its machine-seconds, and Spark's", _unused_shares),
        ("machines at most, DuckDB and Spark", lambda r: f"{r.most_machines:,}"),
        ("starts and stops a second, busiest 10 s", lambda r: f"{max(m.starts_and_stops for m in r.timeline):,.0f}"),
        ("… mean of the busiest hour", lambda r: f"{busiest_hour(r):,.0f}"),
        ("waiting at most, at the end of 10 s", lambda r: f"{max(m.waiting for m in r.timeline):,}"),
        ("events", lambda r: f"{r.events:,}"),
        ("decision, mean, p50", lambda r: f"{r.decision_nanoseconds / r.events / 1000:.1f} µs, {r.decision(0.5)} µs"),
        ("decision, p99, p99.9", lambda r: f"{r.decision(0.99)} µs, {r.decision(0.999)} µs"),
        ("told of their place in the queue, at a cost of", _told),
    ]
    head = f"| | {' | '.join(runs)} |\n| --- |{' --: |' * len(runs)}\n"
    lines = (f"| {name} | {' | '.join(show(run.record) for run in runs.values())} |\n" for name, show in rows)
    return head + "".join(lines)


def _unused_shares(record: Record) -> str:
    """Of an engine's machines' time, that before their first lease."""
    unused = record.whole().unused_seconds
    return ", ".join(f"{unused[engine] / max(1e-9, record.machine_seconds[engine]):.2%}" for engine in ENGINES)


def _told(record: Record) -> str:
    return f"{record.told:,}, {record.places_nanoseconds / max(1, record.told) / 1000:.1f} µs"


def busiest_hour(record: Record) -> float:
    """Starts and stops a second in the hour that has most, or in all of a shorter run."""
    hours = grouped(record.timeline, round(3600 / INTERVAL_SECONDS))
    return max(merge(hour).starts_and_stops for hour in hours)


def _latencies(record: Record) -> str:
    whole = record.whole()
    return ", ".join(f"{whole.latency(share, 'duckdb'):.2f} s" for share in (0.5, 0.99, 0.999))
