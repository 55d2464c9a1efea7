"""Every engine behind a lease: answers, parameters, errors, cancels."""

import asyncio
from datetime import UTC, date, datetime, time
from decimal import Decimal

import pyarrow as pa
import pytest

from catalog.errors import InvalidTextRepresentation, ObjectNotInPrerequisiteState, QueryCanceled, SqlError
from compute.lease import Lease
from tests.fix_compute import ask

pytestmark = pytest.mark.asyncio(loop_scope="module")
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


PARAMETERS: list[tuple[str, object, pa.DataType, str]] = [
    ("BOOLEAN", True, pa.bool_(), "true"),
    ("SMALLINT", -7, pa.int16(), "-7"),
    ("BIGINT", 1 << 62, pa.int64(), str(1 << 62)),
    ("DOUBLE", 0.1, pa.float64(), "0.1"),
    ("DECIMAL(20,4)", Decimal("-1.2345"), pa.decimal128(20, 4), "-1.2345"),
    ("VARCHAR", "it's ü", pa.string(), "it's ü"),
    ("BLOB", b"\x00\xff", pa.binary(), "\\x00\\xFF"),
    ("DATE", date(2020, 2, 29), pa.date32(), "2020-02-29"),
    ("TIME", time(1, 2, 3, 4), pa.time64("us"), "01:02:03.000004"),
    ("TIMESTAMP", datetime(1960, 1, 1, 1), pa.timestamp("us"), "1960-01-01 01:00:00"),
    ("TIMESTAMPTZ", datetime(2020, 1, 1, tzinfo=UTC), pa.timestamp("us", "Europe/Berlin"), "2020-01-01 00:00:00+00"),
    ("INTERVAL", (1, 2, 3000), pa.month_day_nano_interval(), "1 month 2 days 00:00:00.000003"),
    ("INTEGER[]", [1, None, 3], pa.list_(pa.int32()), "[1, NULL, 3]"),
]


@pytest.mark.parametrize(("kind", "value", "arrow", "text"), PARAMETERS)
async def test_parameters_of_every_type(lease: Lease, kind: str, value: object, arrow: pa.DataType, text: str) -> None:
    """In a sealed machine there is nothing left to import: conversions must have all they need. NULLs as well."""
    parameters = pa.record_batch({"p1": pa.array([value], arrow), "p2": pa.array([None], arrow)})
    sql = f"SELECT CAST($p1 AS {kind}) AS v, CAST(CAST($p1 AS {kind}) AS VARCHAR) AS t, CAST($p2 AS {kind}) AS n"
    answer = await lease.execute(sql, parameters=parameters)
    [batch] = [batch async for batch in answer]
    assert batch.column("t").to_pylist() == [text]
    assert batch.column("n").null_count == 1


async def test_dictionaries_arrive_as_their_values(lease: Lease) -> None:
    answer = await lease.execute("SELECT CAST('b' AS ENUM('a', 'b')) AS letter FROM range(3)")
    assert answer.schema.types == [pa.string()]
    assert [value for batch in [b async for b in answer] for value in batch.column(0).to_pylist()] == ["b"] * 3


async def test_wide_rows_come_in_small_batches(lease: Lease) -> None:
    answer = await lease.execute("SELECT repeat('x', 1000000) AS wide FROM range(64)")
    sizes = [batch.nbytes async for batch in answer]
    assert max(sizes) <= 5 << 20
    assert sum(sizes) >= 64_000_000
