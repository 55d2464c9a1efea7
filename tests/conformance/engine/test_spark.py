"""The Spark engine on a real JVM: answers, types, parameters, errors, cancels, several sessions."""

import datetime as dt
import re
import subprocess
import threading
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from catalog.errors import FeatureNotSupported, InvalidParameterValue, QueryCanceled, SqlError, SqlSyntaxError
from compute.engines.spark import SparkEngine
from compute.engines.spark.session import SparkSession
from compute.spark import java
from tests.fix_spark import rows, table_at

pytestmark = pytest.mark.spark

ENDLESS = "SELECT count(*) FROM range(0, 100000000000) WHERE (id % 1000) * (id % 1000) % 7 = 3"
EVERY_TYPE = """SELECT true AS bool, 1Y AS tiny, 2S AS small, 3 AS int, 4L AS big, 1.5F AS float, 2.5D AS double,
 CAST(1.50 AS DECIMAL(15,2)) AS price, 'x' AS text, X'00FF' AS bytes, DATE'2020-02-29' AS day,
 TIMESTAMP'2020-02-29 12:00:00' AS instant, TIMESTAMP_NTZ'2020-02-29 12:00:00' AS plain, make_interval(1, 2) AS span,
 INTERVAL '1' DAY AS day_span, array(1, NULL) AS list, map('a', 1) AS map, named_struct('x', 1L) AS struct,
 NULL AS nothing, CAST(NULL AS DECIMAL(38,10)) AS no_number"""
PARAMETERS: list[tuple[pa.DataType, Any]] = [
    (pa.bool_(), True),
    (pa.int16(), -7),
    (pa.int32(), 7),
    (pa.int64(), -(2**63)),
    (pa.float32(), 1.5),
    (pa.float64(), float("-inf")),
    (pa.decimal128(38, 10), Decimal("-12345678901234567890.0000000001")),
    (pa.string(), 'it\'s a \\ "quote" ; -- $1 :p1 \u2603'),
    (pa.binary(), b"\x00\xff'"),
    (pa.date32(), dt.date(1, 1, 1)),
    (pa.timestamp("us", "UTC"), dt.datetime(1969, 7, 20, 20, 17, 40, 123456, dt.UTC)),
    (pa.timestamp("us"), dt.datetime(9999, 12, 31, 23, 59, 59, 999999)),
    (pa.month_day_nano_interval(), (14, -3, -1_500_000_000)),
    (pa.list_(pa.field("element", pa.string())), ["a", None, "b'"]),
]


def test_described_and_executed_types_are_equal(spark_session: SparkSession) -> None:
    settings = {"TimeZone": "Asia/Tokyo"}
    described = spark_session.describe(EVERY_TYPE, None, [], settings)
    executed = spark_session.execute(EVERY_TYPE, None, [], settings).reader
    assert described.remove_metadata() == executed.schema
    assert executed.read_all().num_rows == 1
    assert described.field("price").metadata == {b"delta_type": b"decimal(15,2)"}


def test_an_empty_answer_has_its_schema(spark_session: SparkSession) -> None:
    table = spark_session.execute("SELECT 1L AS id WHERE false", None, [], {}).reader.read_all()
    assert (table.num_rows, table.schema.names) == (0, ["id"])


@pytest.mark.parametrize(("kind", "value"), PARAMETERS, ids=lambda part: str(part)[:20])
def test_a_parameter_comes_back_as_it_went(spark_session: SparkSession, kind: pa.DataType, value: Any) -> None:
    parameters = pa.record_batch({"p1": pa.array([value], kind), "p2": pa.array([None], kind)})
    answer = spark_session.execute("SELECT :p1 AS value, :p2 AS nothing", parameters, [], {}).reader.read_all()
    assert answer.schema.types == [kind, kind]
    assert answer["value"][0] == parameters["p1"][0]
    assert not answer["nothing"][0].is_valid


def test_parameters_count_where_constants_must_stand(spark_session: SparkSession) -> None:
    parameters = pa.record_batch({"p1": pa.array([2], pa.int32()), "p2": pa.array([5], pa.int64())})
    answer = spark_session.execute("SELECT id FROM range(:p2) ORDER BY id LIMIT :p1", parameters, [], {})
    assert answer.reader.read_all()["id"].to_pylist() == [0, 1]


@pytest.mark.parametrize(
    ("sql", "sqlstate", "message"),
    [
        ("SELECT 1 / 0", "22012", "division by zero"),
        ("SELECT CAST('x' AS INT)", "22P02", 'the value \'x\' of the type "STRING" cannot be cast to "INT"'),
        ("SELECT 2147483647 + 1", "22003", "overflow"),
        ("SELECT nope FROM range(1)", "42703", "`nope` cannot be resolved"),
        ("SELECT nope(1)", "42883", "`nope`"),
        ("SELECT * FROM nope", "42P01", "`nope` cannot be found"),
        ("SELECT * FROM delta.`/no/such/folder`", "42P01", "/no/such/folder"),
        ("SELEC 1", "42601", "syntax error at or near 'SELEC'"),
        ("SELECT 1; SELECT 2", "42601", "syntax error"),
        ("SELECT (SELECT id FROM range(2))", "21000", "more than one row"),
        ("SELECT sum(id), id FROM range(2)", "42803", "GROUP BY"),
        ("SELECT INTERVAL '1' YEAR", "0A000", "interval"),
        ("SELECT raise_error('boo')", "P0001", "boo"),
    ],
)
def test_errors_have_states_and_one_line(spark_session: SparkSession, sql: str, sqlstate: str, message: str) -> None:
    with pytest.raises(SqlError) as caught:
        rows(spark_session, sql)
    assert caught.value.sqlstate == sqlstate
    assert message in caught.value.message
    assert "\n" not in caught.value.message
    assert rows(spark_session, "SELECT 1 AS one") == [{"one": 1}]


