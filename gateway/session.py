"""A session: one user's conversation with one workspace, whatever the door.

It owns the settings, the transaction block, the prepared statements and portals, the machines it holds and its
conversation with PostgreSQL. It decides nothing about SQL (the planner does) and knows no sockets (the door does).

Lifecycle: opened after login; `prepare`, `bind` and fetching from portals by one task; `cancel` from anywhere;
`close` gives everything back.
"""

import asyncio
import functools
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Protocol, TypeVar

from catalog.errors import (
    DuplicatePreparedStatement,
    InsufficientPrivilege,
    InvalidCursorName,
    InvalidSqlStatementName,
    ProgramLimitExceeded,
    QueryCanceled,
    SqlError,
    SuccessfulCompletion,
)
from catalog.principals import Principal
from catalog.resolution import Resolution
from catalog.types import Description
from compute.lease import Lease
from gateway.actions import Notice
from gateway.executor import Executor
from gateway.leases import Leases
from gateway.portal import PROTOCOL, Binding, CursorOptions, Portal, PreparedStatement, check_formats, check_values
from gateway.portals import Portals
from gateway.relay import Call, Flight, RelayAnswer, RelayPortal
from gateway.services import ANYTHING, Admission, Services
from gateway.transaction import Block
from gateway.variables import Variables, read_duration
from planner.parse import Statement, parse
from planner.plan import Dialect

T = TypeVar("T")
_UNHEARD = {"warning": ("NOTICE",), "error": ("NOTICE", "WARNING")}
"""What is not sent at a value of client_min_messages."""
Situation = tuple[int, int, int]
"""What decides, beside a statement's text, what it means to this session."""


class Cancellable(Protocol):
    """Work that can be told to end."""

    def cancel(self) -> object: ...


