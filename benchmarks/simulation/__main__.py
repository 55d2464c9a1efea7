"""``python -m benchmarks.simulation``: a day of the simulated fleet, and its report."""

from pathlib import Path

import click

from benchmarks.report import RESULTS
from benchmarks.simulation.day import DAY_HOURS, report_day


@click.command()
@click.option("--hours", default=DAY_HOURS, show_default=True, help="Of the day, the spike in their middle.")
@click.option(
    "--report",
    type=click.Path(file_okay=False, path_type=Path),
    default=RESULTS / "fleet-day",
    help="Folder of the page and its plots.  [default: benchmarks/results/fleet-day]",
)
def main(hours: float, report: Path) -> None:
    """Simulates a fleet of 10,000 nodes; some twenty minutes of processor time a day."""
    report_day(hours, report)
    click.echo(report / "README.md")


if __name__ == "__main__":
    main()
