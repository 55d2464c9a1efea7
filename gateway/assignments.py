"""`SELECT set_config(…)`: PostgreSQL answers it, and what it has set becomes the session's, as if by SET.

It runs in a block, so that the backend stays here until its settings are read. They count as unknown from then on: the
backend gets the session's anew before its next statement.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from catalog.errors import InvalidParameterValue, ProgramLimitExceeded
from gateway.result import ConstantResult
from gateway.rows import split_rows
from planner.encodings import single_byte
from planner.session import ENCODING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    import pyarrow as pa

    from gateway.relay import RelayPortal
    from gateway.session import Session
    from planner.plan import Assignment

MOST_BYTES = 1 << 20
"""Of an answer, which is kept until the settings have been read."""


class _Target(NamedTuple):
    """A setting that is to be set, for the block only if `local`."""

    name: str
    local: bool


async def relay_assigning(
    session: Session,
    assignments: Sequence[Assignment],
    values: pa.RecordBatch | None,
    execute: Callable[[], Awaitable[RelayPortal]],
) -> ConstantResult:
    """The answer of a SELECT that calls set_config(). `values` are the client's parameters. Raises SqlError."""
    targets = [_find_target(assignment, values) for assignment in assignments]
    for target in targets:
        session.verdicts.admit_assignment(target.name)
    alone = not session.relay.in_block
    if alone:
        await session.relay.begin()
    try:
        result = await _read(await execute())
        settings = [await session.relay.read_back(target.name) for target in targets]
    finally:
        if alone:
            await session.relay.end(commit=True)
    for target, setting in zip(targets, settings, strict=True):
        if target.name.lower() == ENCODING and single_byte(setting) is not None:
            raise InvalidParameterValue(f'set_config() cannot set client_encoding to "{setting}"', hint="Use SET.")
        name, value = await session.verdicts.validate(session, target.name, setting)
        session.variables.set(name, value, local=target.local)
    return result


def _find_target(assignment: Assignment, values: pa.RecordBatch | None) -> _Target:
    def read(source: str | bool | int) -> object:
        if isinstance(source, bool | str):
            return source
        return None if values is None else values.column(f"p{source}")[0].as_py()

    return _Target(str(read(assignment.name) or ""), read(assignment.local) in (True, "t", "true", "on", "yes", "1"))


async def _read(relayed: RelayPortal) -> ConstantResult:
    """The whole answer."""
    rows: list[bytes] = []
    size = 0
    try:
        async for messages in relayed.fetch():
            rows += split_rows(messages)
            size += len(messages)
            if size > MOST_BYTES:
                raise ProgramLimitExceeded(
                    "a statement that calls set_config() may answer with 1 MB at most", hint="Call it for one row."
                )
    finally:
        await relayed.close()
    return ConstantResult(relayed.tag or "", relayed.description, rows)
