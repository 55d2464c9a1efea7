"""Writes in a block: seen by it alone until COMMIT, one Delta commit then, gone with ROLLBACK; as PostgreSQL has it."""

from collections.abc import Sequence

import psycopg
import pytest
from deltalake import DeltaTable

from tests.blocks import ROWS, rows, run_block, table_folder, things
from tests.scripts import hear
from tests.target import Target

pytestmark = [pytest.mark.spark, pytest.mark.usefixtures("table")]

INSERT = "INSERT INTO written.things VALUES (4, 'four'), (5, NULL)"
UPDATE = "UPDATE written.things SET word = word || '!' WHERE n > 1"
DELETE = "DELETE FROM written.things WHERE n = 1 OR word IS NULL"
MERGE = (
    "MERGE INTO written.things USING (SELECT r_regionkey AS k, r_name AS name FROM tpch.region) r ON n = k"
    " WHEN MATCHED THEN UPDATE SET word = name WHEN NOT MATCHED THEN INSERT VALUES (k, name)"
)
SCRIPTS: dict[str, Sequence[str]] = {
    "committed": ("BEGIN", INSERT, ROWS, UPDATE, ROWS, DELETE, ROWS, "COMMIT", ROWS),
    "rolled back": ("BEGIN", INSERT, UPDATE, MERGE, ROWS, "ROLLBACK", ROWS),
    "merged": ("BEGIN", MERGE, ROWS, "DELETE FROM written.things", ROWS, INSERT, "COMMIT", ROWS),
    "failed": ("BEGIN", INSERT, "SELECT 1 / 0", INSERT, "COMMIT", ROWS),
    "savepoints": (
        "BEGIN", "SAVEPOINT a", INSERT, "SAVEPOINT b", UPDATE, ROWS, "ROLLBACK TO b", ROWS, DELETE, "SAVEPOINT c",
        "INSERT INTO written.things VALUES (1 / 0, '')", "ROLLBACK TO c", ROWS, "RELEASE b", INSERT, ROWS, "COMMIT",
        ROWS,
    ),
    "a savepoint before all": (
        "BEGIN", "SAVEPOINT a", INSERT, "ROLLBACK TO a", ROWS, UPDATE, "ROLLBACK TO a", DELETE, "COMMIT", ROWS,
    ),
    "one query": (f"{INSERT}; {UPDATE}; {DELETE}", ROWS),
    "one query that fails": (f"{INSERT}; {UPDATE}; SELECT 1 / 0", ROWS, "BEGIN", DELETE, "COMMIT", ROWS),
    "behind a view": (
        "CREATE VIEW written.seen AS SELECT n FROM written.things", "BEGIN", INSERT,
        "SELECT count(*) FROM written.seen", "ROLLBACK", "SELECT count(*) FROM written.seen", "DROP VIEW written.seen",
    ),
    "one query with ends": (f"{INSERT}; ROLLBACK; {UPDATE}; COMMIT; {DELETE}; SELECT 1 / 0", ROWS),
    "a block out of an implicit one": (f"{INSERT}; BEGIN; {UPDATE}", ROWS, "ROLLBACK", ROWS),
    "read only": ("BEGIN READ ONLY", INSERT, "ROLLBACK", ROWS),
    "truncated": ("BEGIN", "TRUNCATE written.things", ROWS, INSERT, "COMMIT", ROWS),
    "a cursor sees what there was": (
        "BEGIN", f"DECLARE c CURSOR WITH HOLD FOR {ROWS}", "FETCH 1 FROM c", INSERT, "FETCH ALL FROM c",
        f"DECLARE d CURSOR WITH HOLD FOR {ROWS}", "COMMIT", "FETCH ALL FROM d", "CLOSE d",
    ),
}  # fmt: skip


def version(gateway: Target) -> int:
    return DeltaTable(table_folder(gateway)).version()


@pytest.mark.parametrize("script", SCRIPTS)
def test_answers_are_postgresqls(gateway: Target, oracle: Target, script: str) -> None:
    with things(oracle):
        heard = [hear(target, list(SCRIPTS[script]), extended=False) for target in (gateway, oracle)]
    assert heard[0] == heard[1]


def test_a_block_is_one_commit_that_others_see_whole(gateway: Target) -> None:
    with gateway.connect() as writer, gateway.connect() as reader:
        before, rows_before = version(gateway), rows(reader)
        with writer.transaction():
            for statement in (INSERT, UPDATE, DELETE):
                writer.execute(statement.encode())
                for lane in ("duckdb", "spark"):
                    reader.execute(f"SET lakegate.lane = {lane}".encode())
                    assert rows(reader) == rows_before
            own = []
            for lane in ("duckdb", "spark"):
                writer.execute(f"SET LOCAL lakegate.lane = {lane}".encode())
                own.append(rows(writer))
            assert own[0] == own[1] != rows_before
            assert version(gateway) == before
        assert rows(reader) == own[0]
        assert version(gateway) == before + 1
        files = DeltaTable(table_folder(gateway)).file_uris()
        assert all("_blocks" not in file for file in files)
        history = DeltaTable(table_folder(gateway)).history(1)[0]
        assert (history["operation"], history["engineInfo"]) == ("TRANSACTION", "Lakegate")
        # The table goes on as any other.
        writer.execute(UPDATE.encode())
        assert version(gateway) == before + 2


