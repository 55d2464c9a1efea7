"""DuckDB's own client of PostgreSQL, its postgres_scanner extension out of a wheel, attached to the gateway."""

from collections.abc import Callable
from importlib.resources import files
from typing import Any

import duckdb
import pytest
from psycopg.conninfo import make_conninfo

from tests.alike import asked_of_both
from tests.target import Target

pytestmark = pytest.mark.driver

EXTENSION = (
    files("duckdb_extension_postgres_scanner") / f"extensions/v{duckdb.__version__}/postgres_scanner.duckdb_extension"
)


def attached(query: str, *settings: str) -> Callable[[Target], Any]:
    """The question, asked of a DuckDB that has the server attached as ``far``."""

    def ask(target: Target) -> Any:
        with duckdb.connect() as connection:
            connection.load_extension(str(EXTENSION))
            for setting in settings:
                connection.execute(f"SET {setting}")
            where = make_conninfo(**target.keywords, sslmode=target.sslmode)
            connection.execute(f"ATTACH {quoted(where)} AS far (TYPE postgres, READ_ONLY)")
            return connection.execute(query).fetchall()

    return ask


def quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def test_lists_columns(bare_oracle: Target, gateway: Target) -> None:
    query = """
    SELECT schema_name, table_name, column_name, data_type, is_nullable FROM duckdb_columns()
    WHERE database_name = 'far' AND schema_name IN ('tpch', 'sample') ORDER BY 1, 2, column_index
    """
    assert len(asked_of_both(bare_oracle, gateway, attached(query))) > 60


def test_reads_rows(oracle: Target, gateway: Target) -> None:
    query = "SELECT * FROM far.tpch.nation WHERE n_regionkey = 3 ORDER BY 1"
    assert len(asked_of_both(oracle, gateway, attached(query))) == 5


def test_reads_each_row_once_over_several_connections(oracle: Target, gateway: Target) -> None:
    """It splits a table by the pages that pg_class tells, a thousand to a connection."""
    query = "SELECT count(*), sum(l_orderkey), sum(l_linenumber) FROM far.tpch.lineitem"
    asked_of_both(oracle, gateway, attached(query))
    with gateway.connect() as connection:
        large = "SELECT relpages > 2000 FROM pg_class WHERE oid = 'tpch.lineitem'::regclass"
        assert connection.execute(large).fetchone() == (True,)
