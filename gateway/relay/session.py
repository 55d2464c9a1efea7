"""What a client session asks of PostgreSQL, as the user's own role. How a backend is held for it is `conversation`'s.

The gateway's variables are the truth: every call takes those in force, and each request brings the backend's up to date
first. A session is used by one task; only `cancel` may come from another.
"""

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from catalog.errors import CharacterNotInRepertoire, SqlError, error_class
from catalog.types import Oid
from gateway.relay.answers import RelayAnswer, RelayDescription, read_description, read_rows
from gateway.relay.backend import Identity
from gateway.relay.caches import RecentlyUsed
from gateway.relay.conversation import Conversation
from gateway.relay.flight import Flight
from gateway.relay.limits import RelayLimits
from gateway.relay.load import RelayLoad, begin_load
from gateway.relay.notifications import Subscriber
from gateway.relay.outcomes import is_repeatable
from gateway.relay.pool import Pool
from gateway.relay.portal import RelayPortal
from gateway.relay.requests import Call
from gateway.relay.run import Assignment, Kind, Run
from gateway.relay.settings import Scope, Settings, check_variable, keep_meaningless, quote_setting, set_command
from planner.plan import Modes
from planner.session import KEPT

_SET_CONFIG = "SELECT pg_catalog.set_config($1, $2, false)"
_TRY_CONFIG = (
    "WITH tried AS MATERIALIZED (SELECT pg_catalog.set_config($1, $2, true) AS value)"
    " SELECT value || pg_catalog.left(pg_catalog.set_config($1, NULL, true), 0) FROM tried"
)
"""Set and undone before the backend is idle: what it would do then is the gateway's to do."""
_TEMPORARY_RELATIONS = (
    "SELECT coalesce(pg_catalog.json_agg(relname), '[]') FROM pg_catalog.pg_class"
    " WHERE relnamespace = pg_catalog.pg_my_temp_schema()"
    " AND relname = ANY (ARRAY(SELECT pg_catalog.json_array_elements_text($1)::pg_catalog.name))"
)
_CURRENT_SETTING = "SELECT pg_catalog.current_setting($1)"
_CARRY_OUT = "SELECT lakegate.carry_out($1, $2, $3)"
_CARRIED = (Oid.TEXT, Oid.BYTEA, Oid.BOOL)
_NOW = "SELECT (extract(epoch FROM pg_catalog.now()) * 1000000)::pg_catalog.int8"
_CURRENT_SCHEMA = "SELECT pg_catalog.current_schema()"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NO_MODES = Modes()


@dataclass(frozen=True, slots=True)
class Shared:
    """What the sessions of a gateway share. `new_epoch` gives a number that was never given before."""

    pool: Pool
    limits: RelayLimits
    version_of: Callable[[str], int]
    descriptions: RecentlyUsed[RelayDescription]
    memo: RecentlyUsed[RelayAnswer]
    new_epoch: Callable[[], int]


