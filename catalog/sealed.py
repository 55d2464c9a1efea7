"""The metastore's rights in a user's own transaction.

What a block changes of definitions has to be seen by that block's statements, which PostgreSQL answers on the user's
own backend, and by nobody else. So it is carried out there, by the function `lakegate.carry_out`, which takes a
statement with a seal: a keyed hash of the statement and the role. The key lies in a table that only the metastore's
owner reads. No statement of a user's can call that function (the planner refuses it), nor be given a seal.

To the functions that carry out changes it is one connection more (`catalog.connection`): values are written into the
statement, rows come as JSON, in which an `oid` is a text. Several rows to be changed at once are several round trips.
"""

import hashlib
import json
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass
from typing import Any, Protocol

import psycopg
from psycopg import sql
from psycopg.abc import Params, QueryNoTemplate

from catalog.connection import Connection, fetch
from catalog.errors import SqlError

_ANSWERING = re.compile(r"\s*(SELECT\b|WITH\b|(INSERT|UPDATE|DELETE)\b.*\bRETURNING\b)", re.DOTALL)
_PLACE = re.compile(r"%(?:\((\w+)\))?s|%%")


class Backend(Protocol):
    """A block's own connection to PostgreSQL, in the block. Raises SqlError."""

    async def carry_out(self, statement: str, seal: bytes, *, answers: bool, written: bool) -> list[str]:
        """Calls the function; its rows. `written`: by the client, under whose settings its constants are read."""

    async def save(self) -> int:
        """Sets a savepoint; its place."""

    async def go_back(self, place: int) -> None:
        """ROLLBACK TO that savepoint."""

    async def release(self, place: int) -> None:
        """RELEASE it."""


@dataclass(frozen=True, slots=True)
class Owner:
    """Whom statements are carried out as, and for whom: `role` is the block's user, `key` what seals are made with."""

    user: str
    dbname: str
    role: str
    key: bytes


async def find_owner(connection: Connection, role: str) -> Owner:
    """Who works for that role, as the owner of this connection knows it."""
    ((key,),) = await fetch(connection, "SELECT key FROM lakegate.sealing")
    return Owner(connection.info.user, connection.info.dbname, role, bytes(key))


class SealedRows:
    """Answered already."""

    def __init__(self, rows: Sequence[tuple[Any, ...]], rowcount: int) -> None:
        self.rowcount = rowcount
        self._rows = rows

    async def fetchone(self) -> Any:
        """The first row, None where there is none."""
        return self._rows[0] if self._rows else None

    async def fetchall(self) -> Any:
        """All of them."""
        return list(self._rows)


class SealedConnection:
    """One block's. See `catalog.connection.Connection`."""

    def __init__(self, backend: Backend, info: Owner) -> None:
        self.info = info
        self._backend = backend

    async def execute(
        self, query: QueryNoTemplate, params: Params | None = None, *, prepare: bool | None = None
    ) -> SealedRows:
        """Raises psycopg's error of the SQLSTATE that PostgreSQL gave. `prepare`: it is a client's own text."""
        template = _text(query)
        statement = template if params is None else _fill(template, params)
        answers = _ANSWERING.match(template) is not None
        try:
            cells = await self._backend.carry_out(
                statement, self._seal(statement), answers=answers, written=prepare is True
            )
        except SqlError as error:
            raise _known_to_psycopg(error) from error
        if not answers:
            return SealedRows((), int(cells[0]))
        rows = [tuple(json.loads(cell)) for cell in cells]
        return SealedRows(rows, len(rows))

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[None]:
        """What is done inside is undone where that raises."""
        place = await self._backend.save()
        try:
            yield
        except BaseException:
            await self._backend.go_back(place)
            await self._backend.release(place)
            raise
        await self._backend.release(place)

    def pipeline(self) -> nullcontext[None]:
        """Each statement is answered before the next."""
        return nullcontext()

    def _seal(self, statement: str) -> bytes:
        words = self.info.role.encode() + b"\0" + statement.encode()
        return hashlib.sha256(self.info.key + hashlib.sha256(self.info.key + words).digest()).digest()


def _known_to_psycopg(error: SqlError) -> psycopg.Error:
    try:
        return psycopg.errors.lookup(error.sqlstate)(error.message)
    except KeyError:
        return psycopg.InternalError(error.message)


def _text(query: QueryNoTemplate) -> str:
    if isinstance(query, sql.Composable):
        return query.as_string(None)
    return query.decode() if isinstance(query, bytes) else query


def _fill(template: str, params: Params) -> str:
    """The statement with its values, as psycopg would place them."""
    if isinstance(params, Mapping):
        return _PLACE.sub(lambda found: _literal(params[found[1]]) if found[1] else "%", template)
    values = iter(params)
    return _PLACE.sub(lambda found: "%" if found[0] == "%%" else _literal(next(values)), template)


def _literal(value: Any) -> str:
    return sql.Literal(value).as_string(None)
