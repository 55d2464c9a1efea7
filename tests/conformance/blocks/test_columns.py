"""Columns that a block adds, drops and renames: seen by it alone until COMMIT, part of its one Delta commit, gone with
ROLLBACK; as PostgreSQL has it."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake

from tests.blocks import run_block, things
from tests.fix_replicas import Replicas
from tests.scripts import hear
from tests.target import Target

pytestmark = [pytest.mark.spark, pytest.mark.usefixtures("table")]

TEXT = "ALTER TABLE written.things ADD COLUMN k text"
ADD = "ALTER TABLE written.things ADD COLUMN more int"
ALL = "SELECT * FROM written.things ORDER BY n"
INSERT = "INSERT INTO written.things (more, n) VALUES (40, 4)"
UPDATE = "UPDATE written.things SET more = n * 10 WHERE n < 3"
COLUMNS = (
    "SELECT table_name, column_name, data_type, character_maximum_length, ordinal_position"
    " FROM information_schema.columns WHERE table_schema = 'written' ORDER BY table_name, ordinal_position"
)
CREATE = "CREATE TABLE written.made (n int)"
MADE = "SELECT * FROM written.made ORDER BY n"
SCRIPTS: dict[str, Sequence[str]] = {
    "added": ("BEGIN", ADD, ALL, COLUMNS, INSERT, UPDATE, ALL, "COMMIT", ALL, COLUMNS, INSERT, ALL),
    "added and rolled back": ("BEGIN", ADD, INSERT, ALL, "ROLLBACK", ALL, COLUMNS, INSERT),
    "added alone": ("BEGIN", ADD, "COMMIT", ALL, "BEGIN", TEXT, "ROLLBACK", ALL),
    "what was written before": (
        "BEGIN", "DELETE FROM written.things WHERE n = 1", ADD, ALL, UPDATE, ALL, "COMMIT", ALL,
    ),
    "savepoints": (
        "BEGIN", "SAVEPOINT a", ADD, "SAVEPOINT b", INSERT, TEXT,
        "UPDATE written.things SET k = word", ALL, "ROLLBACK TO b", ALL, COLUMNS, UPDATE,
        "ALTER TABLE written.things ADD COLUMN k bigint", "UPDATE written.things SET k = 1 WHERE n = 3", "SAVEPOINT c",
        "INSERT INTO written.things (k) VALUES (2)", "ROLLBACK TO c", ALL, COLUMNS, "COMMIT", ALL, COLUMNS,
    ),
    "a savepoint before all": (
        "BEGIN", "SAVEPOINT a", ADD, INSERT, "ROLLBACK TO a", ALL, COLUMNS, INSERT, "ROLLBACK TO a", ADD, "COMMIT", ALL,
    ),
    "a statement fails": ("BEGIN", ADD, "SELECT 1 / 0", ALL, "COMMIT", ALL, "BEGIN", ADD, ADD, "COMMIT", ALL),
    "many at once": (
        "BEGIN", "ALTER TABLE written.things ADD COLUMN a int, ADD b varchar(10), ADD COLUMN c numeric(10, 2)",
        "UPDATE written.things SET a = n, b = word, c = n / 4.0", ALL, COLUMNS, "COMMIT", ALL, COLUMNS,
    ),
    "local timestamps": (
        "BEGIN", "ALTER TABLE written.things ADD COLUMN at timestamp, ADD COLUMN zoned timestamptz",
        "UPDATE written.things SET at = '2020-01-02 03:04:05', zoned = at WHERE n = 1", ALL, "ROLLBACK", ALL, COLUMNS,
        "BEGIN", "ALTER TABLE written.things ADD COLUMN at timestamp", "SAVEPOINT a",
        "ALTER TABLE written.things ADD COLUMN before timestamp[]", "ROLLBACK TO a",
        "UPDATE written.things SET at = '2020-01-02 03:04:05' WHERE n = 1", "COMMIT", ALL, COLUMNS,
        "ALTER TABLE written.things ADD COLUMN before timestamp", ALL,
    ),
    "what is there": (
        "SET client_min_messages = warning", ADD, ADD, "ALTER TABLE written.things ADD COLUMN IF NOT EXISTS more text",
        "ALTER TABLE written.things ADD COLUMN IF NOT EXISTS more text, ADD COLUMN IF NOT EXISTS k text",
        "ALTER TABLE written.things ADD COLUMN a int, ADD COLUMN a text",
        "ALTER TABLE written.things ADD COLUMN ctid int",
        "ALTER TABLE IF EXISTS written.nothing ADD COLUMN a int", "ALTER TABLE written.nothing ADD COLUMN a int",
        COLUMNS,
        "ALTER TABLE written.things DROP COLUMN a", "ALTER TABLE written.things DROP COLUMN IF EXISTS a",
        "ALTER TABLE written.things RENAME COLUMN a TO b", "ALTER TABLE written.things RENAME COLUMN n TO more",
    ),
    "of a table that the block makes": (
        "BEGIN", CREATE, "ALTER TABLE written.made ADD COLUMN more text", "INSERT INTO written.made VALUES (1, 'a')",
        MADE, "SAVEPOINT a", "ALTER TABLE written.made ADD COLUMN most text", MADE, "ROLLBACK TO a", MADE, "COMMIT",
        MADE, COLUMNS, "DROP TABLE written.made",
    ),
    "beside what the block makes": (
        "BEGIN", CREATE, ADD, "INSERT INTO written.made SELECT n FROM written.things", UPDATE,
        "COMMENT ON COLUMN written.things.more IS 'of it'",
        "SELECT col_description('written.things'::regclass, 3)", "COMMIT", MADE, ALL,
        "SELECT col_description('written.things'::regclass, 3)", "DROP TABLE written.made",
    ),
    "of a table with another name": (
        "BEGIN", "ALTER TABLE written.things RENAME TO other", "ALTER TABLE written.other ADD COLUMN more int",
        "UPDATE written.other SET more = 1", "ALTER TABLE written.other RENAME TO things", ALL, "COMMIT", ALL,
    ),
    "dropped after all": (
        "BEGIN", ADD, INSERT, "DROP TABLE written.things", "COMMIT", COLUMNS,
        "CREATE TABLE written.things (n int, word text)",
    ),
    "behind views": (
        "CREATE VIEW written.seen AS SELECT * FROM written.things", "BEGIN", ADD, INSERT,
        "SELECT * FROM written.seen ORDER BY n", "CREATE OR REPLACE VIEW written.seen AS SELECT * FROM written.things",
        "SELECT * FROM written.seen ORDER BY n", "ROLLBACK", "SELECT * FROM written.seen ORDER BY n",
        "DROP VIEW written.seen",
    ),
    "one query": (f"{ADD}; {INSERT}; {UPDATE}; {ALL}", ALL, COLUMNS),
    "one query that fails": (f"{ADD}; {INSERT}; SELECT 1 / 0", ALL, COLUMNS),
    "one query with ends": (f"{ADD}; ROLLBACK; {ADD}; COMMIT; {INSERT}; SELECT 1 / 0", ALL),
    "a block out of an implicit one": (f"{ADD}; BEGIN; {INSERT}", ALL, "ROLLBACK", ALL),
    "read only": ("BEGIN READ ONLY", ADD, "ROLLBACK", COLUMNS),
    "repeatable read": ("BEGIN ISOLATION LEVEL REPEATABLE READ", ALL, ADD, UPDATE, ALL, "COMMIT", ALL),
    "a cursor": (
        "BEGIN", ADD, f"DECLARE c CURSOR WITH HOLD FOR {ALL}", UPDATE, "COMMIT", "FETCH ALL FROM c", "CLOSE c",
    ),
    "a temporary table": (
        "BEGIN", "CREATE TEMP TABLE own AS SELECT n, n AS more FROM written.things", ADD,
        "UPDATE written.things SET more = own.more FROM own WHERE own.n = things.n", ALL, "COMMIT", ALL,
        "DROP TABLE own",
    ),
}  # fmt: skip
MAPPED = "SELECT * FROM written.mapped ORDER BY 1"
MAPPED_SCRIPTS: dict[str, Sequence[str]] = {
    "dropped": (
        "BEGIN", "ALTER TABLE written.mapped DROP COLUMN b", MAPPED, "INSERT INTO written.mapped VALUES (3, 'three')",
        COLUMNS, "COMMIT", MAPPED, COLUMNS,
    ),
    "dropped and rolled back": (
        "BEGIN", "ALTER TABLE written.mapped DROP COLUMN a, DROP COLUMN IF EXISTS b", MAPPED, "ROLLBACK", MAPPED,
    ),
    "dropped and added": (
        "BEGIN", "ALTER TABLE written.mapped DROP COLUMN b", "SAVEPOINT a",
        "ALTER TABLE written.mapped ADD COLUMN b text",
        "UPDATE written.mapped SET b = c WHERE a = 1", MAPPED, "ROLLBACK TO a", MAPPED,
        "ALTER TABLE written.mapped ADD COLUMN d bigint", "UPDATE written.mapped SET d = a", "COMMIT", MAPPED, COLUMNS,
    ),
    "renamed": (
        "BEGIN", "ALTER TABLE written.mapped RENAME COLUMN b TO bb", MAPPED, "UPDATE written.mapped SET bb = bb + 1",
        "SAVEPOINT a", "ALTER TABLE written.mapped RENAME COLUMN bb TO b", MAPPED, "ROLLBACK TO a",
        "ALTER TABLE written.mapped RENAME a TO aa", MAPPED, "COMMIT", MAPPED, COLUMNS,
    ),
}  # fmt: skip


@contextmanager
def mapped(target: Target) -> Iterator[None]:
    """`written.mapped`, whose columns can be dropped and renamed."""
    properties = " USING delta TBLPROPERTIES ('delta.columnMapping.mode' = 'name')" if target.is_gateway else ""
    with target.connect() as connection:
        connection.execute(f"CREATE TABLE written.mapped (a int, b int, c text){properties}".encode())
        connection.execute("INSERT INTO written.mapped VALUES (1, 10, 'one'), (2, 20, 'two')")
        yield
        connection.execute("DROP TABLE written.mapped")


@pytest.mark.parametrize("script", SCRIPTS)
def test_answers_are_postgresqls(gateway: Target, oracle: Target, script: str) -> None:
    with things(oracle):
        heard = [hear(target, list(SCRIPTS[script])) for target in (gateway, oracle)]
    assert heard[0] == heard[1]


@pytest.mark.parametrize("script", MAPPED_SCRIPTS)
def test_answers_of_mapped_columns_are_too(gateway: Target, oracle: Target, script: str) -> None:
    with things(oracle), mapped(oracle), mapped(gateway):
        heard = [hear(target, list(MAPPED_SCRIPTS[script])) for target in (gateway, oracle)]
    assert heard[0] == heard[1]


@pytest.mark.parametrize("script", ["added", "savepoints", "many at once"])
def test_statements_of_the_extended_protocol_too(gateway: Target, oracle: Target, script: str) -> None:
    with things(oracle):
        heard = [hear(target, list(SCRIPTS[script]), extended=True) for target in (gateway, oracle)]
    assert heard[0] == heard[1]


def names(connection: psycopg.Connection) -> list[str]:
    """The columns that the metastore shows."""
    return [row[1] for row in connection.execute(COLUMNS.encode()).fetchall()]


def logged(table: Path) -> list[str]:
    """The columns in the table's own log."""
    return [field.name for field in DeltaTable(table).schema().fields]


