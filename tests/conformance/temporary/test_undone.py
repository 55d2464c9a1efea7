"""Of a statement that mixes temporary and lakehouse tables and fails outside a block, nothing has happened."""

import psycopg
import pytest

from tests.scripts import hear
from tests.target import Target

READ = "INSERT INTO few SELECT f.k + a.r_regionkey FROM few f, tpch.region a, tpch.region b"
LEFT = "SELECT count(*) FROM pg_class WHERE relnamespace = pg_my_temp_schema() AND relname LIKE 'lakegate%'"


@pytest.mark.parametrize(
    ("returning", "error", "setting"),
    [
        ("repeat('x', 1 << 22)", psycopg.errors.ProgramLimitExceeded, "0"),
        ("pg_sleep(600)", psycopg.errors.QueryCanceled, "500ms"),
    ],
)
def test_what_fails_after_rows_were_poured(
    gateway: Target, returning: str, error: type[psycopg.Error], setting: str
) -> None:
    with gateway.connect() as connection:
        connection.execute("CREATE TEMP TABLE few AS SELECT 1 AS k FROM tpch.region LIMIT 1")
        connection.execute(f"SET statement_timeout = '{setting}'".encode())
        with pytest.raises(error):
            connection.execute(f"{READ} RETURNING {returning}".encode())
        connection.execute("RESET statement_timeout")
        assert connection.execute("SELECT * FROM few").fetchall() == [(1,)]
        assert connection.execute(LEFT.encode()).fetchone() == (0,)
        assert connection.execute(READ.encode()).statusmessage == "INSERT 0 25"


FILL = "INSERT INTO few SELECT r_regionkey FROM tpch.region"
QUERIES = (
    "CREATE TEMP TABLE few (k int)",
    f"{FILL}; {FILL}; SELECT 1 / 0",
    "SELECT count(*) FROM few",
    f"{FILL}; {FILL}",
    "SELECT count(*) FROM few",
    f"{FILL}; ROLLBACK; {FILL}",
    "SELECT count(*) FROM few",
)


def test_several_in_one_query_are_one_block(gateway: Target, ordinary: Target) -> None:
    ours, theirs = (hear(target, list(QUERIES)) for target in (gateway, ordinary))
    assert ours == theirs
