"""Executors of a standalone Spark master: a query that outlives them, a driver that outlives nobody."""

import secrets
import signal
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from threading import Event

import psutil
import psycopg
import pytest

from catalog.names import TableName
from compute.config import Executors
from compute.engines import EngineOptions
from compute.engines.spark import open_engine
from compute.spark.master import Master, executor_properties, parse_addresses
from compute.spark.server import ServerError
from tests.conformance.tpch.test_tpch import QUERIES, Result, run
from tests.fix_gateway import lake_folder, running_gateway, started_gateway
from tests.masters.standalone import Standalone
from tests.processes import busier, machines_of, until
from tests.target import Target

pytestmark = [pytest.mark.slow, pytest.mark.spark, pytest.mark.soak]
QUERY_5 = QUERIES[4]


def options(cluster: Standalone) -> tuple[str, ...]:
    return ("--spark-master", cluster.url, "--executors", "2:2")


def settings(cluster: Standalone) -> Mapping[str, str]:
    return {"LAKEGATE_SPARK_SECRET_FILE": str(cluster.secret), "LAKEGATE_EXECUTOR_MEMORY": "512"}


@pytest.fixture(scope="module")
def target(standalone: Standalone, lake: Mapping[TableName, Path]) -> Iterator[Target]:
    password = secrets.token_urlsafe()
    with (
        lake_folder(lake, password) as data,
        running_gateway(data, password, options(standalone), settings(standalone)) as gateway,
    ):
        yield gateway
    until(lambda: not standalone.executors())


def connect(target: Target, lane: str = "spark") -> psycopg.Connection:
    return target.connect(options=f"-c search_path=tpch -c lakegate.lane={lane}")


def ask(target: Target, lane: str = "spark") -> Result:
    with connect(target, lane) as connection:
        return run(connection, QUERY_5)


def count(target: Target) -> int:
    with connect(target) as connection:
        row = connection.execute("SELECT count(*) FROM nation").fetchone()
    assert row is not None
    return int(row[0])


@contextmanager
def asking(target: Target) -> Iterator[list[Result]]:
    """The answers to one question after the other, so that there is nearly always one under way."""
    answers: list[Result] = []
    over = Event()

    def ask_on() -> None:
        while not over.is_set():
            answers.append(ask(target))

    with ThreadPoolExecutor(1) as asker:
        asked = asker.submit(ask_on)
        try:
            yield answers
        finally:
            over.set()
        asked.result()


def test_query_five_survives_the_death_of_an_executor(standalone: Standalone, target: Target) -> None:
    """With both executors at work, and with one that is killed in the middle and that its worker replaces."""
    expected = ask(target, "duckdb")
    assert len(expected.rows) == 5
    with asking(target) as answers:
        until(lambda: len(standalone.executors()) == 2)
        victim, other = standalone.executors()
        until(busier([other], 0.3))
        until(busier([victim], 0.3))
        victim.kill()
        until(lambda: len(set(standalone.executors()) - {victim}) == 2)
    assert answers == [expected] * len(answers)
    assert answers


def test_it_writes_and_the_other_lane_reads(target: Target) -> None:
    with connect(target) as connection:
        connection.execute("CREATE TABLE spread USING delta AS SELECT * FROM orders WHERE o_orderkey < 1000")
        assert connection.execute("DELETE FROM spread WHERE o_orderkey < 500").rowcount > 0
    with connect(target, "duckdb") as connection:
        counted = connection.execute("SELECT count(*), min(o_orderkey) FROM spread").fetchone()
    with connect(target, "duckdb") as connection:
        query = "SELECT count(*), min(o_orderkey) FROM orders WHERE o_orderkey >= 500 AND o_orderkey < 1000"
        assert counted == connection.execute(query).fetchone()


def test_the_secret_is_no_argument(standalone: Standalone, target: Target) -> None:
    secret = standalone.secret.read_text()
    family = [psutil.Process(target.pid), *psutil.Process(target.pid).children(recursive=True)]
    said = [word for process in family for word in process.cmdline()]
    assert said
    assert not any(secret in word for word in said)


def test_a_driver_that_its_master_gives_up_is_replaced(standalone: Standalone, target: Target) -> None:
    count(target)
    (machine,) = machines_of("spark", target.pid)
    (application,) = standalone.applications()
    assert len(standalone.executors(application)) == 2
    standalone.end(application)
    until(lambda: machines_of("spark", target.pid) not in ([], [machine]))
    assert count(target) == 25
    assert application not in standalone.applications()


def test_a_killed_gateway_leaves_nothing_on_the_cluster(standalone: Standalone, lake: Mapping[TableName, Path]) -> None:
    password, others = secrets.token_urlsafe(), set(standalone.applications())
    with lake_folder(lake, password) as data:
        with started_gateway(data, password, options(standalone), settings(standalone)) as daemon:
            target = Target.parse(daemon.ready_line.removeprefix("ready ").split()[0], password)
            assert count(target) == 25
            (application,) = set(standalone.applications()) - others
            assert standalone.executors(application)
            daemon.process.send_signal(signal.SIGKILL)
            daemon.process.wait()
        until(lambda: application not in standalone.applications())
        until(lambda: not standalone.executors(application))


def test_a_wrong_secret_is_said(standalone: Standalone, tmp_path: Path) -> None:
    wrong = tmp_path / "secret"
    wrong.write_text("wrong")
    master = Master(standalone.url, parse_addresses(standalone.url, None), secret=str(wrong))
    properties = executor_properties(master, Executors(1, 1))
    with pytest.raises(ServerError, match="LAKEGATE_SPARK_SECRET_FILE") as raised:
        open_engine(EngineOptions(1, 512 << 20, str(tmp_path), properties=properties))
    assert standalone.secret.read_text() not in str(raised.value)
