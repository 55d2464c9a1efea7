"""What the gateway appends to tables itself: both engines read it, PostgreSQL would have taken and refused the same."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest

from tests.blocks import require_same_refusal, table_folder, workspace_folder
from tests.target import Target

COLUMNS = (
    "n int NOT NULL, b bool, s smallint, l bigint, r real, d float8, x numeric(12,3), t text, v varchar(4), y bytea, "
    "day date, at timestamptz, local timestamp"
)
INSERTS = (
    "INSERT INTO made.types VALUES (1, true, -32768, 9223372036854775807, 1.5, 'NaN', 123456789.1235, 'grüße', "
    "'abcd  ', '\\x00ff', '0001-01-01', '2024-02-29 23:59:59.999999+02', '9999-12-31 23:59:59.999999')",
    "INSERT INTO made.types (t, n) VALUES ('', 2), (NULL, 3), ('''\\', 2147483647)",
    "INSERT INTO made.types (n, x, day) SELECT n + 10, n / 3.0, day + 1 FROM made.types WHERE n = 1",
    "INSERT INTO made.types (n, l, d) SELECT n_nationkey + 100, n_regionkey, n_nationkey / 7.0 FROM tpch.nation",
    "INSERT INTO made.types (n, at) VALUES (4, '1900-01-01 00:00:00+00'), (5, '2262-04-11 23:47:16.9+00')",
)
COPIED = b"6\tt\t1900-01-01\n7\t\\N\t\\N\n"
ROWS = "SELECT * FROM made.types ORDER BY n"
REFUSED = (
    "INSERT INTO made.types (n) VALUES (1), (NULL)",
    "INSERT INTO made.types (n, v) VALUES (1, 'abcde')",
    "INSERT INTO made.types (t) VALUES ('x')",
    "INSERT INTO made.types (n, s) VALUES (1, 32768)",
    "INSERT INTO made.types (n) SELECT 1 / 0",
    "INSERT INTO made.types (n, day) VALUES (1, '2024-02-30')",
    "INSERT INTO made.types (n, nothing) VALUES (1, 2)",
)
CALLERS, EACH = 4, 6


def fill(connection: psycopg.Connection) -> None:
    for statement in INSERTS:
        connection.execute(statement.encode())
    with connection.cursor().copy("COPY made.types (n, b, day) FROM STDIN") as copy:
        copy.write(COPIED)


@pytest.fixture(scope="module")
def both(gateway: Target, oracle: Target) -> Iterator[tuple[psycopg.Connection, psycopg.Connection]]:
    """The table with its rows, at the gateway and at PostgreSQL."""
    with gateway.connect() as ours, oracle.connect() as theirs:
        for connection, using in ((ours, " USING delta"), (theirs, "")):
            connection.execute("CREATE SCHEMA made")
            connection.execute(f"CREATE TABLE made.types ({COLUMNS}){using}".encode())
            fill(connection)
        yield ours, theirs
        for connection in (ours, theirs):
            connection.execute("DROP SCHEMA made CASCADE")


def log_of(gateway: Target, table: str) -> list[dict]:
    """The actions of its commits, in order."""
    commits = sorted((table_folder(gateway, "made", table) / "_delta_log").glob("*.json"))
    return [json.loads(line) for commit in commits for line in commit.read_text().splitlines()]


@pytest.mark.parametrize("lane", ["duckdb", "spark"])
def test_both_engines_read_what_postgresql_has(both: tuple[psycopg.Connection, psycopg.Connection], lane: str) -> None:
    ours, theirs = both
    ours.execute(f"SET lakegate.lane = {lane}".encode())
    try:
        assert repr(ours.execute(ROWS).fetchall()) == repr(theirs.execute(ROWS).fetchall())
    finally:
        ours.execute("RESET lakegate.lane")


def test_spark_had_no_part_in_it(both: tuple[psycopg.Connection, psycopg.Connection], gateway: Target) -> None:
    told = [action["commitInfo"] for action in log_of(gateway, "types") if "commitInfo" in action]
    appended = [info for info in told if info["operation"] == "WRITE"]
    assert {info["engineInfo"] for info in told} == {"Lakegate"}
    assert [info["isBlindAppend"] for info in appended].count(False) == 1, "one reads the table that it writes"


@pytest.mark.parametrize("statement", REFUSED)
def test_postgresql_refuses_the_same(both: tuple[psycopg.Connection, psycopg.Connection], statement: str) -> None:
    before = both[0].execute(ROWS).fetchall()
    require_same_refusal(both, statement)
    assert repr(both[0].execute(ROWS).fetchall()) == repr(before)


def test_statistics_rule_files_out(both: tuple[psycopg.Connection, psycopg.Connection]) -> None:
    """One file's numbers begin at 2 and end with the greatest."""
    ours, _ = both
    for condition, files in (("n > 2147483646", 1), ("n BETWEEN 100 AND 130", 2)):
        text = f"EXPLAIN (ROUTE) SELECT n FROM made.types WHERE {condition}"
        told: dict[str, str] = dict(ours.execute(text.encode()).fetchall())
        assert told["scan"].startswith(f"scan_0: {files} of "), (condition, told["scan"])