def test_what_comes_to_nothing_is_no_commit(gateway: Target) -> None:
    with gateway.connect() as connection:
        before = version(gateway)
        with connection.transaction():
            connection.execute(INSERT.encode())
            connection.execute("DELETE FROM written.things WHERE n > 3")
        assert version(gateway) == before


def pipeline_that_fails(connection: psycopg.Connection, insert: str) -> None:
    with connection.pipeline():
        connection.execute(insert.encode(), (20, "lost"))
        connection.execute("SELECT 1 / %s", (0,))


def test_a_pipeline_is_one_commit(gateway: Target) -> None:
    with gateway.connect() as connection, connection.cursor() as cursor:
        before = version(gateway)
        insert = "INSERT INTO written.things VALUES (%s, %s)"
        with connection.pipeline():
            cursor.executemany(insert, [(10 + n, f"word {n}") for n in range(3)])
        assert version(gateway) == before + 1
        with pytest.raises(psycopg.errors.DivisionByZero):
            pipeline_that_fails(connection, insert)
        assert version(gateway) == before + 1
        assert [n for n, _ in rows(connection)] == [1, 2, 3, 10, 11, 12]


def test_a_load_is_part_of_its_block(gateway: Target) -> None:
    with gateway.connect() as connection, connection.cursor() as cursor:
        before = version(gateway)
        with connection.transaction():
            connection.execute(DELETE.encode())
            with cursor.copy("COPY written.things FROM STDIN") as copy:
                copy.write_row((7, "seven"))
            assert cursor.statusmessage == "COPY 1"
            assert rows(connection) == [(2, "two"), (3, "three"), (7, "seven")]
        assert version(gateway) == before + 1
        assert rows(connection) == [(2, "two"), (3, "three"), (7, "seven")]


def test_a_second_table_is_refused(gateway: Target) -> None:
    with gateway.connect() as connection:
        connection.execute("CREATE TABLE written.more (n int) USING delta")
        with pytest.raises(psycopg.errors.FeatureNotSupported) as refused:
            run_block(connection, INSERT, "INSERT INTO written.more SELECT n FROM written.things")
        assert refused.value.diag.message_hint == 'COMMIT before you write "written"."more".'
        assert len(rows(connection)) == 3
        connection.execute("DROP TABLE written.more")


PROPERTIES = {
    "delta.enableChangeDataFeed": "a change data feed",
    "delta.enableDeletionVectors": "deletion vectors",
    "delta.enableRowTracking": "the feature",
}


def test_what_is_not_understood_is_refused(gateway: Target) -> None:
    with gateway.connect() as connection:
        for number, (name, what) in enumerate(PROPERTIES.items()):
            connection.execute("SET lakegate.dialect = spark")
            table = f"written.odd{number}"
            connection.execute(f"CREATE TABLE {table} (n int) USING delta TBLPROPERTIES ('{name}' = 'true')".encode())
            connection.execute("RESET lakegate.dialect")
            with pytest.raises(psycopg.errors.FeatureNotSupported, match=what):
                run_block(connection, f"INSERT INTO {table} VALUES (1)")
            connection.execute(f"INSERT INTO {table} VALUES (1)".encode())
            connection.execute(f"DROP TABLE {table}".encode())


def test_partitions_and_mapped_columns_are_written(gateway: Target) -> None:
    """Names that paths spell in another way, and columns that files do."""
    with gateway.connect() as connection:
        connection.execute("SET lakegate.dialect = spark")
        connection.execute(
            "CREATE TABLE written.parts (n int, kind string) USING delta PARTITIONED BY (kind)"
            " TBLPROPERTIES ('delta.columnMapping.mode' = 'name')"
        )
        connection.execute("RESET lakegate.dialect")
        kinds = ["a b", "c/d:é%", "", None]
        connection.execute("INSERT INTO written.parts VALUES (1, 'a b'), (2, 'old')")
        with connection.transaction():
            for number, kind in enumerate(kinds):
                connection.execute("INSERT INTO written.parts VALUES (%s, %s)", (10 + number, kind))
            connection.execute("DELETE FROM written.parts WHERE n < 3")
            own = connection.execute("SELECT n, kind FROM written.parts ORDER BY n").fetchall()
        assert [n for n, _ in own] == [10, 11, 12, 13]
        for lane in ("duckdb", "spark"):
            connection.execute(f"SET lakegate.lane = {lane}".encode())
            assert connection.execute("SELECT n, kind FROM written.parts ORDER BY n").fetchall() == own
        connection.execute("DROP TABLE written.parts")
