"""Transfers: statements that write temporary tables out of lakehouse tables, in one transaction of PostgreSQL's."""

from __future__ import annotations

import asyncio
from contextlib import closing
from typing import TYPE_CHECKING

from catalog.errors import ProgramLimitExceeded
from catalog.names import quote_identifier
from gateway.definitions import joins
from gateway.pgwire.encode import BINARY
from gateway.portal import Binding
from gateway.result import ConstantResult
from gateway.temporary.inner import opened, prepare, transaction
from lakegate_native import CopyWriter
from planner.plan import Modes

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from catalog.types import ResultColumn
    from gateway.portal import Portal, PreparedStatement
    from gateway.result import Result
    from gateway.session import Session
    from planner.plan import Pouring, Transfer

MOST_BYTES = 4 << 30
"""Of the rows that one statement brings into PostgreSQL, in COPY's binary format."""
MOST_RETURNED = 64 << 20
"""Bytes of what RETURNING gives, which is held until the transaction is over."""
_HINT = "CREATE TABLE … USING delta AS keeps rows of any number in the lakehouse."
_ONE_MOMENT = Modes("repeatable read")
"""What the sources read of PostgreSQL's relations, and the statement itself after them."""
_DATA_ROW = ord("D")


async def transfer(session: Session, planned: Transfer, portal: Portal, *, alone: bool) -> Result:
    """Carries it out; the result has what it answered. `alone` says that no statement follows in the same simple Query.
    Raises SqlError, and nothing has happened then."""
    budget = Budget(MOST_BYTES)
    async with transaction(session, _ONE_MOMENT, joins=await joins(session.block, alone=alone)):
        text, names = planned.text, []
        # From the last, so that the places before it stay where they are.
        for number, pouring in sorted(enumerate(planned.pourings, 1), key=lambda pair: -pair[1].start):
            name = f'pg_temp."lakegate rows {number}"'
            described = await _pour(session, pouring, name, portal, budget)
            source = _spell_source(pouring, name, described.description.columns or ())
            text = text[: pouring.start] + source + text[pouring.end :]
            names.append(name)
        result = await _answer(session, text, portal)
        for name in names:
            await (await session.relay_statement(f"DROP TABLE {name}")).close()
    return result


class Budget:
    """Bytes that are left to one statement."""

    def __init__(self, limit: int) -> None:
        self._limit = self._left = limit

    def spend(self, size: int) -> None:
        self._left -= size
        if self._left < 0:
            raise ProgramLimitExceeded(
                f"a statement brings at most {self._limit} bytes of lakehouse rows into temporary tables", hint=_HINT
            )


async def _pour(session: Session, pouring: Pouring, name: str, portal: Portal, budget: Budget) -> PreparedStatement:
    """Makes the table as PostgreSQL types the query, reading nothing, and fills it with the rows that it gives."""
    types = portal.prepared.description.parameters
    described = await prepare(session, pouring.select, types)
    assert described.statement is not None, "a query is poured"
    columns = described.description.columns or ()
    names = ", ".join(f"c{number}" for number in range(1, len(columns) + 1))
    listed = f" ({names})" if names else ""
    binding, variables = portal.binding, session.settings
    made = await session.relay.execute(
        f"CREATE TEMP TABLE {name.removeprefix('pg_temp.')}{listed} AS {described.statement.parsed_text}\nWITH NO DATA",
        types,
        binding.formats,
        binding.values,
        (),
        variables,
    )
    await made.close()
    bound = Binding(binding.formats, binding.values, (BINARY,))
    async with opened(session, described, bound) as source:
        with closing(await session.relay.load(f"COPY {name} FROM STDIN (FORMAT binary)", session.settings)) as load:
            async for content in _framed(source, budget):
                await load.give(content)
            await load.finish()
    return described


async def _framed(source: Portal, budget: Budget) -> AsyncIterator[bytes]:
    """The rows as CopyData messages, from COPY's header to its trailer."""
    writer, first = CopyWriter("binary"), True
    async for rows in source.fetch():
        budget.spend(len(rows))
        yield await asyncio.to_thread(writer.rewrite, rows, first=first)
        first = False
    yield CopyWriter.trailer(first)


def _spell_source(pouring: Pouring, name: str, columns: Sequence[ResultColumn]) -> str:
    constants = {place % len(columns): text for place, text in pouring.constants} if columns else {}
    listed = ", ".join(
        f"{constants.get(place, f'c{place + 1}')} AS {quote_identifier(column.name)}"
        for place, column in enumerate(columns)
    )
    query = f"SELECT {listed} FROM {name}"
    if pouring.alias is None:
        return query
    return f"({query}) AS {quote_identifier(pouring.alias)}" if pouring.alias else f"({query})"


async def _answer(session: Session, text: str, portal: Portal) -> Result:
    """What PostgreSQL says to the statement, with the rows of RETURNING."""
    binding, size, rows = portal.binding, 0, list[bytes]()
    described = await prepare(session, text, portal.prepared.description.parameters)
    async with opened(session, described, binding) as answering:
        async for messages in answering.fetch():
            size += len(messages)
            if size > MOST_RETURNED:
                raise ProgramLimitExceeded(
                    f"RETURNING gives at most {MOST_RETURNED} bytes here", hint="SELECT the rows afterwards."
                )
            rows.append(messages)
        tag = answering.tag or ""
        message = answering.row_description
    return ConstantResult(tag, message, _split(b"".join(rows)))


def _split(messages: bytes) -> Sequence[bytes]:
    """A row each, a notice with the row that follows it."""
    found, start, at = list[bytes](), 0, 0
    while at < len(messages):
        is_row = messages[at] == _DATA_ROW
        at += 1 + int.from_bytes(messages[at + 1 : at + 5])
        if is_row:
            found.append(messages[start:at])
            start = at
    return [*found, messages[start:]] if start < len(messages) else found
