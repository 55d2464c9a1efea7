"""The command line: `lakegate serve`, `demo`, `discover`, `token`, `submit` and `bench`."""

import logging
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import click
import uvloop

from catalog.errors import CannotConnectNow
from catalog.postgres import PostgresUnavailable
from compute.spark.configuration import COMPILERS
from compute.spawners import CannotStart
from gateway.access import read_access
from gateway.bench import bench
from gateway.config import (
    LEAST_MEMORY,
    MEBIBYTE,
    USUAL_EXECUTORS,
    Config,
    Declaration,
    IsolationLevel,
    Warehouse,
    parse_executors,
    parse_master,
)
from gateway.declaration import read_declaration
from gateway.discover import discover
from gateway.server import Server, serve
from gateway.spawners import NAMES
from gateway.submit import submit
from gateway.token import token
from gateway.warehouse import pool_config
from gateway.welcome import welcome


def _gateway_options(command: click.decorators.FC) -> click.decorators.FC:
    """What every command that starts a gateway takes."""
    folder = click.Path(file_okay=False, path_type=Path)
    for option in (
        click.option("--data", type=folder, required=True, help="Folder of the metastore and the managed tables."),
        click.option("--listen", default="127.0.0.1:5439", show_default=True, help="Address, as HOST:PORT."),
        click.option(
            "--warehouse",
            "file",
            type=click.Path(dir_okay=False, path_type=Path),
            metavar="FILE.toml",
            help="Sizes, warm pools, node types, budgets, priorities, roles to S3; goes before the options below.",
        ),
        click.option(
            "--access",
            "access_file",
            type=click.Path(dir_okay=False, path_type=Path),
            metavar="FILE.toml",
            help="Who is let in, from where, by which proof: certificates, issuers' tokens, balancers, limits.",
        ),
        click.option(
            "--min-machines",
            type=click.IntRange(0),
            default=1,
            show_default=True,
            help="Machines of each engine kept warm.",
        ),
        click.option(
            "--max-machines", type=click.IntRange(1), default=16, show_default=True, help="DuckDB machines at most."
        ),
        click.option(
            "--max-spark-machines",
            type=click.IntRange(0),
            default=Warehouse().spark_most,
            show_default=True,
            help="Spark machines at most; 0: no Spark. What is not used stands by: some 0.7 GiB of memory.",
        ),
        click.option(
            "--memory",
            type=click.IntRange(LEAST_MEMORY),
            default=4096,
            show_default=True,
            help="MiB that a DuckDB machine may use.",
        ),
        click.option(
            "--spill",
            type=click.IntRange(1),
            help="MiB that a machine may spill to disk.  [default: a quarter of the free, 4 GiB in a microVM]",
        ),
        _spawner_options,
    ):
        command = option(command)
    return command


def _spawner_options(command: click.decorators.FC) -> click.decorators.FC:
    """What its machines are."""
    isolation = click.Choice([level.value for level in IsolationLevel])
    for option in (
        click.option("--spawner", type=click.Choice(NAMES), default="process", show_default=True, help="Of machines."),
        click.option(
            "--spark-spawner",
            type=click.Choice(["process", "qemu"]),
            default="process",
            show_default=True,
            help="Of Spark's machines beside microVMs. Those of qemu only read.",
        ),
        click.option(
            "--executors",
            metavar="MIN:MAX",
            help="Pods, or a master's processes, with which Spark computes.  [default: none; 1:8 of a master]",
        ),
        click.option("--spark-master", metavar="URL", help="A cluster for the executors: spark://HOST:PORT, or yarn."),
        click.option(
            "--spark-compiler",
            type=click.Choice(COMPILERS),
            default=COMPILERS[0],
            show_default=True,
            envvar="LAKEGATE_SPARK_COMPILER",
            help="Java's last one. c1: starts and small statements take three fifths; long ones three times as long.",
        ),
        click.option("--spark-remote", metavar="URL", help="A Spark Connect server to use, as sc://HOST:PORT."),
        click.option("--isolation", type=isolation, default="auto", show_default=True, help="none: do without."),
    ):
        command = option(command)
    return command


@click.group()
@click.version_option(package_name="lakegate")
def main() -> None:
    """Lakegate: SQL from any PostgreSQL client over Delta tables."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("alembic").setLevel(logging.WARNING)


@main.command(name="serve")
@_gateway_options
def serve_command(**options: Any) -> None:
    """Serve until interrupted; a line `ready postgresql://…` says that clients may connect."""
    _run(serve(Server(_load(**options))))


@main.command()
@_gateway_options
@click.option(
    "--scale", type=click.FloatRange(0, min_open=True), default=0.1, show_default=True, help="TPC-H scale factor."
)
def demo(scale: float, **options: Any) -> None:
    """Serve TPC-H tables in the schema tpch, after a first query."""
    server = Server(_load(**options))
    _run(serve(server, lambda: welcome(server, scale)))


main.add_command(bench)
main.add_command(discover)
main.add_command(submit)
main.add_command(token)


def _run(serving: Coroutine[None, None, None]) -> None:
    try:
        uvloop.run(serving)
    except (OSError, CannotStart, PostgresUnavailable) as error:
        raise click.ClickException(str(error)) from None
    except CannotConnectNow as error:
        why = str(error.__cause__ or error.hint).strip()
        raise click.ClickException(f"{error.message}, which LAKEGATE_METASTORE_DSN names: {why}") from None


def _load(
    data: Path,
    listen: str,
    file: Path | None,
    access_file: Path | None,
    min_machines: int,
    max_machines: int,
    max_spark_machines: int,
    memory: int,
    spill: int | None,
    spawner: str,
    spark_spawner: str,
    executors: str | None,
    spark_master: str | None,
    spark_remote: str | None,
    spark_compiler: str,
    isolation: str,
) -> Config:
    if spark_remote is not None and (executors or spark_master):
        raise click.UsageError("a Spark that somebody else runs has executors of its own")
    if executors is not None and spawner != "kubernetes" and spark_master is None:
        raise click.UsageError("executors need a place: --spawner kubernetes, or --spark-master")
    if spark_spawner == "qemu" and (spawner != "qemu" or spark_remote or spark_master):
        raise click.UsageError(
            "Spark's microVMs stand beside DuckDB's, with --spawner qemu; nothing of Spark is elsewhere"
        )
    try:
        warehouse = Warehouse(
            duckdb_warm=min_machines,
            duckdb_most=max_machines,
            duckdb_memory=memory * MEBIBYTE,
            spark_warm=min(min_machines, max_spark_machines, 1),
            spark_most=max_spark_machines,
            isolation=IsolationLevel(isolation),
            spawner=spawner,
            spark_spawner=spark_spawner,
            spill=None if spill is None else spill * MEBIBYTE,
            executors=parse_executors(executors or (spark_master and USUAL_EXECUTORS)),
            spark_master=parse_master(spark_master),
            spark_remote=spark_remote,
            spark_compiler=spark_compiler,
            declaration=Declaration() if file is None else read_declaration(file),
        )
        access = None if access_file is None else read_access(access_file)
        config = Config.load(data, listen, warehouse, access=access)
        pool_config(config)
        return config
    except ValueError as error:
        raise click.UsageError(str(error)) from None
