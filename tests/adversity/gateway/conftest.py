"""What tests of a gateway in adversity begin with: a connection, and a table of their own."""

import secrets
from collections.abc import Iterator

import psycopg
import pytest

from tests.target import Target


@pytest.fixture
def connection(gateway: Target) -> Iterator[psycopg.Connection]:
    with gateway.connect() as connection:
        yield connection


@pytest.fixture
def table(gateway: Target) -> Iterator[str]:
    """A lakehouse table with one row, 1."""
    name = f"sample.t_{secrets.token_hex(4)}"
    with gateway.connect() as connection:
        connection.execute(f"CREATE TABLE {name} AS SELECT 1 AS a".encode())
        yield name
        connection.execute(f"DROP TABLE {name}".encode())