def test_spark_goes_on_with_it(both: tuple[psycopg.Connection, psycopg.Connection]) -> None:
    for connection, using in zip(both, (" USING delta", ""), strict=True):
        connection.execute(f"CREATE TABLE made.shared (n int NOT NULL, t text){using}".encode())
        connection.execute("INSERT INTO made.shared VALUES (1, 'one'), (2, 'two'), (101, NULL)")
        connection.execute("UPDATE made.shared SET t = 'changed' WHERE n = 1")
        connection.execute("DELETE FROM made.shared WHERE n > 100")
        connection.execute("INSERT INTO made.shared (n) VALUES (1000)")
    ours, theirs = (connection.execute("SELECT * FROM made.shared ORDER BY n").fetchall() for connection in both)
    assert ours == theirs


def test_many_append_at_once(gateway: Target, both: tuple[psycopg.Connection, psycopg.Connection]) -> None:
    """Every row is there once, and a checkpoint comes every tenth version."""
    ours, _ = both
    ours.execute("CREATE TABLE made.busy (n int) USING delta")

    def insert(caller: int) -> None:
        with gateway.connect() as connection:
            for number in range(EACH):
                connection.execute("INSERT INTO made.busy VALUES (%s)", [caller * EACH + number])

    with ThreadPoolExecutor(CALLERS) as callers:
        list(callers.map(insert, range(CALLERS)))
    found = ours.execute("SELECT n FROM made.busy ORDER BY n").fetchall()
    assert found == [(number,) for number in range(CALLERS * EACH)]
    (folder,) = workspace_folder(gateway).glob("made/busy-*")
    versions = [int(name.name[:20]) for name in sorted(Path(folder, "_delta_log").glob("*.json"))]
    assert versions == list(range(CALLERS * EACH + 1))
    assert {int(name.name[:20]) for name in Path(folder, "_delta_log").glob("*.checkpoint.parquet")} == {10, 20}
    assert not list(workspace_folder(gateway).glob("_blocks/*")), "what was staged is gone"


def test_tables_are_made_of_rows(gateway: Target, both: tuple[psycopg.Connection, psycopg.Connection]) -> None:
    told = []
    for connection, using in zip(both, (" USING delta", ""), strict=True):
        made = connection.execute(
            f"CREATE TABLE made.copied{using} AS SELECT r_regionkey AS k, r_name, r_regionkey * 1.5 AS half, "
            "'word' AS w, r_name = 'ASIA' AS is_asia FROM tpch.region".encode()
        )
        empty = connection.execute(
            f"CREATE TABLE made.empty{using} AS SELECT r_name FROM tpch.region WITH NO DATA".encode()
        )
        rows = connection.execute("SELECT * FROM made.copied ORDER BY k").fetchall()
        none = connection.execute("SELECT * FROM made.empty").fetchall()
        told.append((made.statusmessage, rows, none))
        assert empty.statusmessage in ("SELECT 0", "CREATE TABLE AS")
    assert told[0] == told[1]
    assert {action["commitInfo"]["engineInfo"] for action in log_of(gateway, "copied") if "commitInfo" in action} == {
        "Lakegate"
    }


def test_a_lane_can_be_forced(both: tuple[psycopg.Connection, psycopg.Connection], gateway: Target) -> None:
    ours, _ = both
    ours.execute("CREATE TABLE made.parts (n int, part text) USING delta PARTITIONED BY (part)")
    with gateway.connect() as connection:
        connection.execute("SET lakegate.lane = duckdb")
        with pytest.raises(psycopg.errors.FeatureNotSupported, match="table parts is partitioned"):
            connection.execute("INSERT INTO made.parts VALUES (1, 'a')")
    ours.execute("INSERT INTO made.parts VALUES (1, 'a')")
    assert ours.execute("SELECT * FROM made.parts").fetchall() == [(1, "a")]
