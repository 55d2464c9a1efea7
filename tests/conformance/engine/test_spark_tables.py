"""Spark over tables that lie with the host: found by their paths at the guest's endpoint, read through the channel."""

import asyncio
import json
import urllib.request
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path
from urllib.error import HTTPError
from urllib.parse import quote

import pyarrow as pa
import pytest
import pytest_asyncio

from catalog.errors import FeatureNotSupported, SqlError
from catalog.names import TableName
from catalog.scans import Scan
from catalog.snapshot_cache import SnapshotCache
from compute.engines import EngineOptions
from compute.engines.spark import SparkEngine
from compute.engines.spark.session import SparkSession
from compute.guest.endpoint import Endpoint
from compute.guest.machine import Guest, Understudy
from compute.guest.rehearsal import rehearse
from compute.lease import Lease
from compute.spark.installation import Installation
from gateway.trees import scan_tree
from tests.fix_compute import ask
from tests.fix_remote import lent
from tests.fix_spark import HEAP, PROPERTIES, affected
from tests.lakes import write_table

pytestmark = [pytest.mark.spark, pytest.mark.asyncio(loop_scope="module")]
ODD = ("/", "/etc", "/../etc?op=OPEN", "/x?op=LISTSTATUS&offset=-1", "/%ff?op=OPEN", "?op=DELETE")
DRAWN = """
    SELECT rand(:p1) AS a, randn(:p1) AS b, uuid(:p1) AS c, shuffle(sequence(1, 99), :p1) AS d, randstr(9, :p1) AS e,
        uniform(1, 1000000000, :p1) AS f, rand(CAST(:p1 AS BIGINT)) AS g
"""
NAMES = ("à b é", "plain")


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tables")


@pytest.fixture(scope="module")
def endpoint() -> Endpoint:
    return Endpoint()


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("scratch")


@pytest.fixture(scope="module")
def engine(spark_installation: Installation, endpoint: Endpoint, scratch: Path) -> Iterator[SparkEngine]:
    """One that has rehearsed, as in a template."""
    options = EngineOptions(2, HEAP, str(scratch), tables=endpoint.address, properties=PROPERTIES)
    engine = SparkEngine(options)
    rehearse(Understudy(Guest(engine, lambda _identity, _folders: None, str(scratch), endpoint)))
    yield engine
    engine.close()


@pytest_asyncio.fixture(loop_scope="module")
async def lease(engine: SparkEngine, endpoint: Endpoint, root: Path, scratch: Path) -> AsyncIterator[Lease]:
    async with lent(engine, endpoint, root, scratch) as lease:
        yield lease


async def tree(location: str, version: int | None = None) -> Scan:
    """As the gateway makes it."""
    cache = SnapshotCache()
    snapshot = await cache.read("demo", TableName("public", "t"), location, version)
    cache.close()
    return scan_tree(snapshot)


def at(scan: Scan) -> str:
    """The table as a lane's SQL names it."""
    return f"delta.`{scan.location}` VERSION AS OF {scan.version}"


@pytest.mark.parametrize("name", NAMES)
async def test_a_partitioned_table_at_its_versions(lease: Lease, root: Path, name: str) -> None:
    """Also an earlier version after a later one, and one that is new since the last statement."""
    folder = root / name
    location = write_table(folder, {"day": ["x", "y z/%"], "n": [1, 2]}, partition_by=["day"])
    first = await tree(location)
    sql = "SELECT day, sum(n) AS n FROM {} GROUP BY day ORDER BY day"
    earlier = [{"day": "x", "n": 1}, {"day": "y z/%", "n": 2}]
    assert await ask(lease, sql.format(at(first)), scans=[first]) == earlier
    write_table(folder, {"day": ["x"], "n": [10]}, mode="append", partition_by=["day"])
    second = await tree(location)
    assert (await ask(lease, sql.format(at(second)), scans=[second]))[0] == {"day": "x", "n": 11}
    again = await tree(location, 0)
    assert await ask(lease, sql.format(at(again)), scans=[again]) == earlier
    assert (await lease.describe(f"SELECT * FROM {at(again)}", scans=[again])).names == ["day", "n"]


