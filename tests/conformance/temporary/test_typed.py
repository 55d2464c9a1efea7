"""Values, types and tags of what mixes temporary and lakehouse tables, in binary and with parameters."""

from typing import Any

import psycopg
import pytest

from tests.target import Target

MADE = (
    "CREATE TEMP TABLE kinds (b bool, i2 int2, i4 int4, i8 int8, f4 float4, f8 float8, n numeric, n2 numeric(12,4),"
    " t text, v varchar(5), y bytea, d date, ts timestamp, tz timestamptz, u uuid, nm name, o oid, li int[], jb jsonb)",
    "INSERT INTO kinds VALUES (true, 1, -2, 3, 1.5, 2.25, 12345678901234567890.123, 3.14, 'ä€', 'five5', '\\x00ff',"
    " '2020-02-29', '2020-02-29 12:34:56.789', '2020-02-29 12:34:56+02', '00000000-0000-0000-0000-00000000000a',"
    " 'named', 4000000000, '{1,NULL,3}', '{\"b\": [1, 2]}')",
    "INSERT INTO kinds (i2) VALUES (2)",
)
ASKED: tuple[tuple[str, tuple[Any, ...]], ...] = (
    ("SELECT k.*, r_name FROM kinds k, tpch.region WHERE r_regionkey = %s ORDER BY k.b", (0,)),
    ("SELECT i4 + r_regionkey AS s, n2 * 2 AS p, d + 1 AS d FROM kinds, tpch.region WHERE b AND r_name < %s", ("B",)),
    ("CREATE TEMP TABLE made AS SELECT n_name, n_nationkey FROM tpch.nation WHERE n_nationkey < %s", (3,)),
    ("INSERT INTO made SELECT %s, n_nationkey FROM tpch.nation WHERE n_name = %s RETURNING *", ("x", "PERU")),
    ("UPDATE made SET n_name = %s FROM tpch.region WHERE r_regionkey = n_nationkey RETURNING n_name", ("y",)),
    ("SELECT * FROM made ORDER BY 1, 2", ()),
)


def answers(target: Target, lane: str) -> list[tuple[Any, ...]]:
    found = []
    with target.connect(options="-c TimeZone=UTC") as connection, connection.cursor(binary=True) as cursor:
        cursor.execute(f"SET lakegate.lane = {lane}".encode())
        for statement in MADE:
            cursor.execute(statement.encode())
        for statement, values in ASKED:
            cursor.execute(statement.encode(), values)
            columns = [(c.name, c.type_code, c.precision, c.scale) for c in cursor.description or ()]
            found.append((columns, cursor.fetchall() if columns else None, cursor.statusmessage))
    return found


@pytest.mark.parametrize("lane", ["duckdb", "spark"])
def test_values_and_types(gateway: Target, ordinary: Target, lane: str) -> None:
    assert answers(gateway, lane) == answers(ordinary, lane)


def test_a_lakehouse_table_is_written_out_of_a_temporary_one(gateway: Target) -> None:
    with gateway.connect() as connection:
        connection.execute("CREATE TEMP TABLE fresh (id bigint, name text)")
        connection.execute("INSERT INTO fresh VALUES (1, 'one'), (2, 'two')")
        connection.execute("CREATE TABLE sample.out_of_temporary USING delta AS SELECT id, name FROM fresh")
        try:
            told = connection.execute(
                "INSERT INTO sample.out_of_temporary SELECT f.id + 10, n_name FROM fresh f JOIN tpch.nation"
                " ON n_nationkey = f.id"
            ).statusmessage
            assert told == "INSERT 0 2"
            connection.execute("DELETE FROM sample.out_of_temporary o USING fresh f WHERE f.id = o.id AND f.id = 2")
            rows = connection.execute("SELECT * FROM sample.out_of_temporary ORDER BY 1").fetchall()
            assert rows == [(1, "one"), (11, "ARGENTINA"), (12, "BRAZIL")]
        finally:
            connection.execute("DROP TABLE sample.out_of_temporary")


def test_a_comment_at_the_end_of_what_is_executed_hides_nothing(gateway: Target) -> None:
    with gateway.connect() as connection:
        connection.execute("PREPARE remark AS SELECT r_name FROM tpch.region -- all of it")
        connection.execute("CREATE TEMP TABLE remarked AS EXECUTE remark WITH NO DATA")
        assert connection.execute("SELECT count(*) FROM remarked").fetchone() == (0,)


def test_routes_are_told_of_mixed_reads(gateway: Target) -> None:
    with gateway.connect() as connection:
        connection.execute("CREATE TEMP TABLE few (id int)")
        told = connection.pgconn.exec_(b"EXPLAIN (ROUTE) SELECT * FROM few JOIN tpch.region ON id = r_regionkey")
        assert told.get_value(0, 1) == b"duckdb"


def test_privileges_are_of_both_sides(gateway: Target) -> None:
    with gateway.connect() as admin:
        admin.execute("CREATE ROLE visitor LOGIN PASSWORD 'a visitor''s own'")
        try:
            admin.execute("GRANT USAGE ON SCHEMA tpch TO visitor")
            admin.execute("GRANT SELECT ON tpch.region TO visitor")
            with gateway.as_user("visitor", "a visitor's own").connect() as connection:
                connection.execute("CREATE TEMP TABLE mine AS SELECT * FROM tpch.region")
                for refused in (
                    "CREATE TEMP TABLE more AS SELECT * FROM tpch.nation",
                    "INSERT INTO mine SELECT n_nationkey, n_name, n_comment FROM tpch.nation",
                    "UPDATE mine SET r_name = n_name FROM tpch.nation",
                    "SELECT count(*) FROM mine, tpch.nation",
                    "SELECT count(*) FROM pg_authid, tpch.region",
                ):
                    with pytest.raises(psycopg.errors.InsufficientPrivilege):
                        connection.execute(refused.encode())
                assert connection.execute("SELECT count(*) FROM mine").fetchone() == (5,)
        finally:
            admin.execute("REVOKE SELECT ON tpch.region FROM visitor")
            admin.execute("REVOKE USAGE ON SCHEMA tpch FROM visitor")
            admin.execute("DROP ROLE visitor")
