"""A warehouse file's word is kept by a running gateway: sizes, budgets, and the reserve of the tables' volume."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import psycopg
import pytest

from catalog.names import TableName
from tests.fix_gateway import running_lake
from tests.processes import machines
from tests.target import Target

QUERY = "SELECT count(*) FROM tpch.region"
WAREHOUSE = """
[engines.duckdb]
warm = 0
memory = 512

[engines.duckdb.sizes.large]
warm = 1
memory = 1024

[principals.admin]
size = "large"

[tables]
reserve = 1099511627776

[workspaces.demo]
budget = 0.001
budget_window = 86400
"""


@pytest.fixture(scope="module")
def declared(lake: Mapping[TableName, Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    file = tmp_path_factory.mktemp("declared") / "warehouse.toml"
    file.write_text(WAREHOUSE)
    region = TableName("tpch", "region")
    with running_lake({region: lake[region]}, ["--min-machines", "0", "--warehouse", str(file)]) as target:
        yield target


def test_the_principals_size_is_lent_and_the_workspaces_budget_is_kept(declared: Target) -> None:
    """The only warm machine is a large one: had a usual one been asked for, compute would have been asleep."""
    with declared.connect() as connection:
        notices: list[str] = []
        connection.add_notice_handler(lambda diagnostic: notices.append(str(diagnostic.message_primary)))
        assert connection.execute(QUERY.encode()).fetchone() == (5,)
        assert not [notice for notice in notices if "asleep" in notice]
        assert len(machines(declared.pid)) <= 2
    with declared.connect() as connection, pytest.raises(psycopg.OperationalError, match="budget of workspace demo"):
        connection.execute(QUERY.encode())


def test_no_write_takes_of_the_volumes_reserve(declared: Target) -> None:
    """Nor does it wake a machine; what only PostgreSQL writes goes on."""
    with declared.connect() as connection:
        with pytest.raises(psycopg.errors.DiskFull, match="the volume of the tables is full") as failure:
            connection.execute(b"INSERT INTO tpch.region VALUES (5, 'ATLANTIS', 'none')")
        assert "larger volume" in str(failure.value.diag.message_hint)
        connection.rollback()
        connection.execute(b"CREATE TEMP TABLE mine AS SELECT 1 AS n")
        assert connection.execute(b"SELECT n FROM mine").fetchone() == (1,)
