"""`lakegate bench`: what this host and this configuration can do, measured as the gateway would."""

import asyncio
import json
import secrets
import tempfile
from dataclasses import replace
from pathlib import Path

import click
import uvloop
from rich.console import Console
from rich.table import Table

from catalog.errors import SqlError
from compute.config import EngineConfig
from compute.spawners import CannotStart, Spawner
from gateway.config import Config, Warehouse
from gateway.spawners import NAMES, make_spawner
from gateway.starts import Starts, measure_starts
from gateway.warehouse import pool_config

REST_SECONDS = {"qemu": 4.0}
"""Where processors are emulated, machines go on warming themselves for a while after they are ready."""
LABELS = {
    "p50_ms": "start to first answer, p50 (ms)",
    "p99_ms": "start to first answer, p99 (ms)",
    "claim_p50_ms": "claim from the warm pool to first answer, p50 (ms)",
    "recycle_p99_ms": "kill to fully recycled, p99 (ms)",
    "starts_per_s": "starts a second",
}


@click.group()
def bench() -> None:
    """Measure this host."""


@bench.command()
@click.option("--spawner", type=click.Choice(NAMES), default="process", show_default=True)
@click.option("--engine", type=click.Choice(["duckdb", "spark"]), default="duckdb", show_default=True)
@click.option("--count", type=click.IntRange(1), default=50, show_default=True, help="Machines to start.")
@click.option("--at-once", type=click.IntRange(1), default=1, show_default=True, help="Of them, at a time.")
@click.option("--json", "as_json", is_flag=True, help="End with one line of JSON.")
def starts(spawner: str, engine: str, count: int, at_once: int, as_json: bool) -> None:
    """Start machines, ask each a first statement, and recycle them."""
    spark_spawner = "qemu" if (spawner, engine) == ("qemu", "spark") else "process"
    warehouse = Warehouse(spawner=spawner, spark_spawner=spark_spawner)
    try:
        measured = uvloop.run(measure(warehouse, engine, count, at_once))
    except (OSError, CannotStart, SqlError, ValueError) as error:
        raise click.ClickException(str(error)) from None
    if measured.isolation.level == "none":
        click.echo(f"machines were not isolated: {'; '.join(measured.isolation.missing)}", err=True)
    if as_json:
        click.echo(json.dumps(measured.summary()))
    else:
        Console().print(_table(measured))


async def measure(warehouse: Warehouse, engine: str, count: int, at_once: int) -> Starts:
    """Measures machines of that engine, of the warehouse's spawner. Raises OSError, CannotStart, SqlError."""
    with tempfile.TemporaryDirectory(prefix="lakegate-bench-") as root:
        await asyncio.to_thread(Path(root).chmod, 0o755)
        config = Config.load(Path(root), "127.0.0.1:0", warehouse)
        machines = _engine_config(config, engine)
        rest = REST_SECONDS.get(warehouse.spawner, 0.0)

        def make() -> Spawner:
            return make_spawner(_renamed(config))

        return await measure_starts(make, machines, root, count=count, at_once=at_once, rest=rest)


def _renamed(config: Config) -> Config:
    """By a name of its own in a cluster: a gateway that has the configured one keeps its machines."""
    return replace(config, kubernetes=replace(config.kubernetes, gateway=f"bench-{secrets.token_hex(5)}"))


def _engine_config(config: Config, engine: str) -> EngineConfig:
    engines = pool_config(config).engines
    return next(each for each in engines if each.engine == engine)


def _table(measured: Starts) -> Table:
    table = Table("machines", str(len(measured.start)))
    for name, value in measured.summary().items():
        table.add_row(LABELS[name], f"{value:,.1f}")
    return table
