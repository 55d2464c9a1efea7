"""Prepared statements and portals of the extended protocol, and the statement alone of the simple one.

A portal is a prepared statement with its values and result formats. It opens its result at the first `fetch`, so that
Describe never executes anything and Bind costs nothing. Reference: PostgreSQL protocol, "Extended Query".
"""

import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from catalog.errors import ObjectNotInPrerequisiteState
from catalog.types import Description
from gateway.copy.intake import Client, CopyInResult
from gateway.copy.relayed import RelayedIntake
from gateway.pgwire.errors import MalformedMessage
from gateway.query import QueryResult
from gateway.result import ActionResult, RelayedResult, Repetition, Result
from gateway.rows import with_formats
from planner.parse import Statement

if TYPE_CHECKING:
    import pyarrow as pa

    from gateway.temporary.loans import Loan

_UNDESCRIBED = Description((), None)
_COUNT = re.compile(r"\d+$")
_PLANNED = frozenset({"Select", "Insert", "Update", "Delete", "Merge"})


@dataclass(frozen=True, slots=True)
class PreparedStatement:
    """A parsed and described statement. `statement` None is the empty query string. `row_description` has all formats
    0 and is empty where no rows come; `types` are the parameter types that the client asked for (0: any). `named`: it
    is kept under a name."""

    statement: Statement | None
    types: tuple[int, ...] = ()
    description: Description = _UNDESCRIBED
    row_description: bytes = b""
    named: bool = False


@dataclass(frozen=True, slots=True)
class Binding:
    """The values of one Bind: a format code and a value for each parameter, and the formats of the results."""

    formats: tuple[int, ...] = ()
    values: tuple[bytes | None, ...] = ()
    result_formats: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class CursorOptions:
    """What DECLARE makes of a portal; the protocol's own are as the defaults say. `scroll` None: as far as there is
    room for the rows. `relayed`: PostgreSQL itself has the cursor."""

    scroll: bool | None = False
    hold: bool = False
    binary: bool = False
    relayed: bool = False


PROTOCOL = CursorOptions()
"""A portal that Bind has opened."""


class Portal:
    """One execution of a prepared statement, or a cursor: `open_result` plans and starts it.

    `depth` counts the savepoints that it was made under; it was opened at `since`, in seconds since 1970. `kept`: its
    block was committed, and it lives until it is closed. `failed`: getting rows from it failed. `values` are those of
    its binding once they have been read, as the settings had it then. `loan`: what it reads that is PostgreSQL's."""

    def __init__(
        self,
        prepared: PreparedStatement,
        binding: Binding,
        open_result: Callable[["Portal", int], Awaitable[Result]],
        options: CursorOptions = PROTOCOL,
    ) -> None:
        self.prepared = prepared
        self.binding = binding
        self.options = options
        self.depth = 0
        self.since = time.time()
        self.kept = False
        self.failed = False
        self.values: pa.RecordBatch | None = None
        self._open_result = open_result
        self.loan: Loan | None = None
        self._result: Result | None = None
        self._tag: str | None = None

    @property
    def row_description(self) -> bytes:
        """As Describe announces it; an open result's own where the statement was not described before."""
        if self.prepared.row_description:
            return with_formats(self.prepared.row_description, self.binding.result_formats)
        return b"" if self._result is None else self._result.row_description

    @property
    def planned(self) -> bool:
        """Whether its columns are told before it runs. A utility statement's come with its rows."""
        return self.prepared.statement is not None and self.prepared.statement.verb in _PLANNED

    @property
    def tag(self) -> str | None:
        """The command tag once the last row has been handed out."""
        return self._tag if self._result is None else self._result.tag

    @property
    def held(self) -> bool:
        """Whether `close` has something to stop or to give back."""
        return self.loan is not None or (self._result is not None and self._result.held)

    def answered(self, tag: str) -> None:
        """The whole answer was known and has been given: nothing is to be opened."""
        self._tag = tag

    async def open(self, max_rows: int = 0) -> None:
        """Plans and starts the statement, if that has not happened; `max_rows` will be fetched first (0: all)."""
        if self._result is None:
            try:
                self._result = await self._open_result(self, max_rows)
            except BaseException:
                await self._return_loan()
                raise

    async def fetch(self, max_rows: int = 0) -> AsyncIterator[bytes]:
        """Runs of whole DataRow messages, `max_rows` rows at most (0: all). Raises SqlError."""
        await self.open(max_rows)
        assert self._result is not None
        async for messages in self._result.fetch(max_rows):
            yield messages

    async def receive(self, client: Client) -> None:
        """Hears what an open portal wants of the client, which only COPY FROM does. Raises SqlError."""
        if isinstance(self._result, CopyInResult | RelayedIntake):
            await self._result.receive(client)

    @property
    def result(self) -> Result | None:
        """The execution, if it is open."""
        return self._result

    def fail(self) -> None:
        self.failed = True

    def admit(self, name: str) -> None:
        """Raises 55000 for one that has failed, or that has run and gave no rows: it would act twice. `name` is its
        own."""
        if self.failed or (self.tag is not None and self.options is PROTOCOL and not self.row_description):
            raise ObjectNotInPrerequisiteState(f'portal "{name}" cannot be run')

    @property
    def tag_again(self) -> str | None:
        """What one of the protocol answers that is executed again once its last row has been handed out: no rows."""
        if self.tag is None or self.options is not PROTOCOL:
            return None
        return _COUNT.sub("0", self.tag)

    async def keep(self) -> None:
        """Puts all rows of a cursor WITH HOLD into the spool. Raises the engine's error."""
        if isinstance(self._result, QueryResult):
            await self._result.persist()

    @property
    def assigns(self) -> tuple[str, ...]:
        """See `ActionResult`."""
        return self._result.assigns if isinstance(self._result, ActionResult) else ()

    @property
    def repetition(self) -> Repetition | None:
        """What can be asked again, if PostgreSQL answers an open portal."""
        return self._result.repetition if isinstance(self._result, RelayedResult) else None

    def take_answer(self) -> bytes | None:
        """Rows and CommandComplete of an open portal, if PostgreSQL gave them and all is here; it counts as fetched."""
        return self._result.take_answer() if isinstance(self._result, RelayedResult) else None

    async def close(self) -> None:
        try:
            if self._result is not None:
                await self._result.close()
        finally:
            await self._return_loan()

    async def _return_loan(self) -> None:
        loan, self.loan = self.loan, None
        if loan is not None:
            await loan.give_back()


def check_values(prepared: PreparedStatement, name: str, binding: Binding) -> None:
    """Raises MalformedMessage where a Bind has more or fewer values than the statement of that name needs."""
    needed = len(prepared.description.parameters)
    if len(binding.values) != needed:
        raise MalformedMessage(
            f'bind message supplies {len(binding.values)} parameters, but prepared statement "{name}" requires {needed}'
        )


def check_formats(prepared: PreparedStatement, binding: Binding) -> None:
    """Raises MalformedMessage where a Bind has neither one result format, nor one for each column."""
    columns, formats = prepared.description.columns, binding.result_formats
    if columns is not None and len(formats) > 1 and len(formats) != len(columns):
        raise MalformedMessage(f"bind message has {len(formats)} result formats but query has {len(columns)} columns")