def test_columns_and_rows_are_one_commit(gateway: Target, table: Path) -> None:
    with gateway.connect() as connection:
        before = DeltaTable(table).version()
        run_block(connection, ADD)
        run_block(connection, TEXT, INSERT, UPDATE)
        assert DeltaTable(table).version() == before + 2
        assert [commit["operation"] for commit in DeltaTable(table).history(2)] == ["TRANSACTION", "ADD COLUMNS"]
        run_block(connection, "SAVEPOINT a", "ALTER TABLE written.things ADD COLUMN x text", "ROLLBACK TO a")
        assert DeltaTable(table).version() == before + 2
        assert logged(table) == names(connection) == ["n", "word", "more", "k"]
        # The table goes on as any other, whoever writes it.
        write_deltalake(table, pa.table({"n": pa.array([9], pa.int32())}), mode="append", schema_mode="merge")
        connection.execute("UPDATE written.things SET k = 'nine' WHERE n = 9")
        for lane in ("duckdb", "spark"):
            connection.execute(f"SET lakegate.lane = {lane}".encode())
            assert connection.execute(ALL.encode()).fetchall()[-2:] == [(4, None, 40, None), (9, None, None, "nine")]


def test_nobody_else_sees_them_before_commit(gateway: Target, table: Path) -> None:
    """What is described anew waits for the block, as in PostgreSQL."""
    with gateway.connect() as writer, gateway.connect() as reader:
        old = reader.execute(ALL.encode()).fetchall()
        reader.execute("SET lock_timeout = '200ms'")
        with writer.transaction():
            writer.execute(ADD.encode())
            writer.execute(UPDATE.encode())
            assert reader.execute(ALL.encode()).fetchall() == old
            assert names(reader) == logged(table) == ["n", "word"]
            for waiting in ("SELECT word, n FROM written.things", "INSERT INTO written.things VALUES (7, 'seven')"):
                with pytest.raises(psycopg.errors.LockNotAvailable):
                    reader.execute(waiting.encode())
        assert reader.execute(ALL.encode()).fetchall() == [(1, "one", 10), (2, "two", 20), (3, "three", None)]


