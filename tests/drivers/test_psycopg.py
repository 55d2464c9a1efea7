"""psycopg 3: simple, prepared, pipelined, binary; parameters and results of every type; errors; cancel; blocks."""

import threading
from collections.abc import Iterator, Sequence
from typing import Any

import psycopg
import pytest
from psycopg import sql
from psycopg.pq import ExecStatus, TransactionStatus
from psycopg.pq.abc import PGconn
from psycopg.types.numeric import Int4

from tests import samples
from tests.target import Target

pytestmark = pytest.mark.driver

POINT = "SELECT o_orderkey, o_totalprice FROM tpch.orders WHERE o_orderkey = %s"
ENDLESS = (
    "SELECT count(*) FROM tpch.lineitem a, tpch.lineitem b, tpch.lineitem c WHERE a.l_tax + b.l_tax > c.l_discount"
)
BAD = {
    "syntax": ("SELEC 1", "42601"),
    "syntax, at the end": ("SELECT o_orderkey FROM tpch.orders WHERE", "42601"),
    "unknown column": ("SELECT o_orderkey, nothing FROM tpch.orders", "42703"),
    "unknown column of an alias": ("SELECT o.nothing FROM tpch.orders o", "42703"),
    "unknown table": ("SELECT 1 FROM tpch.nothing", "42P01"),
    "unknown schema": ("SELECT 1 FROM nothing.orders", "42P01"),
    "unknown function": ("SELECT nothing(o_orderkey) FROM tpch.orders", "42883"),
    "not grouped": ("SELECT o_orderkey, count(*) FROM tpch.orders", "42803"),
    "types do not compare": ("SELECT 1 FROM tpch.orders WHERE o_orderdate > 5", "42883"),
    "invalid literal": ("SELECT 1 FROM tpch.orders WHERE o_orderkey = 'ten'", "22P02"),
}


@pytest.fixture
def connection(target: Target) -> Iterator[psycopg.Connection]:
    with target.connect() as opened:
        yield opened


def values(column: str) -> list[Any]:
    return [row[column] for row in samples.ROWS]


def read(connection: psycopg.Connection, column: str, *, binary: bool) -> list[Any]:
    query = sql.SQL("SELECT {} FROM sample.every_type ORDER BY id").format(sql.Identifier(column))
    return [row[0] for row in connection.cursor(binary=binary).execute(query).fetchall()]


@pytest.mark.parametrize("binary", [False, True], ids=["text", "binary"])
@pytest.mark.parametrize("column", samples.COLUMNS)
def test_results_of_every_type(connection: psycopg.Connection, column: str, binary: bool) -> None:
    connection.execute("SET timezone = 'UTC'")
    assert read(connection, column, binary=binary) == values(column)


@pytest.mark.parametrize("binary", ["%t", "%b"], ids=["text", "binary"])
@pytest.mark.parametrize("column", samples.COLUMNS)
def test_parameters_of_every_type(connection: psycopg.Connection, column: str, binary: str) -> None:
    query = sql.SQL(f"SELECT id FROM sample.every_type WHERE {{}} = {binary}").format(sql.Identifier(column))
    with connection.cursor() as cursor:
        found = [
            cursor.execute(query, [typed(column, row[column])]).fetchall()
            for row in samples.ROWS
            if row[column] is not None
        ]
    if column == "bool":
        assert [sorted(rows) for rows in found] == [[(1,), (3,)], [(1,), (3,)], [(4,)]]
    else:
        assert found == [[(1,)], [(3,)], [(4,)]]


def typed(column: str, value: Any) -> Any:
    """A list of numbers would go out as the smallest integer type that holds them, and an empty one as no type."""
    if column != "int4_array":
        return value
    return [None if number is None else Int4(number) for number in value]


@pytest.mark.parametrize("column", samples.COLUMNS)
def test_null_parameter(connection: psycopg.Connection, column: str) -> None:
    query = sql.SQL("SELECT id FROM sample.every_type WHERE {} = %s").format(sql.Identifier(column))
    assert connection.execute(query, [None]).fetchall() == []
    query = sql.SQL("SELECT id FROM sample.every_type WHERE coalesce({}, %s) IS NULL").format(sql.Identifier(column))
    assert connection.execute(query, [None]).fetchall() == [(2,)]


def test_simple_query_with_several_statements(connection: psycopg.Connection) -> None:
    cursor = connection.execute("SELECT 1; SELECT count(*) FROM tpch.nation; SELECT 'three'")
    assert [cursor.fetchall() for _ in cursor.results()] == [[(1,)], [(25,)], [("three",)]]


def test_client_side_parameters(target: Target) -> None:
    with target.connect(cursor_factory=psycopg.ClientCursor) as connection:
        query = "SELECT n_name FROM tpch.nation WHERE n_name = %s OR n_nationkey = %s ORDER BY 1"
        assert connection.execute(query, ["PERU", 7]).fetchall() == [("GERMANY",), ("PERU",)]


def test_empty_query(connection: psycopg.Connection) -> None:
    cursor = connection.execute("")
    assert cursor.statusmessage is None
    assert cursor.description is None


def test_prepared_statement(connection: psycopg.Connection) -> None:
    found = [connection.execute(POINT, [key], prepare=True).fetchone() for key in (1, 2, 3, 8, 1)]
    assert [row and row[0] for row in found] == [1, 2, 3, None, 1]
    assert found[0] == found[4]


def test_pipeline(connection: psycopg.Connection) -> None:
    with connection.pipeline():
        cursors = [connection.execute(POINT, [key]) for key in (1, 2, 3)]
        scalar = connection.execute("SELECT 42")
    assert [cursor.fetchone()[0] for cursor in cursors] == [1, 2, 3]  # type: ignore[index]
    assert scalar.fetchone() == (42,)