async def test_deletion_vectors_and_mapped_columns(lease: Lease, spark_session: SparkSession, root: Path) -> None:
    location = f"{root}/vectors"
    table = f"delta.`{location}`"
    options = "TBLPROPERTIES ('delta.enableDeletionVectors' = 'true', 'delta.columnMapping.mode' = 'name')"
    affected(spark_session, f"CREATE TABLE {table} USING delta {options} AS SELECT id FROM range(0, 10, 1, 1)")
    affected(spark_session, f"ALTER TABLE {table} RENAME COLUMN id TO number")
    affected(spark_session, f"DELETE FROM {table} WHERE number IN (3, 4)")
    scan = await tree(location)
    assert any(Path(file.path).name.startswith("deletion_vector_") for file in scan.files)
    sql = f"SELECT count(*) AS n, sum(number) AS total FROM {at(scan)}"
    assert await ask(lease, sql, scans=[scan]) == [{"n": 8, "total": 38}]


async def test_the_history_has_the_times_of_the_commits(lease: Lease, root: Path) -> None:
    scan = await tree(write_table(root / "history", {"n": [1]}))
    [row] = await ask(lease, f"DESCRIBE HISTORY delta.`{scan.location}`", scans=[scan])
    assert abs(row["timestamp"].timestamp() * 1000 - scan.files[0].modified) < 1000


async def test_what_draws_at_random_takes_a_seed(lease: Lease) -> None:
    """As the planner gives one: the same draws the same, another one others."""
    answers = []
    for seed in (1, 1, 2**62):
        [row] = await ask(lease, DRAWN, parameters=pa.record_batch({"p1": pa.array([seed], pa.int64())}))
        answers.append(row)
    assert answers[0] == answers[1]
    assert all(answers[0][name] != answers[2][name] for name in answers[0])


async def test_what_is_not_lent_is_not_there(lease: Lease, root: Path) -> None:
    """Neither another table nor one of an earlier statement, nor a file of the machine's own."""
    lent_before, other = [await tree(write_table(root / name, {"n": [1]})) for name in ("before", "other")]
    assert await ask(lease, f"SELECT n FROM {at(lent_before)}", scans=[lent_before]) == [{"n": 1}]
    for scan, scans in ((lent_before, []), (other, [lent_before])):
        with pytest.raises(SqlError):
            await ask(lease, f"SELECT n FROM {at(scan)}", scans=scans)
    with pytest.raises(SqlError):
        await ask(lease, "SELECT * FROM text.`/etc/hostname`")


async def test_files_outside_the_workspace_are_refused_by_the_host(lease: Lease, root: Path) -> None:
    """Whatever the list says."""
    scan = await tree(write_table(root / "moved", {"n": [1]}))
    outside = replace(
        scan, files=tuple(replace(file, path=f"/etc{file.path}") for file in scan.files), digest="outside"
    )
    with pytest.raises(SqlError):
        await ask(lease, f"SELECT n FROM delta.`/etc{scan.location}`", scans=[outside])


async def test_writes_are_refused(lease: Lease, endpoint: Endpoint, root: Path) -> None:
    """By the engine, and by the endpoint if it came to that."""
    scan = await tree(write_table(root / "written", {"n": [1]}))
    for sql in (f"INSERT INTO delta.`{scan.location}` VALUES (2)", f"DELETE FROM delta.`{scan.location}`"):
        with pytest.raises(FeatureNotSupported) as refused:
            await ask(lease, sql, scans=[scan])
        assert refused.value.hint is not None
    for method in ("PUT", "POST", "DELETE"):
        status, _ = await fetch(endpoint, f"{scan.location}/new?op=CREATE", method)
        assert status == 403
    assert await ask(lease, f"SELECT n FROM {at(scan)}", scans=[scan]) == [{"n": 1}]


@pytest.mark.parametrize("path", ODD)
async def test_odd_requests_get_an_answer(endpoint: Endpoint, path: str) -> None:
    status, content = await fetch(endpoint, path)
    assert status in (400, 404)
    assert json.loads(content)["RemoteException"]["message"]


async def fetch(endpoint: Endpoint, path: str, method: str = "GET") -> tuple[int, bytes]:
    """A status and what came with it."""

    def ask_once() -> tuple[int, bytes]:
        url = f"{endpoint.origin}webhdfs/v1{quote(path, safe='/?&=%')}"
        try:
            with urllib.request.urlopen(urllib.request.Request(url, method=method), timeout=60) as answer:
                return answer.status, answer.read()
        except HTTPError as error:
            with error:
                return error.code, error.read()

    return await asyncio.to_thread(ask_once)
