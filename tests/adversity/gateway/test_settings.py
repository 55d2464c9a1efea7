"""Settings: every name of PostgreSQL's, what is not a session's to set, and what acts on results of the lakehouse."""

import psycopg
import pytest

from tests.scripts import hear
from tests.target import Target

OVERSIZED = psycopg.errors.ProgramLimitExceeded


def test_every_setting_of_postgresql_is_set_and_shown(gateway: Target, ordinary: Target) -> None:
    """Each to the value that it has: what PostgreSQL makes of it is what the gateway shows. Those of TCP do nothing to
    the metastore, which is not reached by it."""
    settings = "SELECT name, setting FROM pg_settings WHERE context = 'user' AND name NOT LIKE 'tcp%' ORDER BY name"
    with ordinary.connect() as other:
        found = other.execute(settings.encode()).fetchall()
    assert len(found) > 130
    statements = [statement for name, value in found for statement in (f"SET {name} = '{value}'", f"SHOW {name}")]
    ours, theirs = (hear(target, statements) for target in (gateway, ordinary))
    assert list(zip(statements, ours, strict=True)) == list(zip(statements, theirs, strict=True))


def test_show_all_tells_what_is_set(connection: psycopg.Connection) -> None:
    connection.execute("SET work_mem = '5MB'")
    shown = {row[0]: row[1] for row in connection.execute("SHOW ALL").fetchall()}
    assert shown["work_mem"] == "5MB"
    assert len(shown) > 300


@pytest.mark.parametrize("binary", [False, True])
def test_set_config_takes_parameters(connection: psycopg.Connection, binary: bool) -> None:
    cursor = connection.cursor(binary=binary)
    cursor.execute("SELECT set_config(%s, %s, %s)", ["TimeZone", "Asia/Tokyo", False])
    assert cursor.fetchone() == ("Asia/Tokyo",)
    assert connection.info.parameter_status("TimeZone") == "Asia/Tokyo"
    cursor.execute("SELECT set_config(%s, %s, %s)", ["TimeZone", "UTC", True])
    assert connection.execute("SHOW TimeZone").fetchone() == ("Asia/Tokyo",)


@pytest.mark.parametrize(
    ("statement", "error"),
    [
        ("SET ROLE pg_monitor", psycopg.errors.InsufficientPrivilege),
        ("SET SESSION AUTHORIZATION lakegate", psycopg.errors.InsufficientPrivilege),
        ("SELECT set_config('ROLE', 'pg_monitor', false)", psycopg.errors.InsufficientPrivilege),
        ("SELECT set_config('transaction_read_only', 'off', true)", psycopg.errors.FeatureNotSupported),
        ("SELECT set_config('lakegate.session', '1', false)", psycopg.errors.UndefinedObject),
        ("SELECT set_config('lakegate.lane', 'nowhere', false)", psycopg.errors.InvalidParameterValue),
        ("SELECT set_config('standard_conforming_strings', 'off', false)", psycopg.errors.FeatureNotSupported),
        ("SELECT set_config('client_encoding', 'LATIN1', false)", psycopg.errors.InvalidParameterValue),
        ("SELECT set_config(name, '1', false) FROM pg_settings", psycopg.errors.FeatureNotSupported),
        ("SELECT set_config('a.b', repeat('x', 999), true) FROM generate_series(1, 2000)", OVERSIZED),
    ],
)  # fmt: skip
def test_what_is_not_a_sessions_to_set_is_refused(
    connection: psycopg.Connection, statement: str, error: type[Exception]
) -> None:
    with pytest.raises(error):
        connection.execute(statement.encode())
    asked = "SELECT current_user, current_setting('role'), current_setting('client_encoding'), '\\'"
    assert connection.execute(asked.encode()).fetchone() == (connection.info.user, "none", "UTF8", "\\")
    assert connection.execute("SHOW lakegate.lane").fetchone() == ("auto",)


def test_set_config_acts_on_the_lakehouse(connection: psycopg.Connection) -> None:
    connection.execute("SELECT set_config('search_path', 'tpch', false), set_config('lakegate.lane', 'spark', false)")
    (lane,) = [row for row in connection.execute("EXPLAIN (ROUTE) TABLE region").fetchall() if row[0] == "lane"]
    assert lane == ("lane", "spark")


STYLES = (
    ("DateStyle", "SQL, DMY"),
    ("DateStyle", "Postgres, MDY"),
    ("DateStyle", "German, DMY"),
    ("DateStyle", "ISO, DMY"),
    ("bytea_output", "escape"),
    ("extra_float_digits", "0"),
    ("extra_float_digits", "-5"),
)
INTERVAL_STYLES = ("iso_8601", "sql_standard", "postgres_verbose")
ORDINARY = """SELECT o_orderdate, o_orderdate::timestamp, o_totalprice::float8 / 7::float8
    FROM tpch.orders WHERE o_orderkey = 1"""
"""Spark refuses to read the table that DuckDB reads here."""
EXTREMES = "SELECT * FROM sample.every_type ORDER BY id"
SPANS = "SELECT interval '+1 mon -2 days +03:04:05.6' FROM sample.every_type"


def styled(target: Target, settings: dict[str, str], query: str) -> list[list[bytes | None]]:
    """The cells of a query's rows, as text."""
    with target.connect(options="-c TimeZone=Europe/Rome") as connection:
        for name, value in settings.items():
            connection.execute(f"SET {name} = '{value}'".encode())
        rows = connection.pgconn.exec_(query.encode())
        assert rows.error_message == b""
        return [[rows.get_value(row, column) for column in range(rows.nfields)] for row in range(rows.ntuples)]


@pytest.mark.parametrize(("lane", "query"), [("duckdb", EXTREMES), ("spark", ORDINARY)])
@pytest.mark.parametrize("setting", STYLES)
def test_styles_act_on_results_of_the_lakehouse(
    gateway: Target, oracle: Target, setting: tuple[str, str], lane: str, query: str
) -> None:
    expected = styled(oracle, dict([setting]), query)
    assert styled(gateway, dict([setting, ("lakegate.lane", lane)]), query) == expected


@pytest.mark.parametrize("style", INTERVAL_STYLES)
def test_intervals_have_a_style(gateway: Target, oracle: Target, style: str) -> None:
    """Only DuckDB gives any."""
    settings = {"IntervalStyle": style}
    assert styled(gateway, settings, SPANS) == styled(oracle, settings, SPANS)


def test_texts_of_dates_are_iso_or_refused(connection: psycopg.Connection) -> None:
    """An engine writes no other; the gateway, which writes results, does."""
    ask = "SELECT o_orderdate::text, o_orderdate FROM tpch.orders WHERE o_orderkey = 1"
    written = connection.execute(ask).fetchone()
    assert written is not None
    assert written[0] == written[1].isoformat()
    connection.execute("SET DateStyle = German")
    with pytest.raises(psycopg.errors.FeatureNotSupported, match="DateStyle") as caught:
        connection.execute(ask)
    assert caught.value.diag.message_hint == "SET DateStyle to ISO, or write it with to_char."
