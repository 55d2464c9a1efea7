"""The day as it is reported: predicted beside cold."""

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from benchmarks.simulation.fleet import COLD, PREDICTED, simulate
from benchmarks.simulation.pages import write_pages
from benchmarks.simulation.plots import Run
from benchmarks.simulation.workload import Demand

DAY_HOURS = 24.0
COLD_HOURS = 1.0
"""The policy that is only compared with runs the hour round the spike."""


def report_day(hours: float, folder: Path) -> Mapping[str, Run]:
    """Simulates so many hours with the spike in them, and writes page and plots to the folder."""
    demand = around_the_spike(hours)
    short = around_the_spike(min(COLD_HOURS, hours))
    runs = {
        f"predicted, {demand.hours:g} h": Run(simulate(PREDICTED, demand), demand.first_hour),
        f"cold, {short.hours:g} h": Run(simulate(COLD, short), short.first_hour),
    }
    command = f"python -m benchmarks.simulation --hours {hours:g} --report {os.path.relpath(folder)}"
    write_pages(folder, command, demand, runs)
    return runs


def around_the_spike(hours: float) -> Demand:
    """A whole day from midnight, or fewer hours of which the spike is in the middle."""
    demand = Demand()
    if hours >= DAY_HOURS:
        return demand
    return replace(demand, hours=hours, first_hour=demand.spike_at_hour - hours / 2)
