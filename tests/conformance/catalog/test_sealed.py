"""Statements with the metastore's rights on a user's own backend: what is not sealed for just that is refused."""

import json
from typing import Any

import psycopg
import pytest
from psycopg import AsyncConnection

from catalog.changes import CreateSchema
from catalog.sealed import SealedConnection, find_owner
from tests.fix_metastore import Metastore

CALL = "SELECT lakegate.carry_out(%s, %s, %s)"


class Backend:
    """A connection as the role itself. `sent` is what it was asked to carry out, with the seals."""

    def __init__(self, connection: AsyncConnection[Any]) -> None:
        self.connection = connection
        self.sent: list[tuple[str, bytes, bool]] = []

    async def carry_out(self, statement: str, seal: bytes, *, answers: bool, written: bool) -> list[str]:
        self.sent.append((statement, seal, answers))
        rows = await (await self.connection.execute(CALL, self.sent[-1])).fetchall()
        return [json.dumps(cell) for (cell,) in rows]

    async def save(self) -> int:
        await self.connection.execute("SAVEPOINT one")
        return 0

    async def go_back(self, place: int) -> None:
        await self.connection.execute("ROLLBACK TO one")

    async def release(self, place: int) -> None:
        await self.connection.execute("RELEASE one")


async def connect(metastore: Metastore, role: str) -> Backend:
    endpoint = await metastore.catalog.relay_endpoint(role, metastore.workspace)
    return Backend(await AsyncConnection.connect(endpoint.conninfo()))


async def seal(metastore: Metastore, backend: Backend, role: str) -> SealedConnection:
    endpoint = metastore.server.owner_endpoint(metastore.workspace)
    async with await AsyncConnection.connect(endpoint.conninfo()) as owner:
        return SealedConnection(backend, await find_owner(owner, role))


async def test_only_the_role_that_a_statement_is_sealed_for_may_have_it_carried_out(metastore: Metastore) -> None:
    first, second = [(await metastore.make_user(name)).name for name in ("first", "second")]
    backend, other = await connect(metastore, first), await connect(metastore, second)
    async with backend.connection, other.connection:
        sealed = await seal(metastore, backend, first)
        assert await (await sealed.execute("SELECT session_user::text, current_user::text")).fetchone() == (
            first,
            sealed.info.user,
        )
        (statement, good, answers) = backend.sent[0]
        for refused, connection in (
            ((statement, good, answers), other.connection),
            (("SELECT 2", good, answers), backend.connection),
            ((statement, bytes(32), answers), backend.connection),
            ((statement, b"", answers), backend.connection),
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                await connection.execute(CALL, refused)
            await connection.rollback()
        for table in ("sealing", "leftovers"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                await backend.connection.execute(f"SELECT * FROM lakegate.{table}".encode())
            await backend.connection.rollback()


async def replace_all(sealed: SealedConnection, values: str) -> None:
    async with sealed.transaction():
        await sealed.execute("DELETE FROM lakegate.leftovers")
        await sealed.execute(f"INSERT INTO lakegate.leftovers VALUES {values}")


async def test_values_and_rows_are_those_of_any_connection(metastore: Metastore) -> None:
    await metastore.apply(CreateSchema("kept"))
    role = (await metastore.make_user("role")).name
    backend = await connect(metastore, role)
    async with backend.connection:
        sealed = await seal(metastore, backend, role)
        odd = 'it\'s \\ "q" 100% ü\n'
        query = "SELECT %s::text, %s::text[], %s::bigint, NULL, %s::boolean, '%%' AS x, 'again' AS x"
        asked = await sealed.execute(query, (odd, [odd, None, ""], 2**60, True))
        assert await asked.fetchall() == [(odd, [odd, None, ""], 2**60, None, True, "%", "again")]
        named = await sealed.execute("SELECT %(a)s::int + %(a)s::int", {"a": 2})
        assert await named.fetchone() == (4,)
        changed = await sealed.execute("INSERT INTO lakegate.leftovers SELECT n::text FROM generate_series(1, 3) n")
        assert (changed.rowcount, await changed.fetchone()) == (3, None)
        with pytest.raises(psycopg.errors.UniqueViolation):
            await replace_all(sealed, "('1'), ('1')")
        left = await sealed.execute("DELETE FROM lakegate.leftovers RETURNING location")
        assert left.rowcount == 3
