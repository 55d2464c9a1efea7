"""psycopg2: simple queries with parameters that the client writes into them, as Superset and older programs use it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg2
import pytest
from psycopg2.extras import execute_values

from tests import samples
from tests.alike import asked_of_both
from tests.target import Target

pytestmark = pytest.mark.driver


@contextmanager
def connected(target: Target, *, autocommit: bool = True) -> Iterator[Any]:
    connection = psycopg2.connect(**target.keywords, sslmode=target.sslmode, options="-c timezone=UTC")
    connection.autocommit = autocommit
    try:
        yield connection
    finally:
        connection.close()


def statement(query: str, *arguments: Any) -> Callable[[Target], Any]:
    """What it answers: columns as the cursor describes them, and rows."""

    def ask(target: Target) -> Any:
        with connected(target) as connection, connection.cursor() as cursor:
            cursor.execute(query, arguments or None)
            rows = [tuple(bytes(cell) if isinstance(cell, memoryview) else cell for cell in row) for row in cursor]
            return [tuple(column) for column in cursor.description], rows, cursor.rowcount, cursor.statusmessage

    return ask


def test_speaks_tls(gateway: Target) -> None:
    with connected(gateway) as connection:
        assert connection.info.ssl_in_use


def test_results_of_every_type(oracle: Target, gateway: Target) -> None:
    described, rows, *_ = asked_of_both(
        oracle, gateway, statement("SELECT * FROM sample.every_type WHERE id < 4 ORDER BY id")
    )
    assert [column[0] for column in described] == ["id", *samples.COLUMNS]
    assert [dict(zip(samples.SCHEMA.names, row, strict=True)) for row in rows] == list(samples.ROWS[:3])


@pytest.mark.parametrize("column", [column for column in samples.COLUMNS if not column.endswith("_array")])
def test_parameters_of_every_type(oracle: Target, gateway: Target, column: str) -> None:
    query = f'SELECT id, "{column}" FROM sample.every_type WHERE "{column}" = %s ORDER BY id'
    _, rows, *_ = asked_of_both(oracle, gateway, statement(query, samples.ORDINARY[column]))
    assert rows[0][0] == 1


def test_values_lists(oracle: Target, gateway: Target) -> None:
    """`execute_values` writes many rows into one statement."""

    def ask(target: Target) -> Any:
        query = "SELECT n_name, v.word FROM tpch.nation JOIN (VALUES %s) v(key, word) ON n_nationkey = v.key ORDER BY 1"
        with connected(target) as connection, connection.cursor() as cursor:
            return execute_values(cursor, query, [(7, "seven"), (17, None), (99, "none")], fetch=True)

    assert asked_of_both(oracle, gateway, ask) == [("GERMANY", "seven"), ("PERU", None)]


def test_block_that_failed_is_rolled_back(oracle: Target, gateway: Target) -> None:
    def ask(target: Target) -> list[str | None]:
        codes = []
        with connected(target, autocommit=False) as connection, connection.cursor() as cursor:
            for query in ("SELECT nothing FROM tpch.nation", "SELECT 1"):
                with pytest.raises(psycopg2.Error) as raised:
                    cursor.execute(query)
                codes.append(raised.value.pgcode)
            connection.rollback()
            cursor.execute("SELECT count(*) FROM tpch.nation")
            assert cursor.fetchone() == (25,)
        return codes

    assert asked_of_both(oracle, gateway, ask) == ["42703", "25P02"]
