"""How many connections there may be: the gateway and PostgreSQL in the same words."""

import secrets

import psycopg
import pytest

from tests.target import Target


def refusal(target: Target) -> str:
    with pytest.raises(psycopg.OperationalError) as refused:
        target.connect()
    return str(refused.value).rpartition("FATAL:")[2].strip()


def make_user(target: Target, options: str) -> Target:
    """A new one, in the workspace or database of the target."""
    user = target.as_user("limited", secrets.token_urlsafe())
    with target.connect() as admin:
        admin.execute("DROP ROLE IF EXISTS limited")
        admin.execute(f"CREATE ROLE limited LOGIN PASSWORD '{user.password}' {options}".encode())
    return user


def test_a_role_has_as_many_connections_as_it_may(gateway: Target, postgres: Target) -> None:
    said = []
    for target in (gateway, postgres):
        user = make_user(target, "CONNECTION LIMIT 2")
        with user.connect(), user.connect():
            said.append(refusal(user))
            with target.connect() as admin:
                admin.execute("ALTER ROLE limited CONNECTION LIMIT 3")
            with user.connect():
                said.append(refusal(user))
            with target.connect() as admin:
                admin.execute("ALTER ROLE limited CONNECTION LIMIT -1")
            with user.connect(), user.connect():
                pass
    assert said[:2] == said[2:]


def test_a_limit_is_a_number_and_an_admins_to_set(gateway: Target) -> None:
    user = make_user(gateway, "CONNECTION LIMIT 5")
    with gateway.connect() as admin, pytest.raises(psycopg.errors.InvalidParameterValue, match="invalid connection"):
        admin.execute("ALTER ROLE limited CONNECTION LIMIT -2")
    with user.connect() as connection, pytest.raises(psycopg.errors.InsufficientPrivilege, match="permission denied"):
        connection.execute("ALTER ROLE limited CONNECTION LIMIT 9")