class Session:
    """One logged-in user in one workspace. `notices` wait for the door to send them, and `names` changes with what
    prepared statements have names and what cursors there are."""

    def __init__(
        self,
        services: Services,
        principal: Principal,
        workspace: str,
        variables: Variables,
        admission: Admission = ANYTHING,
    ) -> None:
        self.principal = principal
        self.workspace = workspace
        self.variables = variables
        self.pid = 0
        self.query_start = self.state_change = 0.0
        self._query = ""
        self.names = 0
        self.block = Block()
        self.portals = Portals(services.limits.portals)
        self.vault = services.storage.open()
        self.notices: list[Notice] = []
        self.relay = services.relay.open(principal.name, workspace)
        self.verdicts = services.verdicts
        self._services = services
        self._admission = admission
        self._leases = Leases(self._acquire, services.limits.lease_idle_seconds)
        self._executor = Executor(self, services, self._leases)
        self._prepared: dict[str, PreparedStatement] = {}
        self._working: Cancellable | None = None
        self._cancelled = False
        self._abandoned = False

    @property
    def status(self) -> bytes:
        """The byte of ReadyForQuery."""
        return self.block.status

    @property
    def working(self) -> bool:
        """Whether a statement runs."""
        return self._working is not None

    @property
    def situation(self) -> Situation:
        return self._services.catalog.version(self.workspace), self.variables.epoch, self.relay.epoch

    @property
    def query(self) -> str:
        """The latest statement, which began at `query_start`."""
        return self._query

    @query.setter
    def query(self, text: str) -> None:
        self._query = text
        self.query_start = self.state_change = time.time()

    @property
    def xact_start(self) -> float | None:
        """When the open block began."""
        return self.block.since

    @property
    def settings(self) -> Mapping[str, str]:
        return self.variables.effective

    @property
    def lock_seconds(self) -> float | None:
        """How long a statement may wait for a table, None for as long as it takes."""
        return read_duration(self.settings.get("lock_timeout", "0"))

    @property
    def application_name(self) -> str:
        return self.variables.current("application_name")

    @property
    def dialect(self) -> Dialect:
        return Dialect(self.variables.effective.get("lakegate.dialect", Dialect.POSTGRES))

    def split(self, sql: str) -> tuple[Statement, ...]:
        """The statements of a text, in order. Raises SqlSyntaxError with a position in it."""
        return parse(sql, self.dialect)

    async def prepare(self, statement: Statement | None, types: Sequence[int] = ()) -> PreparedStatement:
        """Describes a statement without executing it. Raises SqlError with PostgreSQL's own text where it can be
        told."""
        if statement is None:
            return PreparedStatement(None, tuple(types), Description(tuple(types), None))
        self.block.admit(ends_block=statement.ends_block)
        return await self._executor.describe(statement, tuple(types))

    def prepare_at_once(self, statement: Statement, types: Sequence[int]) -> PreparedStatement | None:
        """What `prepare` gives, if PostgreSQL's description is known already."""
        if statement.describable is None or self.block.failed:
            return None
        return self._executor.find_described(statement, tuple(types))

    def recall(self, statement: Statement, types: Sequence[int], binding: Binding) -> RelayAnswer | None:
        """PostgreSQL's own answer to an immutable statement, if it was kept."""
        return self.relay.recall(
            statement.text, types, binding.formats, binding.values, binding.result_formats, self.variables.effective
        )

    def store(self, name: str, prepared: PreparedStatement) -> None:
        """Keeps it under a name; the unnamed one is replaced, any other must be new."""
        if name and name in self._prepared:
            raise DuplicatePreparedStatement(f'prepared statement "{name}" already exists')
        if name not in self._prepared and len(self._prepared) >= self._services.limits.prepared_statements:
            raise ProgramLimitExceeded("too many prepared statements", hint="Close those that are not needed any more.")
        self._prepared[name] = prepared
        self.names += name != ""

    def prepared(self, name: str) -> PreparedStatement:
        try:
            return self._prepared[name]
        except KeyError:
            which = f'prepared statement "{name}"' if name else "unnamed prepared statement"
            raise InvalidSqlStatementName(f"{which} does not exist") from None

    def forget(self, name: str | None) -> bool:
        """Drops one prepared statement (None: all); whether there was one."""
        self.names += name != ""
        if name is None:
            self._prepared.clear()
            return True
        return self._prepared.pop(name, None) is not None

    @property
    def unnamed(self) -> PreparedStatement | None:
        """The prepared statement of no name."""
        return self._prepared.get("")

    @unnamed.setter
    def unnamed(self, prepared: PreparedStatement | None) -> None:
        if prepared is None:
            self._prepared.pop("", None)
        else:
            self._prepared[""] = prepared

    def make_portal(
        self,
        prepared: PreparedStatement,
        binding: Binding,
        *,
        alone: bool = True,
        options: CursorOptions = PROTOCOL,
    ) -> Portal:
        """A portal of no name; `alone` says that no statement follows in the same simple Query."""
        return Portal(prepared, binding, functools.partial(self._executor.open_result, alone=alone), options)

    async def bind(self, name: str, statement: str, binding: Binding) -> None:
        """Opens a portal under a name. Raises DuplicateCursor if a named one is open already."""
        if not self.bind_at_once(name, statement, binding):
            await self.portals.close(name)
            self.bind_at_once(name, statement, binding)

    def bind_at_once(self, name: str, statement: str, binding: Binding) -> bool:
        """`bind`, if no earlier portal of that name has to be closed before; whether it was done."""
        prepared = self._executor.renew(self.prepared(statement))
        check_values(prepared, statement, binding)
        self.block.admit(ends_block=prepared.statement is not None and prepared.statement.ends_block)
        self.portals.check(name)
        if binding.values:
            self._executor.check_values(name, prepared, binding)
        check_formats(prepared, binding)
        earlier = self.portals.find(name)
        if earlier is not None and earlier.held:
            return False
        self.portals.add(name, self.make_portal(prepared, binding), self.block.depth)
        return True

    def portal(self, name: str) -> Portal:
        found = self.portals.find(name)
        if found is None:
            raise InvalidCursorName(f'portal "{name}" does not exist')
        return found

    async def close_portal(self, name: str) -> None:
        portal = self.portals.find(name)
        self.names += portal is not None and portal.kept
        await self.portals.close(name)

    async def resolve(self, statement: Statement) -> Resolution:
        """Grants and versions of what the statement names, pinned for the block."""
        resolution = await self._services.catalog.resolve(
            self.principal,
            self.workspace,
            statement.references,
            self._executor.settings().search_path,
            pinned=self.block.pinned,
            temporary=await self._temporary_relations(statement),
        )
        for table, version in resolution.pins():
            self.block.pinned.setdefault(table, version)
        return resolution

    async def _temporary_relations(self, statement: Statement) -> frozenset[str]:
        """Not asked for by what names none: PostgreSQL would not tell in a block that has failed."""
        if not statement.references:
            return frozenset()
        return await self.relay.temporary_relations(self.variables.effective)

    def admit_write(self, tag: str, *, alone: bool) -> None:
        """Refuses a write where it may not run; `tag` is its command tag. Raises SqlError."""
        if self._admission.read_only:
            raise InsufficientPrivilege(
                f"cannot execute {tag.removesuffix(' 0')}: the access token is for reading only"
            )
        read_only = self.block.modes.read_only
        if read_only is None:
            read_only = self.variables.current("default_transaction_read_only") == "on"
        self.block.admit_write(tag, alone=alone, read_only=read_only)

    async def now(self) -> datetime:
        """The block's start, which `now()` is for every statement in it. PostgreSQL's own in an explicit block, where
        it answers `now()` too."""
        if self.block.now is None:
            explicit = self.block.explicit
            self.block.now = await self.relay.now(self.variables.effective) if explicit else datetime.now(UTC)
        return self.block.now

    def end_implicit_block_at_once(self) -> bool:
        """Ends an implicit block that holds nothing; False when the block is explicit or something has to be
        awaited."""
        self.state_change = time.time()
        if self.block.explicit or not self.portals.idle or self.variables.pending:
            return False
        self.portals.forget()
        self.block.end()
        return True

    async def end_block(self, *, commit: bool) -> None:
        """The end of a block, explicit or implicit: portals close, pins are gone, settings stay or go back.

        The queries of cursors WITH HOLD are read to their ends first. Raises what they raise; the block is rolled back
        then.
        """
        if commit:
            await self._keep_cursors()
        await self.portals.end_block(commit=commit)
        self.variables.end(commit=commit)
        self.block.end()
        await self.relay.end(commit=commit)

    async def _keep_cursors(self) -> None:
        try:
            await self.portals.keep()
        except BaseException:
            await self.end_block(commit=False)
            raise

    async def relay_statement(self, sql: str) -> RelayPortal:
        """A statement of ours about what the session has in PostgreSQL."""
        return await self.relay.execute(sql, (), (), (), (), self.variables.effective)

    def warn(self, content: SqlError) -> None:
        self._notify(content, "WARNING")

    def inform(self, content: SqlError | str) -> None:
        self._notify(SuccessfulCompletion(content) if isinstance(content, str) else content, "NOTICE")

    def _notify(self, content: SqlError, severity: str) -> None:
        """Kept for the door, unless the client does not want to hear of such."""
        if severity not in _UNHEARD.get(self.variables.effective.get("client_min_messages", "notice").lower(), ()):
            self.notices.append(Notice(content, severity))

    def fail(self) -> None:
        """A statement failed: an explicit block takes nothing but its end now, an implicit one's settings go back,
        and its cursors are not kept."""
        self.block.fail()
        if not self.block.explicit:
            self.variables.end(commit=False)
            self.portals.fail()

    async def interruptible(self, work: Coroutine[Any, Any, T]) -> T:
        """Awaits `work` such that `cancel`, and the setting statement_timeout, end it with QueryCanceled.

        Raises ConnectionResetError, and starts nothing, when the client has left.
        """
        if self._abandoned:
            work.close()
            raise ConnectionResetError("the client is gone")
        task = self._working = asyncio.current_task()
        assert task is not None, "sessions run in tasks"
        self._cancelled = False
        timer = asyncio.timeout(read_duration(self.variables.effective.get("statement_timeout", "0")))
        try:
            async with timer:
                return await work
        except TimeoutError:
            if timer.expired():
                raise QueryCanceled("canceling statement due to statement timeout") from None
            raise
        except asyncio.CancelledError:
            if not self._cancelled:
                raise
            raise QueryCanceled("canceling statement due to user request") from None
        finally:
            self._working = None
            if self._cancelled:
                task.uncancel()

    def launch(self, call: Call, landed: Callable[[Flight], None]) -> Flight | None:
        """Relays a statement that was relayed before, outside a block, if that can be done at once; `land` ends it."""
        variables = self.variables.effective
        if self._abandoned or "statement_timeout" in variables:
            return None
        flight = self.relay.launch(call, variables, landed)
        if flight is not None:
            self._working, self._cancelled = flight, False
        return flight

    def land(self) -> None:
        """What was launched has been answered."""
        self._working = None
        self.state_change = time.time()

    def cancel(self) -> None:
        """Cancels the running statement; nothing happens when none runs."""
        if self._working is not None and not self._cancelled:
            self._cancelled = True
            self._working.cancel()

    def abandon(self) -> None:
        """The client has left: cancels what runs, and nothing runs from now on."""
        self._abandoned = True
        self.cancel()

    async def close(self) -> None:
        """Ends the session: portals, machines and the backend go back."""
        await self.portals.abandon()
        await self._leases.close()
        await self.relay.close()

    async def _acquire(self, engine: str) -> Lease:
        who = self.principal.name
        size, priority = self._services.declaration.preference(engine, self.workspace, who, self._admission.warehouse)
        lease = await self._services.pool.lease(
            engine, workspace=self.workspace, principal=who, size=size, priority=priority
        )
        if lease.woken_seconds is not None:
            self.inform(f"compute was asleep: a {engine} machine started in {lease.woken_seconds:.2f} s")
        return lease