class RelaySession:
    """Opened by `Relay.open`. Every method may raise SqlError; `report_of` tells whether PostgreSQL raised it."""

    def __init__(self, identity: Identity, shared: Shared) -> None:
        self._identity = identity
        self._shared = shared
        self._settings = Settings()
        self._conversation = Conversation(identity, shared.pool, self._settings, shared.new_epoch)
        self._portals = 0

    def hear(self, subscriber: Subscriber) -> None:
        """Who hears the notifications of channels that the session listens on."""
        self._conversation.subscriber = subscriber

    @property
    def epoch(self) -> int:
        """Changes with what lives on the backend (temp tables among it); 0 while nothing does."""
        return self._conversation.holdings.epoch

    @property
    def holds_state(self) -> bool:
        """Temp tables or held cursors keep a backend with this session."""
        return self._conversation.holdings.state

    @property
    def in_block(self) -> bool:
        """Whether a block has begun, though PostgreSQL may not have heard of it."""
        return self._conversation.holdings.begin != ""

    @property
    def has_begun(self) -> bool:
        """Whether PostgreSQL has heard of the block."""
        return self._conversation.holdings.begun

    def find_description(
        self, sql: str, parameter_types: Sequence[int], variables: Mapping[str, str]
    ) -> RelayDescription | None:
        """What `describe` would tell, if it is known already."""
        key = (sql, tuple(parameter_types), self._scope(variables))
        return self._shared.descriptions.find((self._identity, key))

    async def describe(
        self, sql: str, parameter_types: Sequence[int], variables: Mapping[str, str]
    ) -> RelayDescription:
        """PostgreSQL's Describe of a statement, which executes nothing. Cached."""
        _check_text(sql)
        known = self.find_description(sql, parameter_types, variables)
        if known is not None:
            return known
        key = (sql, tuple(parameter_types), self._scope(variables))
        conversation = self._conversation
        backend = await conversation.hold()
        request = conversation.open_request(backend, begins=False)
        end = conversation.holdings.choose_end()
        request.describe(key, end)
        run = Run(backend, request, Kind.DESCRIBE, end)
        await conversation.advance(run)
        description = read_description(run.exchange)
        self._shared.descriptions.keep(
            (self._identity, key), description, len(sql) + 3 * len(description.row_description)
        )
        return description

    def recall(
        self,
        sql: str,
        parameter_types: Sequence[int],
        parameter_formats: Sequence[int],
        parameter_values: Sequence[bytes | None],
        result_formats: Sequence[int],
        variables: Mapping[str, str],
    ) -> RelayAnswer | None:
        """PostgreSQL's own answer to the same immutable statement, if it was kept. At once, without a backend."""
        call = _call(sql, parameter_types, parameter_formats, parameter_values, result_formats)
        return self._shared.memo.find((self._identity, call, self._scope(variables)))

    async def execute(
        self,
        sql: str,
        parameter_types: Sequence[int],
        parameter_formats: Sequence[int],
        parameter_values: Sequence[bytes | None],
        result_formats: Sequence[int],
        variables: Mapping[str, str],
        *,
        max_rows: int = 0,
        immutable: bool = False,
        alters: bool = False,
        custom: bool = False,
    ) -> RelayPortal:
        """Executes up to `max_rows` rows (0: all), and returns when the first are there. An error after columns or rows
        is the portal's to raise.

        `immutable` says that the statement has no relations and calls only immutable functions: a small answer is kept.
        `alters` says that it changes settings itself: the backend's count as unknown afterwards. `custom`: as
        `Request.execute` has it.
        """
        _check_text(sql)
        call = _call(sql, parameter_types, parameter_formats, parameter_values, result_formats)
        scope = self._scope(variables)
        conversation = self._conversation
        backend = await conversation.hold_to_begin()
        request = conversation.open_request(backend)
        portal = self._name_portal() if max_rows else ""
        end = conversation.holdings.choose_end(suspends=max_rows > 0)
        request.execute(call, scope, portal, max_rows, end, custom=custom)
        run = Run(backend, request, Kind.EXECUTE, end, portal)
        run.alters = alters
        await conversation.advance(run)
        if immutable and run.settled and is_repeatable(call, run.exchange):
            self._remember(call, scope, run)
        return RelayPortal(conversation, run)

    async def evaluate(
        self, arguments: str, types: tuple[int, ...], variables: Mapping[str, str]
    ) -> tuple[bytes | None, ...]:
        """What PostgreSQL makes of an EXECUTE's arguments, such as ``(1, now())``, for parameters of these types, as
        binary values. Positions of errors count in the arguments."""
        _check_text(arguments)
        self._settings.read(variables)
        return await self._conversation.evaluate(arguments, types)

    def launch(
        self, call: Call, variables: Mapping[str, str], landed: Callable[[Flight], None], *, custom: bool = False
    ) -> Flight | None:
        """As `execute` of all rows, but nobody has to wait: `landed` is called when there is an answer. None, and
        nothing has happened, if that would take more than one write."""
        scope = self._scope(variables)
        run = self._conversation.launch(call, scope, custom=custom)
        return None if run is None else Flight(self._conversation, run, landed)

    async def copy_out(self, copy: str, variables: Mapping[str, str]) -> RelayPortal:
        """Carries out a COPY … TO STDOUT: its data are the portal's rows, from CopyOutResponse to CopyDone."""
        _check_text(copy)
        self._settings.read(variables)
        conversation = self._conversation
        run = await conversation.start_copy(Call(copy), Kind.EXECUTE, conversation.holdings.choose_end())
        await conversation.advance(run)
        return RelayPortal(conversation, run)

    async def load(self, copy: str, variables: Mapping[str, str]) -> RelayLoad:
        """A COPY … FROM STDIN, up to where it wants its rows."""
        _check_text(copy)
        self._settings.read(variables)
        return await begin_load(self._conversation, Call(copy))

    async def set_variable(self, name: str, value: str | None, variables: Mapping[str, str]) -> str:
        """What SET makes of the value (None: the default), in canonical form, validated by PostgreSQL for this role.

        The caller keeps it among its variables; this session's backend has it already, unless it never is to.
        """
        self._settings.read(variables)
        values = (name.encode(), None if value is None else value.encode())
        kept = name.lower() in KEPT
        text, assigns = (_TRY_CONFIG, None) if kept else (_SET_CONFIG, Assignment(name.lower(), value))
        call, command = Call(text, (Oid.TEXT, Oid.TEXT), (), values), ""
        if self._conversation.holdings.begun and not kept:
            command = set_command(name, value)
            call = Call(f"SHOW {quote_setting(name)}") if command else call
        canonical = await self._conversation.ask(call, assigns=assigns, after=command)
        check_variable(name, canonical)
        return canonical

    async def show(self, name: str, variables: Mapping[str, str]) -> str:
        """What SHOW would answer."""
        self._settings.read(variables)
        return await self._conversation.ask(Call(_CURRENT_SETTING, (Oid.TEXT,), (), (name.encode(),)))

    async def read_back(self, name: str) -> str:
        """What the statement before, which `alters` settings, has made of one in the open block."""
        return await self._conversation.read_back(Call(_CURRENT_SETTING, (Oid.TEXT,), (), (name.encode(),)))

    async def now(self, variables: Mapping[str, str]) -> datetime:
        """What `now()` is in the open block, which begins in PostgreSQL with this if it has not yet."""
        self._settings.read(variables)
        micros = await self._conversation.ask(Call(_NOW), begins=True)
        return _EPOCH + timedelta(microseconds=int(micros))

    async def current_schema(self, variables: Mapping[str, str]) -> str:
        """What `current_schema()` is; empty where no schema of the search path exists."""
        self._settings.read(variables)
        return await self._conversation.ask(Call(_CURRENT_SCHEMA))

    async def temporary_relations(self, names: Collection[str], variables: Mapping[str, str]) -> frozenset[str]:
        """Which of the names are the session's temp tables and views, which come before any other of that name."""
        if not self.holds_state or not names:
            return frozenset()
        self._settings.read(variables)
        values = (json.dumps(list(names)).encode(),)
        found = await self._conversation.ask(Call(_TEMPORARY_RELATIONS, (Oid.JSON,), (), values))
        return frozenset(json.loads(found))

    async def read_defaults(self) -> Mapping[str, str]:
        """ParameterStatus of a backend that just logged in: what a new session of this role reports."""
        backend = await self._conversation.hold()
        if self._conversation.holdings.is_empty:
            self._conversation.close()
        return backend.defaults

    async def begin(self, modes: Modes = _NO_MODES) -> None:
        """A transaction block begins; PostgreSQL hears of it with the first statement in it."""
        holdings = self._conversation.holdings
        holdings.begin = holdings.begin or f"BEGIN {modes}"

    async def set_modes(self, modes: Modes) -> None:
        """SET TRANSACTION, in the open block. PostgreSQL refuses what comes too late."""
        await self._conversation.set_modes(modes)

    async def carry_out(
        self, statement: str, seal: bytes, variables: Mapping[str, str], *, answers: bool, written: bool
    ) -> list[str]:
        """Has the metastore's own function carry out a statement that is sealed for this role, in the open block.
        Returns its rows. Raises SqlError, of which PostgreSQL's context and positions are not the client's.

        The session's settings are for what its client has `written` and nothing else: values are read, and views shown,
        as the metastore's owner does.
        """
        ruling = variables if written else keep_meaningless(variables)
        values = (statement.encode(), b"\\x" + seal.hex().encode(), b"true" if answers else b"false")
        try:
            portal = await self.execute(_CARRY_OUT, _CARRIED, (), values, (), ruling)
            rows = b"".join([run async for run in portal.fetch()])
        except SqlError as error:
            raise error_class(error.sqlstate)(error.message, detail=error.detail, hint=error.hint) from None
        finally:
            self._settings.read(variables)
        self._conversation.holdings.touch()
        return [(row[0] or b"").decode() for row in read_rows(rows)]

    async def save(self) -> int:
        """A savepoint in the open block. Returns its place: how many there were."""
        return await self._conversation.save()

    async def release(self, place: int) -> None:
        """RELEASE the savepoint of that place."""
        await self._conversation.release(place)

    async def go_back(self, place: int) -> None:
        """ROLLBACK TO the savepoint of that place, also when the block has failed."""
        await self._conversation.go_back(place)

    async def end(self, *, commit: bool) -> None:
        """The block ends. Without one, nothing happens."""
        await self._conversation.end_block("COMMIT" if commit else "ROLLBACK")

    async def cancel(self) -> None:
        """Cancels what PostgreSQL runs for this session; that statement then fails with 57014."""
        self._conversation.cancel()

    async def close(self) -> None:
        """Gives the backend back; closes it if something of the session lives there. The session can be used again."""
        self._conversation.close()

    def _scope(self, variables: Mapping[str, str]) -> Scope:
        self._settings.read(variables)
        version = self._shared.version_of(self._identity.workspace)
        return self._settings.relevant, version, self.epoch

    def _name_portal(self) -> str:
        self._portals += 1
        return f"lakegate_{self._portals}"

    def _remember(self, call: Call, scope: Scope, run: Run) -> None:
        answer = RelayAnswer(run.exchange.description, run.exchange.rows, run.exchange.complete)
        if answer.size <= self._shared.limits.memo_answer_bytes:
            size = answer.size + len(call.text) + sum(len(value or b"") for value in call.values)
            self._shared.memo.keep((self._identity, call, scope), answer, size)


def _call(
    sql: str,
    types: Sequence[int],
    formats: Sequence[int],
    values: Sequence[bytes | None],
    result_formats: Sequence[int],
) -> Call:
    return Call(sql, tuple(types), tuple(formats), tuple(values), tuple(result_formats))


def _check_text(sql: str) -> None:
    if "\0" in sql:
        raise CharacterNotInRepertoire('invalid byte sequence for encoding "UTF8": 0x00')
