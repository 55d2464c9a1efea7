"""The report of a run: JSON lines for machines, a Markdown table and a plot for people."""

import math
import platform
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import psutil
import pygal

from benchmarks.compare import Measurement

RESULTS = Path(__file__).parent / "results"
TAILS = ("p95", "p99")
HEAD_HEIGHT, BAR_HEIGHT, PLOT_WIDTH = 140, 26, 1100
"""Of the plot, in pixels."""


def write(name: str, measurements: Sequence[Measurement], folder: Path = RESULTS) -> Path:
    """Writes ``name.json``, ``name.md`` and ``name.svg``; returns the table's path."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.json").write_text("".join(measurement.line() + "\n" for measurement in measurements))
    (folder / f"{name}.svg").write_text(plot(name, measurements))
    page = folder / f"{name}.md"
    page.write_text(f"# {name}\n\n{machine()}\n\n{table(measurements)}\n![ratios]({name}.svg)\n")
    return page


def machine() -> str:
    memory = psutil.virtual_memory().total / 2**30
    cores = psutil.cpu_count()
    return f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, {cores} cores, {memory:.0f} GiB, Linux {platform.release()}"


def table(measurements: Sequence[Measurement]) -> str:
    """One row a measurement: median, least and greatest round."""
    head = "| benchmark | subject | metric | median | least | greatest | rounds |\n"
    return f"{head}| --- | --- | --- | --: | --: | --: | --: |\n" + "".join(
        f"| {m.benchmark} | {m.subject} | {m.metric} | {m.value:.4g} | {min(m.rounds):.4g} | {max(m.rounds):.4g} "
        f"| {len(m.rounds)} |\n"
        for m in measurements
    )


def plot(title: str, measurements: Sequence[Measurement]) -> str:
    """The ratios as bars on a logarithmic scale, from 1, where the peers are equal. Tails are left to the table."""
    shown = [m for m in measurements if m.metric.endswith("ratio") and not m.metric.startswith(TAILS)]
    powers = [math.log10(m.value) for m in shown]
    chart = pygal.HorizontalBar(
        title=title,
        x_title="ratio to the peer (1 = equal)",
        height=HEAD_HEIGHT + BAR_HEIGHT * len(shown),
        width=PLOT_WIDTH,
        show_legend=False,
        print_values=True,
        disable_xml_declaration=True,
        js=[],
    )
    chart.x_labels = [f"{m.benchmark}: {m.subject}, {m.metric.removesuffix(', ratio')}" for m in shown]
    decades = range(math.floor(min(powers, default=0)), math.ceil(max(powers, default=0)) + 1)
    chart.y_labels = [{"value": power, "label": f"{10.0**power:g}"} for power in decades]
    chart.add("ratio", powers, formatter=read_ratio)
    rendered: str = chart.render(is_unicode=True)
    return rendered


def read_ratio(power: float) -> str:
    """What a bar stands for."""
    return f"{10**power:.3g}"
