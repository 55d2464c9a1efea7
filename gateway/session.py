"""A session: one user's conversation with one workspace, whatever the door.

It owns the settings, the transaction block, the prepared statements and portals, the machines it holds and its
conversation with PostgreSQL. It decides nothing about SQL (the planner does) and knows no sockets (the door does).

Lifecycle: opened after login; `prepare`, `bind` and fetching from portals by one task; `cancel` from anywhere;
`close` gives everything back.
"""

import functools
import time
from collections.abc import Callable, Coroutine, Hashable, Mapping, Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from typing import Any, TypeVar

from catalog.errors import (
    InsufficientPrivilege,
    InvalidCursorName,
    SqlError,
)
from catalog.principals import Principal
from catalog.resolution import Resolution
from catalog.types import Description
from gateway import enlistment
from gateway.actions import Notice
from gateway.briefing import tell_own
from gateway.executor import Executor
from gateway.interruption import Interruption
from gateway.leases import Leases
from gateway.lending import Lending
from gateway.portal import PROTOCOL, Binding, CursorOptions, Portal, PreparedStatement, check_formats, check_values
from gateway.portals import Portals
from gateway.relay import Flight, RelayAnswer, RelayPortal
from gateway.result import Repetition
from gateway.roles import Roles
from gateway.services import ANYTHING, Admission, Services
from gateway.statements import Statements
from gateway.transaction import Block
from gateway.variables import Variables, read_duration
from planner.parse import Statement, parse
from planner.plan import Dialect
from planner.session import is_own

T = TypeVar("T")
_UNHEARD = {"warning": ("NOTICE",), "error": ("NOTICE", "WARNING")}
"""What is not sent at a value of client_min_messages."""
_NO_NAMES = (0, 0)
Situation = tuple[int, int, int]
"""What decides, beside a statement's text, what it means to this session."""