def test_another_gateway_sees_them_with_commit(replicas: Replicas) -> None:
    with things(replicas.first), replicas.first.connect() as first, replicas.second.connect() as second:
        shadow = "SELECT 'written.things'::regclass::oid"
        before = second.execute(shadow).fetchone()
        for number in range(2):
            run_block(first, f"ALTER TABLE written.things ADD COLUMN more{number} int")
            (row,) = second.execute(b"SELECT * FROM written.things WHERE n = 1").fetchall()
            assert row == (1, "one", *[None] * (number + 1))
        assert second.execute(shadow).fetchone() == before


def append_after(connection: psycopg.Connection, *statements: str, outside: Path, other: bool = False) -> None:
    """A block with a commit of somebody else's before its own, which may bring a column."""
    with connection.transaction():
        for statement in statements:
            connection.execute(statement.encode())
        rows = {"n": pa.array([9], pa.int32()), "word": ["outside"]}
        more = {"other": pa.array([1.5])} if other else {}
        write_deltalake(outside, pa.table(rows | more), mode="append", schema_mode="merge")


def test_columns_go_behind_rows_of_others(gateway: Target, table: Path) -> None:
    with gateway.connect() as connection:
        append_after(connection, ADD, INSERT, outside=table)
        assert connection.execute(ALL.encode()).fetchall()[-2:] == [(4, None, 40), (9, "outside", None)]


