"""EXPLAIN over lakehouse tables: both lanes' plans, numbers that are the statement's own, and no path of a file."""

import json
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from psycopg.rows import scalar_row

from tests.target import Target

QUERY = "SELECT n_regionkey, count(*) FROM tpch.nation WHERE n_nationkey < 20 GROUP BY 1 ORDER BY 1"


@pytest.fixture
def connection(gateway: Target) -> Iterator[psycopg.Connection[Any]]:
    with gateway.connect(row_factory=scalar_row) as connection:
        yield connection


def lines(connection: psycopg.Connection[Any], text: str, *values: object) -> list[str]:
    return connection.execute(text.encode(), values or None).fetchall()


def plan(connection: psycopg.Connection[Any], text: str, *values: object) -> dict[str, Any]:
    ((told,),) = connection.execute(text.encode(), values or None).fetchall()
    assert isinstance(told, dict)
    return told


@pytest.mark.parametrize("lane", ["duckdb", "spark"])
def test_both_plans_are_told(connection: psycopg.Connection[Any], lane: str) -> None:
    connection.execute(f"SET lakegate.lane = {lane}".encode())
    told = plan(connection, f"EXPLAIN (FORMAT json, SETTINGS, VERBOSE) {QUERY}")
    node = told["Plan"]
    assert (node["Lane"], node["Reason"]) == (lane, "forced by lakegate.lane")
    assert node["Tables"][0]["Relation Name"] == "tpch.nation"
    assert (node["Tables"][0]["Files"], node["Output"]) == (1, ["n_regionkey", "count"])
    assert told["Settings"]["lakegate.lane"] == lane
    assert node["Engine Plan"]
    assert "Planning Time" not in told
    assert "/warehouse/" not in json.dumps(told)
    text = lines(connection, f"EXPLAIN {QUERY}")
    assert text[0] == f"Lakehouse Query on {lane}"
    assert "/warehouse/" not in "".join(text)


def test_analyze_runs_the_statement(connection: psycopg.Connection[Any]) -> None:
    told = plan(connection, f"EXPLAIN (ANALYZE, SERIALIZE binary, FORMAT json) {QUERY}")
    assert told["Plan"]["Actual Rows"] == 5
    assert told["Serialization"]["Output Volume"] == 1
    assert 0 < told["Engine Time"] <= told["Execution Time"]
    assert {"Planning Time", "Machine Wait Time"} <= told.keys()
    quiet = lines(connection, f"EXPLAIN (ANALYZE, TIMING off, SUMMARY off) {QUERY}")
    assert quiet[0] == "Lakehouse Query on duckdb  (actual rows=5)"
    assert not [line for line in quiet if " Time: " in line]
    with pytest.raises(psycopg.errors.DivisionByZero):
        connection.execute("EXPLAIN ANALYZE SELECT 1 / (n_nationkey - 1) FROM tpch.nation")


def test_values_prune_files(connection: psycopg.Connection[Any]) -> None:
    told = plan(connection, "EXPLAIN (FORMAT json) SELECT * FROM tpch.orders WHERE o_orderkey = %s", -1)
    (table,) = told["Plan"]["Tables"]
    assert (table["Files"], table["Bytes"]) == (0, 0)
    assert table["Files Skipped"] > 0


def test_what_execute_stands_for(connection: psycopg.Connection[Any]) -> None:
    connection.execute("PREPARE few (int) AS SELECT n_name FROM tpch.nation WHERE n_nationkey < $1")
    told = plan(connection, "EXPLAIN (ANALYZE, FORMAT json) EXECUTE few (3)")
    assert told["Plan"]["Actual Rows"] == 3
    with pytest.raises(psycopg.errors.FeatureNotSupported, match="xml"):
        connection.execute("EXPLAIN (FORMAT xml) EXECUTE few (3)")
    connection.execute("CREATE TEMP TABLE mine AS SELECT generate_series(1, 4) AS n")
    connection.execute("PREPARE own (int) AS SELECT n FROM mine WHERE n > $1")
    assert connection.execute("CREATE TEMP TABLE less AS EXECUTE own (2)").rowcount == 2
    assert connection.execute("SELECT n FROM less ORDER BY n").fetchall() == [3, 4]


