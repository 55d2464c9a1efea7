"""What the gateway changes in tables itself: rows, counts and errors are PostgreSQL's, also among writers."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake

from tests.blocks import require_same_refusal, run_block, table_folder
from tests.processes import until
from tests.target import Target

COLUMNS = (
    "n int NOT NULL, s smallint, x numeric(12,3), d float8, t text, v varchar(4), day date, at timestamptz, b bool"
)
ROWS = (
    "(1, 1, 1.5, 'NaN', 'one', 'abcd', '2024-02-29', '2024-02-29 23:59:59.999999+02', true), "
    "(2, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL), "
    "(3, -3, -0.001, 3.25, 'drei', '', '0001-01-01', '1900-01-01 00:00:00+00', false)"
)
ALL = "SELECT * FROM changed.rows ORDER BY n, t"
STATEMENTS = (
    "UPDATE changed.rows SET x = x * 2, t = t || '!' WHERE n = 1",
    "UPDATE changed.rows r SET s = NULL WHERE r.s < 0 OR r.b",
    "UPDATE changed.rows SET day = day + 1, at = at + interval '1 day', d = 1 / d WHERE d = 3.25",
    "UPDATE changed.rows SET t = n, v = 'ab    ', b = NOT b",
    "UPDATE changed.rows SET n = n + 10 WHERE t IN (SELECT n_nationkey::text FROM tpch.nation)",
    "UPDATE changed.rows SET d = (SELECT count(*) FROM changed.rows) WHERE n = (SELECT max(n) FROM changed.rows)",
    "UPDATE changed.rows SET t = 'never' WHERE n > 100",
    "UPDATE changed.rows r SET x = (SELECT 10 / (r.n - 13)), t = 'x' WHERE r.n = 11",
    "UPDATE changed.rows r SET t = (SELECT n_name FROM tpch.nation WHERE n_regionkey = r.n - 13) WHERE r.n = 11",
    "INSERT INTO changed.rows (n, t) SELECT n + 100, t FROM changed.rows",
    "UPDATE changed.rows AS r SET t = 'again' WHERE EXISTS (SELECT 1 FROM changed.rows o WHERE o.n = r.n + 100)",
    "DELETE FROM changed.rows WHERE n > 111 AND x IS NULL",
    "DELETE FROM changed.rows WHERE x IS DISTINCT FROM x",
    "DELETE FROM changed.rows r WHERE r.n NOT IN (SELECT n + 10 FROM changed.rows WHERE n < 10) AND n < 12",
    "TRUNCATE changed.rows",
    "UPDATE changed.rows SET n = 1",
    "DELETE FROM changed.rows",
    f"INSERT INTO changed.rows VALUES {ROWS}",
    "DELETE FROM changed.rows",
)
REFUSED = (
    "UPDATE changed.rows SET n = NULL WHERE n = 1",
    "UPDATE changed.rows SET v = 'abcde' WHERE n = 3",
    "UPDATE changed.rows SET x = 1 / (n - 1)",
    "UPDATE changed.rows SET s = 32768",
    "UPDATE changed.rows SET x = 1e9 WHERE n = 2",
    "DELETE FROM changed.rows WHERE 1 / (n - 3) > 0",
    "UPDATE changed.rows SET nothing = 1",
)
CALLERS, EACH = 4, 5

Both = tuple[psycopg.Connection, psycopg.Connection]


@pytest.fixture
def both(gateway: Target, oracle: Target) -> Iterator[Both]:
    """The table with its rows, at the gateway and at PostgreSQL."""
    with gateway.connect() as ours, oracle.connect() as theirs:
        for connection, using in ((ours, " USING delta"), (theirs, "")):
            connection.execute("CREATE SCHEMA changed")
            connection.execute(f"CREATE TABLE changed.rows ({COLUMNS}){using}".encode())
            connection.execute(f"INSERT INTO changed.rows VALUES {ROWS}".encode())
        yield ours, theirs
        for connection in (ours, theirs):
            connection.execute("DROP SCHEMA changed CASCADE")


def table_of(gateway: Target) -> DeltaTable:
    return DeltaTable(table_folder(gateway, "changed", "rows"))


def rows(connection: psycopg.Connection) -> str:
    return repr(connection.execute(ALL).fetchall())


def test_rows_and_counts_are_postgresqls(both: Both, gateway: Target) -> None:
    ours, theirs = both
    ours.execute("SET lakegate.lane = duckdb")
    for statement in STATEMENTS:
        told = [connection.execute(statement.encode()).statusmessage for connection in both]
        assert told[0] == told[1], statement
        assert rows(ours) == rows(theirs), statement
    assert {commit["engineInfo"] for commit in table_of(gateway).history()} == {"Lakegate"}


def test_other_engines_read_it(both: Both, gateway: Target) -> None:
    ours, theirs = both
    for connection in both:
        connection.execute("UPDATE changed.rows SET t = 'changed' WHERE n < 3")
        connection.execute("DELETE FROM changed.rows WHERE n = 3")
    ours.execute("SET lakegate.lane = spark")
    assert rows(ours) == rows(theirs)
    ours.execute("UPDATE changed.rows SET t = 'by Spark' WHERE n = 1")
    ours.execute("RESET lakegate.lane")
    theirs.execute("UPDATE changed.rows SET t = 'by Spark' WHERE n = 1")
    assert rows(ours) == rows(theirs)
    found = table_of(gateway).to_pyarrow_table().sort_by("n").select(["n", "t"]).to_pylist()
    assert found == [{"n": 1, "t": "by Spark"}, {"n": 2, "t": "changed"}]


@pytest.mark.parametrize("statement", REFUSED)
def test_postgresql_refuses_the_same(both: Both, gateway: Target, statement: str) -> None:
    before, version = rows(both[0]), table_of(gateway).version()
    require_same_refusal(both, statement)
    assert (rows(both[0]), table_of(gateway).version()) == (before, version)


def test_values_of_the_client(both: Both) -> None:
    for connection in both:
        with connection.cursor() as cursor:
            cursor.execute("UPDATE changed.rows SET x = %s, t = %s WHERE n = ANY(%s)", (2.5, "given", [1, 2]))
            assert cursor.rowcount == 2
            cursor.executemany("DELETE FROM changed.rows WHERE n = %s", [(1,), (7,)])
            assert cursor.rowcount == 1
    assert rows(both[0]) == rows(both[1])


def test_it_is_explained(both: Both) -> None:
    ours, _ = both
    for statement in ("UPDATE changed.rows SET t = 'x' WHERE n > 9", "DELETE FROM changed.rows"):
        told = "\n".join(row[0] for row in ours.execute(f"EXPLAIN {statement}".encode()).fetchall())
        assert "changed.rows" in told
    ours.execute("TRUNCATE changed.rows")
    assert ours.execute("EXPLAIN UPDATE changed.rows SET t = 'x'").fetchall()
    assert rows(ours) == "[]"


def test_who_has_waited_finds_it_done(both: Both, gateway: Target) -> None:
    statement = "ALTER TABLE changed.rows ADD COLUMN IF NOT EXISTS more text"
    with gateway.connect() as first, gateway.connect() as second:
        waiting = threading.Thread(target=second.execute, args=(statement.encode(),))
        with first.transaction():
            first.execute(statement.encode())
            waiting.start()
            until(lambda: second.info.transaction_status.name == "ACTIVE")
        waiting.join()
        assert second.info.transaction_status.name == "IDLE"
        run_block(second, statement, "UPDATE changed.rows SET more = t")
        assert second.execute("SELECT count(more) FROM changed.rows").fetchone() == (2,)


def test_behind_a_checkpoint(both: Both, gateway: Target) -> None:
    for connection in both:
        for number in range(12):
            connection.execute(f"INSERT INTO changed.rows (n) VALUES ({100 + number})".encode())
        connection.execute("ALTER TABLE changed.rows ADD COLUMN more text")
        connection.execute("UPDATE changed.rows SET more = 'x' WHERE n > 105")
        connection.execute("DELETE FROM changed.rows WHERE n BETWEEN 3 AND 102")
    assert rows(both[0]) == rows(both[1])
    assert {commit["engineInfo"] for commit in table_of(gateway).history()} == {"Lakegate"}


def test_what_changes_nothing_leaves_no_version(both: Both, gateway: Target) -> None:
    before = table_of(gateway).version()
    for statement in ("UPDATE changed.rows SET t = 'x' WHERE n > 9", "DELETE FROM changed.rows WHERE t = 'nobody'"):
        both[0].execute(statement.encode())
    assert table_of(gateway).version() == before


def test_a_writer_sees_what_others_have_written_while_it_waited(both: Both, gateway: Target) -> None:
    """No count is lost, of writers through the gateway and of one beside it."""

    def count(caller: int) -> None:
        with gateway.connect() as connection:
            for _ in range(EACH):
                connection.execute("UPDATE changed.rows SET n = n + 1")

    def append() -> None:
        for _ in range(EACH):
            write_deltalake(
                table_of(gateway), pa.table({"n": pa.array([1000], pa.int32())}), mode="append", schema_mode="merge"
            )

    with ThreadPoolExecutor(CALLERS + 1) as callers:
        beside = callers.submit(append)
        list(callers.map(count, range(CALLERS)))
        beside.result()
    found = [row[0] for row in both[0].execute("SELECT n FROM changed.rows ORDER BY n").fetchall()]
    assert found[:3] == [1 + CALLERS * EACH, 2 + CALLERS * EACH, 3 + CALLERS * EACH]
    assert len(found) == 3 + EACH


def test_a_block_changes_and_takes_back(both: Both) -> None:
    told = []
    for connection in both:
        with connection.transaction():
            connection.execute("UPDATE changed.rows SET t = 'a' WHERE n = 1")
            connection.execute("SAVEPOINT s")
            connection.execute("DELETE FROM changed.rows")
            emptied = rows(connection)
            connection.execute("ROLLBACK TO s")
            connection.execute("INSERT INTO changed.rows (n, t) SELECT n + 10, t FROM changed.rows")
            connection.execute("UPDATE changed.rows SET t = 'b' WHERE n > 10")
        told.append((emptied, rows(connection)))
    assert told[0] == told[1]
