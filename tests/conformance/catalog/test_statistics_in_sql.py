"""Sizes and rows as psql shows them, and as they follow a write."""

import re
from collections.abc import Mapping
from pathlib import Path

import pytest

from catalog.names import TableName
from tests.drivers.test_psql import psql
from tests.target import Target

pytestmark = [pytest.mark.driver, pytest.mark.spark]


def size(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*.parquet") if "_delta_log" not in file.parts)


def test_psql_shows_sizes(gateway: Target, lake: Mapping[TableName, Path]) -> None:
    tables = {name: size(folder) for name, folder in lake.items() if name.schema == "tpch"}
    with gateway.connect() as connection:
        listed = psql(gateway, r"\dt+ tpch.*", options=("-A", "-t")).out.splitlines()
        shown = {row.split("|")[1]: row.split("|")[6] for row in listed}
        for name, bytes_ in tables.items():
            pretty = connection.execute("SELECT pg_size_pretty(%s::bigint)", (bytes_,)).fetchone()
            assert pretty == (shown[name.name],)
        workspaces = psql(gateway, r"\l+", options=("-A", "-t")).out
        total = connection.execute("SELECT pg_size_pretty(pg_database_size('demo'))").fetchone()
        assert total is not None
        assert f"|{total[0]}|" in workspaces
        assert re.fullmatch(r"\d+ (kB|MB|GB)", total[0])


def test_rows_follow_a_write(gateway: Target) -> None:
    """Also where the gateway has learned how the statement is answered."""
    rows = "SELECT reltuples, pg_table_size(oid) > 0 FROM pg_class WHERE oid = 'tpch.grows'::regclass"
    with gateway.connect() as connection:
        connection.execute("CREATE TABLE tpch.grows AS SELECT r_regionkey AS k FROM tpch.region")
        for _ in range(3):
            assert connection.execute(rows, prepare=False).fetchone() == (5, True)
        connection.execute("INSERT INTO tpch.grows VALUES (6), (7)")
        for _ in range(3):
            assert connection.execute(rows, prepare=False).fetchone() == (7, True)
        connection.execute("ALTER TABLE tpch.grows RENAME TO grown")
        assert connection.execute(rows.replace("grows", "grown")).fetchone() == (7, True)
        connection.execute("INSERT INTO tpch.grown VALUES (8)")
        assert connection.execute(rows.replace("grows", "grown")).fetchone() == (8, True)
        connection.execute("SELECT num_rows FROM lakegate.delta_tables WHERE table_name = 'grown'")
        connection.execute("DROP TABLE tpch.grown")