def test_analyze_of_a_write_writes(connection: psycopg.Connection[Any]) -> None:
    connection.execute("PREPARE few (int) AS SELECT n_name FROM tpch.nation WHERE n_nationkey < $1")
    connection.execute("CREATE TABLE tpch.explained USING delta AS EXECUTE few (4)")
    try:
        told = plan(connection, "EXPLAIN (FORMAT json) DELETE FROM tpch.explained WHERE n_name < 'B'")
        assert (told["Plan"]["Node Type"], told["Plan"]["Writes"]) == ("Lakehouse Write", "tpch.explained")
        assert connection.execute("SELECT count(*) FROM tpch.explained").fetchone() == 4
        text = lines(connection, "EXPLAIN ANALYZE DELETE FROM tpch.explained WHERE n_name < 'B'")
        assert text[0].endswith("rows=2)")
        assert connection.execute("SELECT count(*) FROM tpch.explained").fetchone() == 2
        assert "/warehouse/" not in "".join(text)
    finally:
        connection.execute("DROP TABLE tpch.explained")


@pytest.mark.parametrize("lane", ["duckdb", pytest.param("spark", marks=pytest.mark.spark)])
def test_relations_of_postgresql_beside_lakehouse_tables(connection: psycopg.Connection[Any], lane: str) -> None:
    connection.execute(f"SET lakegate.lane = {lane}".encode())
    connection.execute("CREATE TEMP TABLE few AS SELECT generate_series(1, 4) AS k")
    mix = "SELECT n_name, typname FROM few JOIN tpch.nation ON n_nationkey = k, pg_type WHERE typname = 'int4'"
    told = plan(connection, f"EXPLAIN (FORMAT json) {mix}")
    node = told["Plan"]
    few, types = ({t["Relation Name"]: t for t in node["Tables"]}[name] for name in ("few", "pg_type"))
    assert few["Copied Rows"] == 4
    assert types["Copied Rows"] > 300
    assert node["Lane"] == lane
    assert "Actual Rows" not in node
    assert ".lakegate" not in json.dumps(told)
    told = plan(connection, f"EXPLAIN (ANALYZE, FORMAT json) {mix}")
    assert told["Plan"]["Actual Rows"] == 4
    assert "Table: few copied from PostgreSQL  (rows=4" in "".join(lines(connection, f"EXPLAIN {mix}"))
    assert "/warehouse/" not in "".join(lines(connection, f"EXPLAIN (VERBOSE) {mix}"))


def test_what_writes_a_temporary_table(connection: psycopg.Connection[Any]) -> None:
    connection.execute("CREATE TEMP TABLE few (k int)")
    write = "INSERT INTO few SELECT n_nationkey FROM tpch.nation WHERE n_nationkey < %s"
    node = plan(connection, f"EXPLAIN (FORMAT json) {write}", 7)["Plan"]
    assert (node["Node Type"], node["Plans"][0]["Tables"][0]["Relation Name"]) == ("Temporary Write", "tpch.nation")
    assert connection.execute("SELECT count(*) FROM few").fetchone() == 0
    told = plan(connection, f"EXPLAIN (ANALYZE, FORMAT json) {write}", 7)
    assert told["Plan"]["Actual Rows"] == 7
    assert connection.execute("SELECT count(*) FROM few").fetchone() == 7
    text = lines(connection, "EXPLAIN ANALYZE UPDATE few SET k = r_regionkey FROM tpch.region WHERE k = r_regionkey")
    assert text[0].startswith("Temporary Write on PostgreSQL  (actual time=")
    assert text[1] == "  ->  Lakehouse Query on duckdb"
    assert connection.execute("EXPLAIN ANALYZE CREATE TEMP TABLE made AS TABLE tpch.region").fetchall()
    assert connection.execute("SELECT count(*) FROM made").fetchone() == 5