def test_they_fail_with_changes_of_rows(gateway: Target, table: Path) -> None:
    with gateway.connect() as connection:
        with pytest.raises(psycopg.errors.SerializationFailure):
            append_after(connection, ADD, UPDATE, outside=table)
        assert logged(table) == names(connection) == ["n", "word"]
        assert connection.execute("SELECT * FROM written.things WHERE n = 9").fetchall() == [(9, "outside")]
        run_block(connection, ADD, UPDATE)


@pytest.mark.parametrize("statements", [(ADD,), (ADD, INSERT), ("INSERT INTO written.things (n) VALUES (4)",)])
def test_they_go_behind_no_columns_of_others(gateway: Target, table: Path, statements: Sequence[str]) -> None:
    with gateway.connect() as connection, gateway.connect() as other:
        with pytest.raises(psycopg.errors.SerializationFailure):
            append_after(connection, *statements, outside=table, other=True)
        for each in (connection, other):
            assert each.execute("SELECT * FROM written.things WHERE n = 9").fetchall() == [(9, "outside", 1.5)]
        assert logged(table) == names(connection) == ["n", "word", "other"]
        run_block(connection, ADD, INSERT)


def test_statistics_are_the_tables_own(gateway: Target) -> None:
    estimate = "SELECT reltuples FROM pg_class WHERE oid = 'written.things'::regclass"
    with gateway.connect() as connection:
        writes = [f"INSERT INTO written.things (n) VALUES ({number})" for number in range(10, 15)]
        run_block(connection, *writes, ADD, "DELETE FROM written.things WHERE n > 11")
        assert connection.execute(estimate.encode()).fetchone() == (5,)
        connection.execute(INSERT.encode())
        assert connection.execute(estimate.encode()).fetchone() == (6,)


def test_the_spark_dialects_too(gateway: Target, table: Path) -> None:
    with gateway.connect() as connection:
        connection.execute("SET lakegate.dialect = spark")
        with connection.transaction(force_rollback=True):
            connection.execute("ALTER TABLE written.things ADD COLUMNS (a INT COMMENT 'it', b STRING)")
            assert connection.execute("SELECT * FROM written.things WHERE n = 1").fetchall() == [(1, "one", None, None)]
        assert connection.execute("SELECT * FROM written.things WHERE n = 1").fetchall() == [(1, "one")]
