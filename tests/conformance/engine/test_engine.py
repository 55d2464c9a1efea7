"""Every engine behind a lease: answers, parameters, errors, cancels."""

import asyncio
from decimal import Decimal

import pyarrow as pa
import pytest

from catalog.errors import InvalidTextRepresentation, ObjectNotInPrerequisiteState, QueryCanceled, SqlError
from compute.lease import Lease
from tests.fix_compute import ask

ENDLESS = "SELECT count(*) FROM range(100000000) a, range(1000000) b WHERE a.range + b.range = 7"


async def test_an_answer_has_schema_and_rows(lease: Lease) -> None:
    answer = await lease.execute("SELECT 1 AS one, 'x' AS text, CAST(1.5 AS DECIMAL(5,2)) AS number")
    assert answer.schema.names == ["one", "text", "number"]
    batches = [batch async for batch in answer]
    assert [row for batch in batches for row in batch.to_pylist()] == [
        {"one": 1, "text": "x", "number": Decimal("1.50")}
    ]
    assert answer.affected is None


async def test_an_empty_answer_has_its_schema(lease: Lease) -> None:
    answer = await lease.execute("SELECT CAST(1 AS BIGINT) AS id WHERE false")
    assert answer.schema == pa.schema([("id", pa.int64())])
    assert [batch async for batch in answer] == []


async def test_describe_executes_nothing(lease: Lease) -> None:
    assert (await lease.describe("SELECT CAST(1 AS BIGINT) AS id, 'x' AS name")).names == ["id", "name"]
    assert (await lease.describe(ENDLESS)).types == [pa.int64()]


async def test_parameters_go_by_name(lease: Lease) -> None:
    parameters = pa.record_batch({"p1": [3], "p2": ["it's"], "p3": pa.array([None], pa.int32())})
    sql = "SELECT CAST($p1 AS INT) AS a, CAST($p2 AS VARCHAR) AS b, CAST($p3 AS INT) AS c"
    assert await ask(lease, sql, parameters=parameters) == [{"a": 3, "b": "it's", "c": None}]


async def test_errors_have_a_sqlstate_and_the_lease_goes_on(lease: Lease) -> None:
    with pytest.raises(InvalidTextRepresentation):
        await ask(lease, "SELECT CAST('x' AS INT)")
    with pytest.raises(SqlError) as caught:
        await ask(lease, "SELECT * FROM no_such_table")
    assert caught.value.sqlstate == "42P01"
    assert await ask(lease, "SELECT 1 AS one") == [{"one": 1}]


async def test_an_error_after_many_rows(lease: Lease) -> None:
    sql = "SELECT CAST(CASE WHEN range = 90000 THEN 'x' ELSE '1' END AS INT) AS n FROM range(100000)"
    with pytest.raises(InvalidTextRepresentation):
        await ask(lease, sql)


async def test_cancel_stops_a_running_statement(lease: Lease) -> None:
    running = asyncio.create_task(lease.execute(ENDLESS))
    await asyncio.sleep(0)
    while not running.done():
        await lease.cancel()
        await asyncio.wait([running], timeout=0.05)
    with pytest.raises(QueryCanceled):
        await ask_result(running)
    assert await ask(lease, "SELECT 1 AS one") == [{"one": 1}]


async def ask_result(running: "asyncio.Task[object]") -> object:
    """The schema may be known before the rows are: the cancel then meets the first pull."""
    answer = await running
    return [batch async for batch in answer]  # type: ignore[attr-defined]


async def test_a_cancelled_caller_leaves_no_statement_behind(lease: Lease) -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2):
            await ask(lease, ENDLESS)
    if not lease.lost:
        await lease.cancel()


async def test_closing_an_answer_frees_the_lease(lease: Lease) -> None:
    answer = await lease.execute("SELECT range AS n FROM range(100000000)")
    first = await anext(aiter(answer))
    assert 0 < first.num_rows <= 1024
    assert answer.handed_out
    with pytest.raises(ObjectNotInPrerequisiteState):
        await lease.execute("SELECT 1")
    await answer.close()
    assert await ask(lease, "SELECT 1 AS one") == [{"one": 1}]


async def test_time_zones_are_settings(lease: Lease) -> None:
    sql = "SELECT CAST(TIMESTAMPTZ '2020-07-01 12:00:00+00' AS VARCHAR) AS t"
    assert await ask(lease, sql) == [{"t": "2020-07-01 12:00:00+00"}]
    assert await ask(lease, sql, settings={"TimeZone": "Europe/Berlin"}) == [{"t": "2020-07-01 14:00:00+02"}]
    with pytest.raises(SqlError) as caught:
        await ask(lease, sql, settings={"TimeZone": "Nowhere"})
    assert caught.value.sqlstate == "22023"
    assert await ask(lease, sql, settings={"TimeZone": "UTC"}) == [{"t": "2020-07-01 12:00:00+00"}]


async def test_release_is_idempotent(lease: Lease) -> None:
    await lease.release()
    await lease.release()
    with pytest.raises(SqlError):
        await lease.execute("SELECT 1")
