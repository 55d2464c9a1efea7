"""What changes of the metastore are carried out on: psycopg's own connection, or `catalog.sealed` in a block."""

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol

from psycopg.abc import Params, QueryNoTemplate


class Rows(Protocol):
    """What a statement has answered. `rowcount` is how many rows that were, or how many it has changed."""

    @property
    def rowcount(self) -> int: ...
    async def fetchone(self) -> Any: ...
    async def fetchall(self) -> Any: ...


class Identity(Protocol):
    """Who works on which database."""

    @property
    def user(self) -> str: ...
    @property
    def dbname(self) -> str: ...


class Connection(Protocol):
    """As the metastore's owner, in the transaction of the caller. Raises psycopg's errors."""

    @property
    def info(self) -> Identity: ...
    async def execute(
        self, query: QueryNoTemplate, params: Params | None = None, *, prepare: bool | None = None
    ) -> Rows: ...
    def transaction(self) -> AbstractAsyncContextManager[Any]: ...
    def pipeline(self) -> AbstractAsyncContextManager[Any]: ...


async def fetch(connection: Connection, query: str, parameters: Params | None = None) -> Sequence[tuple[Any, ...]]:
    """All rows of a query of ours."""
    rows: Sequence[tuple[Any, ...]] = await (await connection.execute(query.encode(), parameters)).fetchall()
    return rows
