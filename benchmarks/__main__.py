"""``python -m benchmarks [SUITE…]``: runs suites, prints one JSON line a measurement, writes the report."""

import sys
from contextlib import closing

import click

from benchmarks import report
from benchmarks.compare import ROUNDS, Measurement
from benchmarks.laboratory import Laboratory
from benchmarks.peers import Missing
from benchmarks.suites import SUITES


@click.command()
@click.argument("suites", nargs=-1, type=click.Choice(list(SUITES)))
@click.option("--scale", default=0.1, show_default=True, help="TPC-H scale factor.")
@click.option("--rounds", default=ROUNDS, show_default=True, help="Rounds that count, after one that does not.")
@click.option("--hours", default=24.0, show_default=True, help="Simulated hours of the fleet's day.")
@click.option("--nodes", default=1000, show_default=True, help="Simulated nodes of the cluster.")
def main(suites: tuple[str, ...], scale: float, rounds: int, hours: float, nodes: int) -> None:
    """Measures; asserts nothing. Results go to benchmarks/results/, one report a suite and one of all."""
    measurements: list[Measurement] = []
    try:
        with closing(Laboratory(scale, rounds, hours, nodes)) as bench:
            for name in suites or SUITES:
                click.echo(f"{name} ...", err=True)
                _run(name, bench, measurements)
    finally:
        page = report.write("-".join(suites) or "all", measurements)
        click.echo(f"report: {page}", err=True)


def _run(name: str, bench: Laboratory, measurements: list[Measurement]) -> None:
    try:
        for measurement in SUITES[name](bench):
            click.echo(measurement.line())
            measurements.append(measurement)
    except Missing as missing:
        click.echo(f"{name}: {missing}", err=True)


if __name__ == "__main__":
    sys.exit(main())