class Session:
    """One logged-in `user` in one workspace, who acts as the `principal`. `ends` are its connection's, as
    `lakegate.ends` has them. `notices` wait for the door to send them, which `hurry` has it do now, and `cursors`
    changes with what cursors there are. `machines`: see `gateway.lending`."""

    def __init__(
        self,
        services: Services,
        user: Principal,
        workspace: str,
        variables: Variables,
        admission: Admission = ANYTHING,
    ) -> None:
        self.user = user
        self.workspace = workspace
        self.variables = variables
        self.pid = 0
        self.ends: Mapping[str, str | int] = {}
        self.query_start = self.state_change = 0.0
        self._query = ""
        self.cursors = 0
        self.block = Block()
        self.statements = Statements(services.limits.prepared_statements)
        self.portals = Portals(services.limits.portals)
        self.vault = services.storage.open()
        self.notices: list[Notice] = []
        self.hurry: Callable[[], None] = lambda: None
        self.relay = services.relay.open(user.name, workspace)
        self.verdicts = services.verdicts
        self.roles = Roles(user, services.catalog, variables, self.relay)
        self.machines = Lending(self, services, admission.warehouse)
        self._services = services
        self._admission = admission
        self._leases = Leases(self.machines.acquire, services.limits.lease_idle_seconds)
        self._executor = Executor(self, services, self._leases)
        self._interruption = Interruption()

    @property
    def principal(self) -> Principal:
        """Whose rights count. Raises SqlError where the user may not act so any more."""
        return self.roles.find()

    @property
    def status(self) -> bytes:
        """The byte of ReadyForQuery."""
        return self.block.status

    @property
    def working(self) -> bool:
        """Whether a statement runs."""
        return self._interruption.working

    @property
    def situation(self) -> Situation:
        return self._services.catalog.version(self.workspace), self.variables.epoch, self.relay.epoch

    @property
    def names(self) -> tuple[int, int]:
        """Changes with what prepared statements and cursors there are."""
        return self.statements.changes, self.cursors

    @property
    def alike(self) -> Hashable:
        """All that decides what a text means to this session and to any other of which it is the same. None where it
        has something of its own, in PostgreSQL or under a name."""
        if self.relay.epoch or self.names != _NO_NAMES:
            return None
        version = self._services.catalog.version(self.workspace)
        settings = frozenset(item for item in self.settings.items() if item[0] != "application_name")
        return self.user, self._admission, self.workspace, version, settings

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

    def admit(self, statement: Statement) -> None:
        """Refuses what may not run now: in a block that has failed all but its end, and in a role that was taken from
        the user all but what gives her another."""
        self.block.admit(ends_block=statement.ends_block)
        if not is_own(statement):
            self.roles.find()

    async def prepare(self, statement: Statement | None, types: Sequence[int] = ()) -> PreparedStatement:
        """Describes a statement without executing it. Raises SqlError with PostgreSQL's own text where it can be
        told."""
        if statement is None:
            return PreparedStatement(None, tuple(types), Description(tuple(types), None))
        self.admit(statement)
        return await self._executor.describe(statement, tuple(types))

    def prepare_at_once(self, statement: Statement, types: Sequence[int]) -> PreparedStatement | None:
        """What `prepare` gives, if PostgreSQL's description is known already."""
        if statement.describable is None or self.block.failed:
            return None
        self.admit(statement)
        return self._executor.find_described(statement, tuple(types))

    def recall(self, statement: Statement, types: Sequence[int], binding: Binding) -> RelayAnswer | None:
        """PostgreSQL's own answer to an immutable statement, if it was kept."""
        return self.relay.recall(
            statement.text, types, binding.formats, binding.values, binding.result_formats, self.variables.effective
        )

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
        prepared = self._executor.renew(self.statements.get(statement))
        check_values(prepared, statement, binding)
        if prepared.statement is None:
            self.block.admit(ends_block=False)
        else:
            self.admit(prepared.statement)
        self.portals.check(name)
        values = self._executor.read_values(name, prepared, binding) if binding.values else None
        check_formats(prepared, binding)
        earlier = self.portals.find(name)
        if earlier is not None and earlier.held:
            return False
        portal = self.make_portal(prepared, binding)
        portal.values = values
        self.portals.add(name, portal, self.block.depth)
        self.count_plan(statement)
        return True

    def count_plan(self, name: str) -> None:
        """The prepared statement of that name is bound, and would be planned."""
        self.statements.count(name, self.settings.get("plan_cache_mode", "auto"))

    def portal(self, name: str) -> Portal:
        found = self.portals.find(name)
        if found is None:
            raise InvalidCursorName(f'portal "{name}" does not exist')
        return found

    async def close_portal(self, name: str) -> None:
        portal = self.portals.find(name)
        self.cursors += portal is not None and portal.kept
        await self.portals.close(name)

    async def resolve(self, statement: Statement) -> Resolution:
        """Grants and versions of what the statement names, pinned for the block; what it has written as it is now."""
        resolution = await self._services.catalog.resolve(
            self.principal,
            self.workspace,
            statement.references,
            self._executor.settings().search_path,
            pinned=self.block.pinned,
            temporary=await self._temporary_relations(statement),
            definitions=self.block.definitions,
        )
        for location, version in resolution.pins():
            self.block.pinned.setdefault(location, version)
        return await enlistment.overlay(self._services.catalog, self.block, resolution)

    async def has_temporary(self, statement: Statement) -> bool:
        """Whether the only relation that it names is a temporary one."""
        (reference,) = statement.references
        if reference.schema is not None:
            return reference.schema.startswith("pg_temp")
        return reference.name in await self._temporary_relations(statement)

    async def _temporary_relations(self, statement: Statement) -> frozenset[str]:
        """Not asked for by what names none: PostgreSQL would not tell in a block that has failed."""
        names = {reference.name for reference in statement.references}
        return await self.relay.temporary_relations(names, self.variables.effective)

    def admit_write(self, tag: str) -> None:
        """Refuses a write where it may not run; `tag` is its command tag. Raises SqlError."""
        if self._admission.read_only:
            raise InsufficientPrivilege(
                f"cannot execute {tag.removesuffix(' 0')}: the access token is for reading only"
            )
        default, chosen = self.variables.current("default_transaction_read_only"), self.block.modes.read_only
        self.block.admit_write(tag, read_only=default == "on" if chosen is None else chosen)

    async def now(self) -> datetime:
        """The block's start, which `now()` is for every statement in it. PostgreSQL's own in an explicit block, where
        it answers `now()` too."""
        if self.block.now is None:
            explicit = self.block.explicit
            self.block.now = await self.relay.now(self.variables.effective) if explicit else datetime.now(UTC)
        return self.block.now

    def end_implicit_block_at_once(self) -> bool:
        """Ends an implicit block that holds nothing; False for an explicit one, or when something has to be awaited."""
        self.state_change = time.time()
        held = self.block.changes or self.relay.in_block or not self.portals.idle
        if self.block.explicit or held or self.variables.pending:
            return False
        self.portals.forget()
        self.block.end()
        return True

    async def begin_implicit_block(self) -> None:
        """PostgreSQL takes what it is asked from now on, to the block's end, for one transaction."""
        self.block.begun = True
        await self.relay.begin(self.block.modes)

    async def end_block(self, *, commit: bool) -> None:
        """The end of a block, explicit or implicit: portals close, pins are gone, settings stay or go back. The queries
        of cursors WITH HOLD are read to their ends first, then what was written is committed. Raises what that raises;
        the block is rolled back then."""
        commit, leaves = commit and not self.block.doomed, self.block.definitions is not None
        if commit:
            await self._commit()
        await self.portals.end_block(commit=commit)
        try:
            await enlistment.leave(self.block)
        finally:
            self.variables.end(commit=commit)
            self.block.end()
            await self.relay.end(commit=commit)
            if leaves:
                self._services.catalog.clear_leftovers(self.workspace)

    async def _commit(self) -> None:
        try:
            await self.portals.keep()
            await enlistment.commit(self, self._services.catalog)
        except BaseException:
            await self.end_block(commit=False)
            raise

    async def relay_statement(self, sql: str) -> RelayPortal:
        """A statement of ours about what the session has in PostgreSQL."""
        return await self.relay.execute(sql, (), (), (), (), self.variables.effective)

    def warn(self, content: SqlError) -> None:
        self._notify(content, "WARNING")

    def inform(self, content: SqlError) -> None:
        self._notify(content, "NOTICE")

    def _notify(self, content: SqlError, severity: str) -> None:
        """Kept for the door, unless the client does not want to hear of such."""
        if severity not in _UNHEARD.get(self.variables.effective.get("client_min_messages", "notice").lower(), ()):
            self.notices.append(Notice(content, severity))

    def fail(self) -> None:
        """A statement failed: settings go back. An explicit block takes nothing but its end now; the cursors of an
        implicit one are not kept."""
        self.block.fail()
        self.variables.undo(self.block.latest)
        if not self.block.explicit:
            self.portals.fail()

    async def interruptible(self, work: Coroutine[Any, Any, T]) -> T:
        """Awaits `work` such that `cancel`, and the setting statement_timeout, end it with QueryCanceled.

        Raises ConnectionResetError, and starts nothing, when the client has left.
        """
        seconds = read_duration(self.variables.effective.get("statement_timeout", "0"))
        return await self._interruption.run(work, seconds)

    def launch(self, again: Repetition, landed: Callable[[Flight], None]) -> Flight | None:
        """Relays a statement that was relayed before, outside a block, if that can be done at once; `land` ends it."""
        variables = self.variables.effective
        if self._interruption.abandoned or "statement_timeout" in variables:
            return None
        if again.planned.asks_for_statistics and not self._services.catalog.has_published(self.workspace):
            return None
        flight = self.relay.launch(again.call, tell_own(self, again.planned), landed, custom=again.custom)
        if flight is not None:
            self._interruption.begin(flight)
        return flight

    def land(self) -> None:
        """What was launched has been answered."""
        self._interruption.end()
        self.state_change = time.time()

    def cancel(self) -> None:
        """Cancels the running statement; nothing happens when none runs."""
        self._interruption.cancel()

    def abandon(self) -> None:
        """The client has left: cancels what runs, and nothing runs from now on."""
        self._interruption.abandoned = True
        self.cancel()

    async def close(self) -> None:
        """Ends the session: portals, machines and the backend go back, whatever one of them raises."""
        async with AsyncExitStack() as rest:
            if self.block.definitions is not None:
                rest.callback(self._services.catalog.clear_leftovers, self.workspace)
            rest.push_async_callback(self.relay.close)
            if self.block.definitions is not None:
                # Told, PostgreSQL lets go of what the block has made before that is looked for.
                rest.push_async_callback(self.relay.end, commit=False)
            rest.push_async_callback(self._leases.close)
            rest.push_async_callback(enlistment.leave, self.block)
            await self.portals.abandon()
