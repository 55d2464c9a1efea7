"""What ends a session or a statement in time: the gateway and PostgreSQL in the same words."""

import select
from collections.abc import Sequence
from typing import Any

import psycopg
import pytest
from psycopg.errors import Diagnostic

from tests.target import Target

IDLE = (
    ("SET idle_session_timeout = '200ms'",),
    ("SET idle_in_transaction_session_timeout = '200ms'", "BEGIN"),
    ("SET idle_in_transaction_session_timeout = '200ms'", "BEGIN", "SELECT 1/0"),
    ("SET transaction_timeout = '200ms'", "BEGIN"),
    ("BEGIN", "SET transaction_timeout = '200ms'"),
    ("SET idle_session_timeout = '300ms'", "SELECT pg_sleep(0.6)", "SELECT 1"),
)
RUNNING = (
    "SET transaction_timeout = '200ms'; SELECT pg_sleep(60)",
    "SET statement_timeout = '200ms'; SELECT pg_sleep(60)",
)
SETTINGS = (
    ("idle_session_timeout", "90s"),
    ("idle_session_timeout", "1500"),
    ("idle_in_transaction_session_timeout", "2h"),
    ("transaction_timeout", "0"),
    ("transaction_timeout", "-1"),
    ("idle_session_timeout", "soon"),
    ("tcp_keepalives_idle", "42"),
    ("tcp_keepalives_interval", "7"),
    ("tcp_keepalives_count", "3"),
)
CHOSEN = frozenset(
    f"{name}_timeout" for name in ("idle_in_transaction_session", "idle_session", "lock", "statement", "transaction")
)


def told(error: Diagnostic) -> tuple[str | None, ...]:
    return error.severity, error.sqlstate, error.message_primary, error.message_detail


def ending(target: Target, statements: Sequence[str]) -> tuple[Any, ...]:
    """What a client hears that says nothing after these, once the server has ended its connection."""
    heard: list[tuple[str | None, ...]] = []
    with target.connect() as connection:
        connection.add_notice_handler(lambda error: heard.append(told(error)))
        for statement in statements:
            try:
                connection.execute(statement.encode())
            except psycopg.errors.DivisionByZero as error:
                heard.append(told(error.diag))
        while not connection.closed:
            select.select([connection.fileno()], [], [])
            try:
                connection.pgconn.consume_input()
                connection.pgconn.is_busy()
            except psycopg.OperationalError:
                break
    return tuple(heard)


def failure(target: Target, statement: str) -> tuple[str | None, ...]:
    with target.connect() as connection, pytest.raises(psycopg.Error) as failed:
        connection.execute(statement.encode())
    return told(failed.value.diag)


@pytest.mark.parametrize("statements", IDLE)
def test_sessions_that_wait_too_long_end(gateway: Target, postgres: Target, statements: Sequence[str]) -> None:
    heard = ending(postgres, statements)
    assert heard[-1][0] == "FATAL"
    assert ending(gateway, statements) == heard


@pytest.mark.parametrize("statements", RUNNING)
def test_what_runs_too_long_ends(gateway: Target, postgres: Target, statements: str) -> None:
    assert failure(gateway, statements) == failure(postgres, statements)


@pytest.mark.parametrize(("name", "value"), SETTINGS)
def test_settings_are_checked_and_shown(gateway: Target, postgres: Target, name: str, value: str) -> None:
    answers = []
    for target in (gateway, postgres):
        with target.connect() as connection:
            try:
                connection.execute(f"SET {name} = '{value}'".encode())
                answers.append(connection.execute(f"SHOW {name}".encode()).fetchall())
            except psycopg.Error as error:
                answers.append([told(error.diag)])
    assert answers[0] == answers[1]


def test_a_session_that_works_is_not_idle(gateway: Target) -> None:
    """A machine's time is not idle time, nor is it a backend's that is kept for the block meanwhile."""
    with gateway.connect() as connection:
        connection.execute("CREATE TEMP TABLE kept AS SELECT 1 AS a")
        connection.execute("SET idle_session_timeout = '400ms'")
        connection.execute("SET idle_in_transaction_session_timeout = '400ms'")
        connection.execute("BEGIN")
        connection.execute("SELECT a FROM kept")
        query = (
            "SELECT count(*) FROM tpch.lineitem a, tpch.lineitem b WHERE a.l_tax + b.l_tax > 1 AND a.l_orderkey < 1500"
        )
        connection.execute(query.encode())
        assert connection.execute("SELECT a FROM kept").fetchall() == [(1,)]
        connection.execute("COMMIT")


def test_a_statement_on_a_machine_ends_in_time(gateway: Target) -> None:
    with gateway.connect() as connection:
        connection.execute("SET statement_timeout = '300ms'")
        with pytest.raises(psycopg.errors.QueryCanceled, match="canceling statement due to statement timeout"):
            connection.execute("SELECT count(*) FROM tpch.lineitem a, tpch.lineitem b WHERE a.l_comment < b.l_comment")
        connection.execute("RESET statement_timeout")
        assert connection.execute("SELECT count(*) FROM tpch.region").fetchone() == (5,)


def shown(target: Target) -> Any:
    """What SHOW ALL tells of the time-outs that a client sets, and how."""
    with target.connect() as connection:
        connection.execute("SET transaction_timeout = '2h'")
        connection.execute("SET lock_timeout = 1500")
        cursor = connection.execute("SHOW ALL")
        timeouts = [row for row in cursor.fetchall() if row[0] in CHOSEN]
        assert cursor.description is not None
        columns = [(column.name, column.type_code, column.internal_size) for column in cursor.description]
        return timeouts, cursor.statusmessage, columns


def test_all_settings_are_the_sessions(gateway: Target, oracle: Target) -> None:
    assert shown(gateway) == shown(oracle)
