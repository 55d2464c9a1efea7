"""The report of a run: JSON lines for machines, a Markdown table and a plot for people."""

import platform
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import psutil
import pygal

from benchmarks.compare import Measurement

RESULTS = Path(__file__).parent / "results"


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
    """The ratios as bars: 1 is the peer."""
    chart = pygal.HorizontalBar(
        title=title, x_title="ratio to the peer (1 = equal)", show_legend=False, disable_xml_declaration=True, js=[]
    )
    shown = [m for m in measurements if m.metric.endswith("ratio")]
    chart.x_labels = [f"{m.benchmark}: {m.subject}, {m.metric.removesuffix(', ratio')}" for m in shown]
    chart.add("ratio", [round(m.value, 4) for m in shown])
    rendered: str = chart.render(is_unicode=True)
    return rendered
