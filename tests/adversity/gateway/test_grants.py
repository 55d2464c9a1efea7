"""A second user: nothing without grants, on both lanes and in both dialects; what is granted, and no more."""

import secrets
from collections.abc import Iterator

import psycopg
import pytest

from tests.target import Target

READS = ("SELECT * FROM tpch.region", "SELECT count(*) FROM (SELECT r_name FROM tpch.region) x")
WRITES = (
    "INSERT INTO tpch.region VALUES (9, 'x', 'y')",
    "UPDATE tpch.region SET r_name = 'x'",
    "DELETE FROM tpch.region",
    "DROP TABLE tpch.region",
    "ALTER TABLE tpch.region ADD COLUMN x integer",
    "CREATE TABLE tpch.mine (a integer)",
    "GRANT SELECT ON tpch.region TO public",
    "CREATE ROLE other LOGIN PASSWORD 'x'",
)


@pytest.fixture
def bob(gateway: Target) -> Iterator[Target]:
    """A fresh user who may use the schema and nothing in it."""
    name, password = f"bob_{secrets.token_hex(4)}", secrets.token_urlsafe()
    with gateway.connect() as admin:
        admin.execute(f"CREATE ROLE {name} LOGIN PASSWORD '{password}'".encode())
        admin.execute(f"GRANT USAGE ON SCHEMA tpch TO {name}".encode())
        yield gateway.as_user(name, password)
        admin.execute(f"REVOKE ALL ON ALL TABLES IN SCHEMA tpch FROM {name}".encode())
        admin.execute(f"REVOKE ALL ON SCHEMA tpch FROM {name}".encode())
        admin.execute(f"DROP ROLE {name}".encode())


@pytest.mark.parametrize(("dialect", "lane"), [("postgres", "duckdb"), ("postgres", "spark"), ("spark", "spark")])
def test_nothing_is_read_without_a_grant(bob: Target, dialect: str, lane: str) -> None:
    with bob.connect() as connection:
        connection.execute(f"SET lakegate.lane = {lane}".encode())
        connection.execute(f"SET lakegate.dialect = {dialect}".encode())
        for read in READS:
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(read.encode())


@pytest.mark.parametrize("write", WRITES)
def test_nothing_is_changed_without_a_grant(bob: Target, write: str) -> None:
    with bob.connect() as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute(write.encode())


def test_a_grant_gives_that_table_at_once_and_revoke_takes_it(gateway: Target, bob: Target) -> None:
    with gateway.connect() as admin, bob.connect() as connection:
        admin.execute(f"GRANT SELECT ON tpch.region TO {bob.user}".encode())
        assert connection.execute("SELECT count(*) FROM tpch.region").fetchone() == (5,)
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("SELECT count(*) FROM tpch.nation")
        admin.execute(f"REVOKE SELECT ON tpch.region FROM {bob.user}".encode())
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("SELECT count(*) FROM tpch.region")


def test_prepared_statements_do_not_outlive_a_grant(gateway: Target, bob: Target) -> None:
    with gateway.connect() as admin, bob.connect(prepare_threshold=0) as connection:
        admin.execute(f"GRANT SELECT ON tpch.region TO {bob.user}".encode())
        query = "SELECT count(*) FROM tpch.region WHERE r_regionkey = %s"
        assert connection.execute(query, (1,)).fetchone() == (1,)
        admin.execute(f"REVOKE SELECT ON tpch.region FROM {bob.user}".encode())
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute(query, (1,))


def test_a_group_passes_its_grants_on(gateway: Target, bob: Target) -> None:
    group = f"readers_{secrets.token_hex(4)}"
    with gateway.connect() as admin, bob.connect() as connection:
        admin.execute(f"CREATE ROLE {group}".encode())
        admin.execute(f"GRANT SELECT ON tpch.region TO {group}".encode())
        admin.execute(f"GRANT {group} TO {bob.user}".encode())
        assert connection.execute("SELECT count(*) FROM tpch.region").fetchone() == (5,)
        admin.execute(f"REVOKE {group} FROM {bob.user}".encode())
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("SELECT count(*) FROM tpch.region")
        admin.execute(f"REVOKE ALL ON tpch.region FROM {group}".encode())
        admin.execute(f"DROP ROLE {group}".encode())
