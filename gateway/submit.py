"""`lakegate submit`: runs a main class out of JARs on a cluster, for the operator.

It is the operator's tool, as `spark-submit` is: it asks no gateway and knows no grants. The job may read what its one
folder and the cluster's user let it read, so a cluster for jobs should not see tables whose rows are for some alone.
In Kubernetes its pods see one volume claim at most, which is kept for jobs.
"""

import asyncio
import json
import signal
from collections.abc import Sequence
from pathlib import Path

import click
import uvloop

from compute.config import PoolConfig
from compute.job import Job, digest_of, jar_scan
from compute.pool import Pool
from compute.spark.configuration import COMPILERS
from compute.spawners import CannotStart
from gateway.config import (
    MEBIBYTE,
    USUAL_EXECUTORS,
    IsolationLevel,
    Warehouse,
    parse_executors,
    parse_kubernetes,
    parse_master,
)
from gateway.jobs import Run, State, Stop, run_job
from gateway.spawners import make_job_spawner
from gateway.warehouse import job_config

EXIT_STATUS = {State.SUCCEEDED: 0, State.FAILED: 1, State.CANCELED: 130}
START_SECONDS = 300.0
_FILE = click.Path(exists=True, dir_okay=False, path_type=Path, resolve_path=True)
_FOLDER = click.Path(file_okay=False, path_type=Path, resolve_path=True)
_ISOLATION = click.Choice([level.value for level in IsolationLevel])


@click.command(context_settings={"allow_interspersed_args": False})
@click.option("--class", "main", required=True, help="The class with the job's main method.")
@click.option("--spark-master", metavar="URL", help="The cluster: spark://HOST:PORT, or yarn. Its driver runs here.")
@click.option("--spawner", type=click.Choice(["kubernetes"]), help="Instead: the driver and its executors are pods.")
@click.option("--executors", metavar="MIN:MAX", default=USUAL_EXECUTORS, show_default=True, help="Of the job.")
@click.option("--memory", type=click.IntRange(256), default=1024, show_default=True, help="MiB of the driver's heap.")
@click.option("--jar", "jars", type=_FILE, multiple=True, help="Another JAR that the job needs; as many as it does.")
@click.option("--folder", type=_FOLDER, help="What the job may read and write, at the same path everywhere.")
@click.option("--timeout", type=click.IntRange(1), help="Seconds after which the job is canceled.  [default: none]")
@click.option("--spark-compiler", type=click.Choice(COMPILERS), default=COMPILERS[0], envvar="LAKEGATE_SPARK_COMPILER")
@click.option("--isolation", type=_ISOLATION, default="auto", show_default=True, help="none: do without.")
@click.option("--json", "as_json", is_flag=True, help="End with one line of JSON.")
@click.argument("jar", type=_FILE)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def submit(
    main: str,
    spark_master: str | None,
    spawner: str | None,
    executors: str,
    memory: int,
    jars: tuple[Path, ...],
    folder: Path | None,
    timeout: int | None,
    spark_compiler: str,
    isolation: str,
    as_json: bool,
    jar: Path,
    arguments: tuple[str, ...],
) -> None:
    """Run a job from JAR on a Spark cluster, with its output as it comes; SIGINT cancels it."""
    try:
        warehouse = Warehouse(
            isolation=IsolationLevel(isolation),
            spark_memory=memory * MEBIBYTE,
            executors=parse_executors(executors),
            spark_master=parse_master(spark_master),
            spark_compiler=spark_compiler,
        )
        _check(spark_master, spawner, folder)
        run = new_run(main, arguments, (jar, *jars), warehouse)
        pool = _make_pool(warehouse, (jar, *jars), folder, run)
        uvloop.run(_serve(pool, run, timeout, warehouse.isolation))
    except (OSError, CannotStart) as error:
        raise click.ClickException(str(error)) from None
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    if as_json:
        click.echo(json.dumps(run.summary()))
    raise SystemExit(EXIT_STATUS[run.state])


def _check(spark_master: str | None, spawner: str | None, folder: Path | None) -> None:
    """Raises ValueError."""
    if (spark_master is None) == (spawner is None):
        raise ValueError("say where executors are: --spark-master URL, or --spawner kubernetes")
    if spawner is None and folder is not None and not folder.is_dir():
        raise ValueError(f"--folder: there is no folder {folder}")


def new_run(main: str, arguments: tuple[str, ...], jars: Sequence[Path], warehouse: Warehouse) -> Run:
    """Of the first of the JARs. They travel where no process beside them drives the executors.

    Raises OSError, and ValueError where that is too much to travel.
    """
    travelling = jar_scan(jars) if warehouse.spark_master is None else None
    return Run(Job(main, arguments, digest_of(jars[0])), travelling)


def _make_pool(warehouse: Warehouse, jars: Sequence[Path], folder: Path | None, run: Run) -> Pool:
    """Of one machine. A process has the folder; a pod has its own, and reads the JARs of ours. Raises CannotStart."""
    beside = "" if folder is None else str(folder)
    root = beside if run.jars is None else run.jars.location
    config = PoolConfig((job_config(warehouse, jars),), wait_seconds=START_SECONDS)
    return Pool(make_job_spawner(warehouse, parse_kubernetes(), folder), config, lambda _workspace: root)


async def _serve(pool: Pool, run: Run, seconds: int | None, isolation: IsolationLevel) -> None:
    """Raises CannotStart, also where a job cannot be shut off and nobody has said that it need not be."""
    stop, loop = Stop(), asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.ask, f"{number.name} was received")
    if seconds is not None:
        loop.call_later(seconds, stop.ask, f"it took longer than {seconds} s")
    try:
        await pool.start()
        if pool.isolation.level == "none" and isolation is not IsolationLevel.NONE:
            raise CannotStart(f"the job can't be isolated: {'; '.join(pool.isolation.missing)} (or --isolation none)")
        await run_job(pool, run, stop, _tell)
    finally:
        await pool.close()


def _tell(run: Run, line: str | None) -> None:
    if line is not None:
        click.echo(line)
    else:
        click.echo(f"{run.state} {run.job.main} {run.job.digest[:16]} {run.reason}".rstrip(), err=True)
