"""A table that blocks write, on a gateway and on PostgreSQL, and what lies on the gateway's disk of it."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psycopg
import pytest

from tests.target import Target

CREATE = "CREATE TABLE written.things (n int, word text)"
ROWS = "SELECT n, word FROM written.things ORDER BY n, word"
ENGINES_OWN = {"22003"}
"""What engines say in words of their own."""
FIRST = "INSERT INTO written.things VALUES (1, 'one'), (2, 'two'), (3, 'three')"


@contextmanager
def things(target: Target) -> Iterator[None]:
    """`written.things` with three rows."""
    with target.connect() as connection:
        connection.execute("CREATE SCHEMA written")
        connection.execute(f"{CREATE}{' USING delta' if target.is_gateway else ''}".encode())
        connection.execute(FIRST)
        try:
            yield
        finally:
            with suppress(psycopg.errors.UndefinedTable):
                connection.execute("DROP TABLE written.things")
            connection.execute("DROP SCHEMA written")


def workspace_folder(gateway: Target) -> Path:
    """Of the workspace that `admin` is logged in to."""
    data = Path(f"/proc/{gateway.pid}/cmdline").read_bytes().split(b"\0")
    return Path(os.fsdecode(data[data.index(b"--data") + 1]), "warehouse", "demo")


def table_folder(gateway: Target, schema: str = "written", table: str = "things") -> Path:
    """The newest of that name."""
    found = workspace_folder(gateway).glob(f"{schema}/{table}-*")
    return max(found, key=lambda folder: folder.stat().st_mtime_ns)


def open_blocks(gateway: Target) -> list[Path]:
    """The folders of tables that blocks are writing."""
    parent = workspace_folder(gateway) / "_blocks"
    return list(parent.iterdir()) if parent.exists() else []


def run_block(connection: psycopg.Connection, *statements: str) -> None:
    """BEGIN, the statements, and COMMIT, or ROLLBACK where one of them fails."""
    with connection.transaction():
        for statement in statements:
            connection.execute(statement.encode())


def rows(connection: psycopg.Connection) -> list[tuple]:
    return connection.execute(ROWS).fetchall()


def require_same_refusal(both: tuple[psycopg.Connection, psycopg.Connection], statement: str) -> None:
    """By the gateway, in PostgreSQL's words but for what engines have their own for, and by PostgreSQL."""
    told = []
    for connection in both:
        with pytest.raises(psycopg.Error) as refused:
            connection.execute(statement.encode())
        told.append((refused.value.sqlstate, refused.value.diag.message_primary))
    (ours, words), (theirs, their_words) = told
    assert ours == theirs
    assert ours in ENGINES_OWN or words == their_words
