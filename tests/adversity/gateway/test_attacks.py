"""Ten attacks through the relay and ten through the spark dialect, by a user who may read the tables."""

import secrets
from collections.abc import Iterator

import psycopg
import pytest

from tests.target import Target

RELAY = (
    "SET ROLE lakegate",
    "SET SESSION AUTHORIZATION lakegate",
    "SELECT pg_read_file('/etc/passwd')",
    "COPY (SELECT 1) TO PROGRAM 'id'",
    "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "SELECT lo_from_bytea(0, 'x')",
    "SELECT pg_advisory_lock(1)",
    "SELECT set_config('role', 'lakegate', false)",
    "SELECT * FROM lakegate.principals",
    "SET standard_conforming_strings = off",
    "SELECT rolpassword FROM pg_authid",
    "INSERT INTO lakegate.grants SELECT",
    "CREATE TABLE public.real AS SELECT 1 AS a; ALTER TABLE public.real OWNER TO lakegate",
    "SELECT pg_reload_conf()",
    "LOAD 'dblink'",
    "ALTER SYSTEM SET log_statement = 'all'",
)
SPARK = (
    "SELECT * FROM parquet.`/etc/passwd`",
    "SELECT * FROM delta.`/tmp`",
    "SELECT * FROM text.`/etc/passwd`",
    "SELECT reflect('java.lang.System', 'exit', 1)",
    "SELECT java_method('java.lang.System', 'getenv')",
    "ADD JAR '/tmp/x.jar'",
    "CREATE FUNCTION f AS 'x.Y' USING JAR '/tmp/x.jar'",
    "SELECT TRANSFORM(r_name) USING 'cat' FROM tpch.region",
    "EXECUTE IMMEDIATE 'SELECT 1'",
    "INSERT OVERWRITE DIRECTORY '/tmp/x' USING parquet SELECT 1",
    "CREATE TABLE tpch.x (a INT) USING delta LOCATION '/etc/x'",
    "SET spark.sql.ansi.enabled = false",
    "SELECT input_file_name() FROM tpch.region",
    "SELECT * FROM read_files('/etc')",
    "SELECT * FROM IDENTIFIER('tpch.' || 'region')",
    "CREATE TEMPORARY VIEW v USING csv OPTIONS (path '/etc/passwd')",
)
REFUSALS = (
    psycopg.errors.FeatureNotSupported,
    psycopg.errors.InsufficientPrivilege,
    psycopg.errors.SyntaxError,
    psycopg.errors.UndefinedTable,
    psycopg.errors.UndefinedFunction,
    psycopg.errors.CantChangeRuntimeParam,
)


@pytest.mark.parametrize("attack", RELAY)
def test_relay_attacks_are_refused(gateway: Target, attack: str) -> None:
    with gateway.connect() as connection, pytest.raises(REFUSALS):
        connection.execute(attack.encode())


@pytest.mark.parametrize("attack", SPARK)
def test_spark_attacks_are_refused(gateway: Target, attack: str) -> None:
    with gateway.connect() as connection:
        connection.execute("SET lakegate.dialect = spark")
        with pytest.raises(REFUSALS):
            connection.execute(attack.encode())


def test_parameters_and_identifiers_cannot_inject(gateway: Target) -> None:
    evil = "x'; DROP TABLE tpch.region; --"
    with gateway.connect() as connection:
        for lane in ("duckdb", "spark"):
            connection.execute(f"SET lakegate.lane = {lane}".encode())
            found = connection.execute("SELECT count(*) FROM tpch.region WHERE r_name = %s", (evil,), prepare=True)
            assert found.fetchone() == (0,)
            renamed = connection.execute(f'SELECT r_regionkey AS "{evil}" FROM tpch.region LIMIT 1'.encode())
            assert renamed.description is not None
            assert renamed.description[0].name == evil
        with pytest.raises(psycopg.errors.UndefinedTable):
            connection.execute(f'SELECT * FROM tpch."{evil}"'.encode())
        assert connection.execute("SELECT count(*) FROM tpch.region").fetchone() == (5,)


@pytest.fixture
def stranger(gateway: Target) -> Iterator[psycopg.Connection]:
    """The connection of a user to whom nothing is granted."""
    name, password = f"stranger_{secrets.token_hex(4)}", secrets.token_hex(16)
    with gateway.connect() as admin:
        admin.execute(f"CREATE ROLE {name} LOGIN PASSWORD '{password}'".encode())
        with gateway.as_user(name, password).connect() as connection:
            yield connection
        admin.execute(f"DROP ROLE {name}".encode())


def test_a_users_view_is_not_read_with_more_rights(stranger: psycopg.Connection) -> None:
    """It has the name of a relation that a function of the metastore's owner reads."""
    stranger.execute("SET search_path = lakegate")
    stranger.execute(
        "CREATE TEMP VIEW pg_index WITH (security_invoker = true) AS"
        " SELECT 1259::oid AS indexrelid, activity::text::int::oid AS indrelid FROM sessions"
    )
    answer = stranger.execute("SELECT pg_table_size('pg_catalog.pg_class') > 0").fetchone()
    stranger.execute("DISCARD ALL")  # While something depends on a role, it stays.
    assert answer == (True,)


@pytest.mark.parametrize("column", ["location", "owner"])
def test_a_condition_sees_no_row_that_may_not_be_seen(stranger: psycopg.Connection, column: str) -> None:
    query = f"SELECT table_name FROM lakegate.delta_tables WHERE {column}::int = 1"
    assert stranger.execute(query.encode()).fetchall() == []