def test_an_error_after_many_rows(spark_session: SparkSession) -> None:
    with pytest.raises(SqlError, match="cannot be cast"):
        rows(spark_session, "SELECT CAST(IF(id = 90000, 'x', '1') AS INT) FROM range(0, 100000, 1, 1)")


def test_describe_executes_nothing(spark_session: SparkSession, tmp_path: Path) -> None:
    table = table_at(tmp_path / "t")
    for sql in (f"CREATE TABLE {table} USING delta AS SELECT 1 AS a", f"INSERT INTO {table} SELECT 1"):
        with pytest.raises(SqlSyntaxError):
            spark_session.describe(sql, None, [], {})
    assert not (tmp_path / "t").exists()
    assert spark_session.describe(ENDLESS, None, [], {}).types == [pa.int64()]


def test_only_known_settings_and_no_scans(spark_session: SparkSession) -> None:
    with pytest.raises(FeatureNotSupported, match="search_path"):
        rows(spark_session, "SELECT 1", search_path="x")
    with pytest.raises(InvalidParameterValue, match="Nowhere"):
        rows(spark_session, "SELECT 1", TimeZone="Mars/Nowhere")


def test_sessions_have_their_own_time_zone(spark_engine: SparkEngine, spark_session: SparkSession) -> None:
    other = spark_engine.open_session()
    sql = "SELECT date_format(timestamp_micros(0), 'HH') AS hour"
    assert rows(spark_session, sql, TimeZone="Asia/Tokyo") == [{"hour": "09"}]
    assert rows(other, sql) == [{"hour": "00"}]
    assert rows(spark_session, sql) == [{"hour": "00"}]
    other.close()


def test_a_stalled_reader_hurts_no_other_session(spark_engine: SparkEngine, spark_session: SparkSession) -> None:
    other = spark_engine.open_session()
    stalled = other.execute("SELECT id, repeat('x', 100) AS text FROM range(500000)", None, [], {}).reader
    first = stalled.read_next_batch()
    assert rows(spark_session, "SELECT count(*) AS n FROM range(1000)") == [{"n": 1000}]
    assert first.num_rows + stalled.read_all().num_rows == 500_000
    other.close()


def test_the_next_statement_ends_a_half_read_one(spark_session: SparkSession) -> None:
    reader = spark_session.execute("SELECT id FROM range(1000000)", None, [], {}).reader
    reader.read_next_batch()
    assert rows(spark_session, "SELECT 1 AS one") == [{"one": 1}]


def test_cancel_stops_the_job_in_the_server(spark_engine: SparkEngine, spark_session: SparkSession) -> None:
    wait_until(lambda: running_tasks(spark_engine) == 0)
    caught: list[SqlError] = []
    runner = threading.Thread(target=lambda: caught.append(error_of(spark_session, ENDLESS)))
    runner.start()
    wait_until(lambda: running_tasks(spark_engine) > 0)
    spark_session.cancel()
    runner.join()
    assert isinstance(caught[0], QueryCanceled)
    wait_until(lambda: running_tasks(spark_engine) == 0)
    assert rows(spark_session, "SELECT 1 AS one") == [{"one": 1}]


def test_cancel_stops_what_the_server_submits_later(spark_engine: SparkEngine, spark_session: SparkSession) -> None:
    """It is still compiling the statement's stage in a thread that it does not interrupt."""
    terms = " + ".join(f"CASE WHEN id % {n + 3} = 1 THEN sqrt(id + {n}) ELSE id * {n}.5D END" for n in range(300))
    runner = threading.Thread(target=lambda: error_of(spark_session, f"SELECT sum({terms}) FROM range(100000000000)"))
    earlier = started_tasks(spark_engine)
    runner.start()
    wait_until(lambda: compiles_stage(spark_engine))
    spark_session.cancel()
    runner.join()
    wait_until(lambda: bool(started_tasks(spark_engine) - earlier))
    wait_until(lambda: running_tasks(spark_engine) == 0)
    assert rows(spark_session, "SELECT 1 AS one") == [{"one": 1}]


def test_cancel_without_a_statement_does_nothing(spark_session: SparkSession) -> None:
    spark_session.cancel()
    assert rows(spark_session, "SELECT 1 AS one") == [{"one": 1}]


def error_of(session: SparkSession, sql: str) -> SqlError:
    with pytest.raises(SqlError) as caught:
        rows(session, sql)
    return caught.value


def running_tasks(engine: SparkEngine) -> int:
    """Executor threads of the JVM that run a task just now."""
    tasks = [thread for thread in threads_of(engine) if "Executor task launch" in thread]
    return sum("Executor$TaskRunner.run" in thread for thread in tasks)


def started_tasks(engine: SparkEngine) -> set[str]:
    """Of tasks that executor threads are named after: an idle one keeps the name of its last for a minute."""
    return {
        number for thread in threads_of(engine) for number in re.findall(r"Executor task launch.*\((TID \d+)\)", thread)
    }


def compiles_stage(engine: SparkEngine) -> bool:
    return any('"shuffle-exchange' in thread and "CodeGenerator" in thread for thread in threads_of(engine))


def threads_of(engine: SparkEngine) -> list[str]:
    """The stack of each thread of the JVM. A busy one may not answer in jcmd's own time."""
    command = [str(java.JAVA.with_name("jcmd")), str(engine.pid), "Thread.print"]
    while (told := subprocess.run(command, capture_output=True, text=True, check=False)).returncode != 0:
        pass
    return told.stdout.split("\n\n")


def wait_until(condition: Callable[[], bool]) -> None:
    """Asks until it holds; pytest ends a test that waits in vain."""
    while not condition():
        pass
