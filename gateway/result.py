"""Results: where the rows of one execution come from. All hand out ready DataRow messages.

`ConstantResult` has known rows, `RelayedResult` PostgreSQL's own messages, `ActionResult` only a tag, and
`QueryResult` (in `gateway.query`) a machine's batches. A portal fetches from its result any number of times until the
tag is known.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import NamedTuple, Protocol

from catalog.types import ResultColumn
from gateway.relay import Call, RelayPortal
from gateway.rows import describe_rows, encode_text_row
from planner.plan import Metadata


class Result(Protocol):
    """One execution. `row_description` is its RowDescription message, empty where no rows come; `tag` is the command
    tag once the last row has been handed out, None before."""

    @property
    def row_description(self) -> bytes: ...
    @property
    def tag(self) -> str | None: ...
    @property
    def held(self) -> bool:
        """Whether `close` has something to stop or to give back."""
        ...

    def fetch(self, max_rows: int) -> AsyncIterator[bytes]:
        """Runs of whole messages, `max_rows` rows at most (0: all)."""
        ...

    async def close(self) -> None:
        """Stops the work and frees what it holds; may be called twice."""
        ...


class ConstantResult:
    """Rows that are known already, a DataRow message each."""

    held = False

    def __init__(self, tag: str, row_description: bytes = b"", rows: Sequence[bytes] = ()) -> None:
        self.row_description = row_description
        self.tag: str | None = None
        self._tag = tag
        self._rows = list(rows)
        self._sent = 0

    @classmethod
    def of_texts(
        cls, tag: str, columns: Sequence[ResultColumn] | None, rows: Sequence[Sequence[str | None]]
    ) -> "ConstantResult":
        """Rows of text cells; `columns` None where no rows come."""
        return cls(tag, b"" if columns is None else describe_rows(columns), [encode_text_row(row) for row in rows])

    async def fetch(self, max_rows: int) -> AsyncIterator[bytes]:
        rows = self._rows[self._sent : self._sent + max_rows] if max_rows else self._rows[self._sent :]
        self._sent += len(rows)
        if not max_rows or len(rows) < max_rows:
            self.tag = self._tag
        if rows:
            yield b"".join(rows)

    async def close(self) -> None:
        self._rows.clear()


class ActionResult:
    """A statement that changes the session or the catalog and answers with its tag only. `assigns`: the settings that
    it gives values to, if that is all it does."""

    row_description = b""
    held = False

    def __init__(self, act: Callable[[], Awaitable[str]], assigns: tuple[str, ...] = ()) -> None:
        self.tag: str | None = None
        self.assigns = assigns
        self._act = act

    async def fetch(self, max_rows: int) -> AsyncIterator[bytes]:
        self.tag = await self._act()
        return
        yield b""

    async def close(self) -> None:
        """Nothing is held."""


class Repetition(NamedTuple):
    """What PostgreSQL can be asked again, as it was `planned`. `custom`: as `gateway.relay.requests.Request.execute`
    has it."""

    call: Call
    planned: Metadata
    custom: bool


class RelayedResult:
    """PostgreSQL's answer, forwarded as it is. `repeats` is the plan, if asking PostgreSQL is all that there is to it,
    `tag` what the client's statement is called where another was sent; `custom` is that of its `Repetition`."""

    def __init__(
        self,
        relayed: RelayPortal,
        *,
        repeats: Metadata | None = None,
        custom: bool = False,
        tag: str | None = None,
    ) -> None:
        self._relayed = relayed
        self._custom = custom
        self._tag = tag
        self.repeats = repeats

    @property
    def row_description(self) -> bytes:
        return self._relayed.description

    @property
    def tag(self) -> str | None:
        return self._tag if self._tag is not None and not self.held else self._relayed.tag

    @property
    def held(self) -> bool:
        return self._relayed.tag is None

    def fetch(self, max_rows: int) -> AsyncIterator[bytes]:
        return self._relayed.fetch(max_rows)

    @property
    def repetition(self) -> Repetition | None:
        call, planned = self._relayed.call, self.repeats
        return None if call is None or planned is None else Repetition(call, planned, self._custom)

    def take_answer(self) -> bytes | None:
        """Rows and CommandComplete, if all is here and nothing was handed out."""
        return self._relayed.take_answer() if self._tag is None else None

    async def close(self) -> None:
        await self._relayed.close()
