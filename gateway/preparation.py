"""PREPARE, EXECUTE and DEALLOCATE: the same prepared statements that the protocol has, made and run in SQL.

PostgreSQL evaluates the arguments of an EXECUTE and converts them to the parameters' types, as its own EXECUTE does;
their binary values are bound to the statement like those of a Bind. Reference: PostgreSQL
`src/backend/commands/prepare.c`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from catalog.errors import InvalidSqlStatementName, ProgramLimitExceeded, SqlError, SqlSyntaxError
from catalog.types import Oid
from gateway.portal import Binding

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gateway.portal import PreparedStatement
    from gateway.session import Session
    from planner.parse import Statement
    from planner.plan import Deallocate, Execute, Prepare

_TYPED = "SELECT NULL::"
_BINARY = 1
_MOST_ARGUMENTS = 1664
"""Columns that one answer of PostgreSQL's may have."""


async def prepare(session: Session, planned: Prepare, statement: Statement) -> str:
    """Describes the query and keeps it under its name. Raises SqlError."""
    types = [Oid.UNKNOWN if each is None else await _find_type(session, *each) for each in planned.types]
    try:
        prepared = await session.prepare(planned.query, types)
    except SqlError as error:
        if error.position is not None:
            error.position += planned.query.offset - statement.offset
        raise
    session.statements.store(planned.name, prepared, from_sql=True)
    return "PREPARE"


async def _find_type(session: Session, name: str, offset: int) -> int:
    """The OID of a type as it is written at that place. Raises UndefinedObject."""
    try:
        described = await session.relay.describe(f"{_TYPED}{name}", (), session.variables.effective)
    except SqlError as error:
        if error.position is not None:
            error.position += offset - len(_TYPED)
        raise
    assert described.columns is not None, "a SELECT has columns"
    return described.columns[0].type.oid


async def bind(
    session: Session, planned: Execute, variables: Mapping[str, str], result_formats: tuple[int, ...]
) -> tuple[PreparedStatement, Binding]:
    """The statement that an EXECUTE runs, and its values. The arguments are evaluated under `variables`. Raises 26000,
    42601 for another number of arguments than there are parameters, and what PostgreSQL raises for one of them."""
    prepared = session.statements.get(planned.name)
    types = prepared.description.parameters
    if planned.count != len(types):
        raise SqlSyntaxError(
            f'wrong number of parameters for prepared statement "{planned.name}"',
            detail=f"Expected {len(types)} parameters but got {planned.count}.",
        )
    if not types:
        return prepared, Binding(result_formats=result_formats)
    if len(types) > _MOST_ARGUMENTS:
        raise ProgramLimitExceeded(
            f"EXECUTE takes {_MOST_ARGUMENTS} arguments at most", hint="Bind them by the extended protocol."
        )
    try:
        values = await session.relay.evaluate(planned.arguments.text, types, variables)
    except SqlError as error:
        if error.position is not None:
            error.position += planned.offset
        raise
    return prepared, Binding((_BINARY,), values, result_formats)


async def put_in(session: Session, prepared: PreparedStatement, around: tuple[str, str]) -> PreparedStatement:
    """CREATE TABLE … AS with what an EXECUTE stands for in its place."""
    assert prepared.statement is not None, "the empty query cannot be bound"
    before, behind = around
    (statement,) = session.split(f"{before}{prepared.statement.text}\n{behind}")
    return await session.prepare(statement, prepared.description.parameters)


async def deallocate(session: Session, planned: Deallocate) -> str:
    if planned.name is None:
        session.statements.clear()
        return "DEALLOCATE ALL"
    if not session.statements.forget(planned.name):
        raise InvalidSqlStatementName(f'prepared statement "{planned.name}" does not exist')
    return "DEALLOCATE"
