"""What an operator says that sessions may take of the metastore's PostgreSQL, kept by a running gateway."""

from collections.abc import Iterator
from contextlib import ExitStack

import psycopg
import pytest

from tests.fix_gateway import running_lake
from tests.target import Target

WAREHOUSE = """
[metastore]
backends_per_role = 4
backends_reserved = 2
wait_seconds = 0.2
statement_seconds = 2

[engines.duckdb]
warm = 0

[engines.spark]
warm = 0
"""
METADATA = b"SELECT count(*) FROM pg_am"
BOUND = "An operator bounds them by metastore.backends_per_role in the warehouse file."


@pytest.fixture(scope="module")
def bounded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    file = tmp_path_factory.mktemp("bounded") / "warehouse.toml"
    file.write_text(WAREHOUSE)
    with running_lake({}, ["--warehouse", str(file)]) as target:
        yield target


@pytest.mark.parametrize(
    ("holds", "ends"),
    [
        (b"BEGIN; SELECT count(*) FROM pg_am", b"ROLLBACK"),
        (b"CREATE TEMP TABLE mine (a int)", b"DROP TABLE mine"),
        (b"LISTEN news", b"UNLISTEN news"),
    ],
)
def test_sessions_that_keep_connections_leave_some_to_others(bounded: Target, holds: bytes, ends: bytes) -> None:
    with ExitStack() as stack:
        first, second, third = (stack.enter_context(bounded.connect()) for _ in range(3))
        for holder in (first, second):
            holder.execute(holds)
        with pytest.raises(psycopg.errors.TooManyConnections) as refused:
            third.execute(holds)
        assert BOUND in (refused.value.diag.message_hint or "")
        third.rollback()
        for other in (third, stack.enter_context(bounded.connect())):
            assert other.execute(METADATA).fetchone() is not None
        first.execute(ends)
        third.execute(holds)
        for holder in (second, third):
            holder.execute(ends)


def test_a_statement_ends_by_the_gateways_bound_or_the_users(bounded: Target) -> None:
    with bounded.connect() as connection:
        with pytest.raises(psycopg.errors.QueryCanceled, match="due to the gateway's bound") as ended:
            connection.execute("SELECT pg_sleep(100)")
        assert "metastore.statement_seconds" in (ended.value.diag.message_hint or "")
        connection.execute("SET statement_timeout = '50ms'")
        with pytest.raises(psycopg.errors.QueryCanceled, match="due to statement timeout"):
            connection.execute("SELECT pg_sleep(100)")
