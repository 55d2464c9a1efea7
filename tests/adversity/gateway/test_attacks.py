"""Ten attacks through the relay and ten through the spark dialect, by a user who may read the tables."""

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