def test_pipeline_skips_from_an_error_to_sync(connection: psycopg.Connection) -> None:
    libpq = connection.pgconn
    libpq.enter_pipeline_mode()
    for statement in (b"SELECT 1", b"SELECT nothing FROM tpch.nation", b"SELECT 2"):
        libpq.send_query_params(statement, None)
    libpq.pipeline_sync()
    libpq.send_query_params(b"SELECT count(*) FROM tpch.nation", None)
    libpq.pipeline_sync()
    assert [next_status(libpq) for _ in range(6)] == [
        ExecStatus.TUPLES_OK,
        ExecStatus.FATAL_ERROR,
        ExecStatus.PIPELINE_ABORTED,
        ExecStatus.PIPELINE_SYNC,
        ExecStatus.TUPLES_OK,
        ExecStatus.PIPELINE_SYNC,
    ]
    libpq.exit_pipeline_mode()


def next_status(libpq: PGconn) -> int:
    """Of the next result; the None that ends each statement is read over."""
    result = libpq.get_result() or libpq.get_result()
    assert result is not None
    return result.status


@pytest.mark.parametrize("bad", BAD)
def test_errors_are_postgresql_s(bad: str, oracle: Target, gateway: Target) -> None:
    statement, sqlstate = BAD[bad]
    seen = []
    for server in (oracle, gateway):
        with server.connect() as connection, pytest.raises(psycopg.Error) as raised:
            connection.execute(statement.encode())
        diag = raised.value.diag
        seen.append((diag.sqlstate, diag.severity, diag.message_primary, diag.message_hint, diag.statement_position))
    assert seen[1] == seen[0]
    assert seen[0][0] == sqlstate


@pytest.mark.parametrize("lane", ["duckdb", "spark"])
@pytest.mark.parametrize(
    ("expression", "sqlstate"),
    [("1 / (o_shippriority)", "22012"), ("(o_orderkey + 9223372036854775000)", "22003")],
)
def test_errors_of_rows(gateway: Target, lane: str, expression: str, sqlstate: str) -> None:
    with gateway.connect() as connection:
        connection.execute(f"SET lakegate.lane = {lane}".encode())
        with pytest.raises(psycopg.Error) as raised:
            connection.execute(f"SELECT {expression} FROM tpch.orders WHERE o_orderkey > 1000".encode())
    assert raised.value.sqlstate == sqlstate


def test_failed_block(target: Target) -> None:
    with target.connect(autocommit=False) as connection:
        with pytest.raises(psycopg.errors.UndefinedTable):
            connection.execute("SELECT 1 FROM tpch.nothing")
        assert status(connection) == TransactionStatus.INERROR
        with pytest.raises(psycopg.errors.InFailedSqlTransaction):
            connection.execute("SELECT count(*) FROM tpch.nation")
        connection.rollback()
        assert connection.execute("SELECT count(*) FROM tpch.nation").fetchone() == (25,)
        assert status(connection) == TransactionStatus.INTRANS


def status(connection: psycopg.Connection) -> TransactionStatus:
    return connection.info.transaction_status


def test_stream_reads_a_large_table_in_pieces(connection: psycopg.Connection) -> None:
    query = "SELECT l_orderkey, l_linenumber FROM tpch.lineitem"
    keys = [key for key, _ in connection.cursor(binary=True).stream(query, size=1000)]
    assert len(keys) == 600_572
    assert (min(keys), max(keys)) == (1, 600_000)


@pytest.mark.parametrize("lane", ["duckdb", "spark"])
def test_cancel(gateway: Target, lane: str) -> None:
    with gateway.connect() as connection:
        connection.execute(f"SET lakegate.lane = {lane}".encode())
        cancel_ends(connection)
        assert connection.execute("SELECT count(*) FROM tpch.nation").fetchone() == (25,)


def test_cancel_on_postgresql(oracle: Target) -> None:
    with oracle.connect() as connection:
        cancel_ends(connection)
        assert connection.execute("SELECT count(*) FROM tpch.nation").fetchone() == (25,)


def cancel_ends(connection: psycopg.Connection) -> None:
    """A cancel that comes before the statement began is void, so it is sent again until the statement has ended."""
    ended = threading.Event()

    def cancel() -> None:
        while not ended.wait(0.5):
            connection.cancel_safe()

    canceller = threading.Thread(target=cancel)
    canceller.start()
    try:
        with pytest.raises(psycopg.errors.QueryCanceled):
            connection.execute(ENDLESS)
    finally:
        ended.set()
        canceller.join()


def test_lists_are_sought_in(gateway: Target, oracle: Target) -> None:
    wanted: Sequence[tuple[str, object]] = (
        ("n_nationkey = ANY(%s)", [1, 2, 3]),
        ("n_nationkey = ANY(%s)", [1, None, 3_000_000_000]),
        ("n_nationkey <> ALL(%s)", [1, 2, 3]),
        ("n_name = ANY(%s)", ["FRANCE", "GERMANY", 'q"u,o\\te']),
        ("n_name <> ALL(%s)", ["FRANCE", None]),
        ("n_name = (%s::text[])[2]", ["FRANCE", "GERMANY"]),
        ("n_nationkey = ANY(%s)", []),
    )
    with gateway.connect() as ours, oracle.connect() as theirs:
        for condition, value in wanted:
            query = f"SELECT n_name, %s::bigint[] FROM tpch.nation WHERE {condition} ORDER BY 1".encode()
            assert ours.execute(query, ([7], value)).fetchall() == theirs.execute(query, ([7], value)).fetchall()
