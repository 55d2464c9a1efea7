"""Requests: all that one round trip asks of a backend, built up and written at once.

BEGIN where a block has begun, then settings that differ, then the statement, then Sync; if one fails, PostgreSQL skips
the rest up to Sync, so a statement never runs under settings that are not its session's.
"""

from collections.abc import Hashable, Mapping
from typing import NamedTuple

from catalog.types import Oid
from gateway.pgwire.codec import encode
from gateway.pgwire.messages import Bind, Close, Describe, Execute, Flush, Parse, Sync
from gateway.relay.settings import set_command
from gateway.relay.statements import UNNAMED, NamedStatement, NamedStatements, StatementKey

SYNC = encode(Sync())
FLUSH = encode(Flush())
_EXECUTE = encode(Execute("", 0))
_RUN = encode(Describe("P", "")) + _EXECUTE + SYNC
_SET: StatementKey = ("SELECT pg_catalog.set_config($1, $2, false)", (Oid.TEXT, Oid.TEXT), None)
_RESET_ALL = ("RESET SESSION AUTHORIZATION", "RESET ROLE", "RESET ALL")
_READY_REQUESTS = 2
_BINARY = 1


class Call(NamedTuple):
    """A statement bound to its values, as Parse and Bind carry it."""

    text: str
    types: tuple[int, ...] = ()
    formats: tuple[int, ...] = ()
    values: tuple[bytes | None, ...] = ()
    result_formats: tuple[int, ...] = ()


class Request:
    """One write. `skipped` counts the commands whose answers are dropped, `parses` are the statements that it prepares,
    in order, None for those that are not kept. It must not keep so many that one of them makes room for another.

    `call` is the statement that it executes. `sets` says that it changes settings, `variables` are the backend's after
    it, None where it does not look at them. `goes_on` as `NamedStatements.add` has it.
    """

    __slots__ = ("_goes_on", "_parts", "_statements", "call", "parses", "sets", "skipped", "variables")

    def __init__(self, statements: NamedStatements, *, goes_on: bool = False) -> None:
        self._statements = statements
        self._goes_on = goes_on
        self._parts: list[bytes] = []
        self.call: Call | None = None
        self.parses: list[StatementKey | None] = []
        self.skipped = 0
        self.sets = False
        self.variables: Mapping[str, str] | None = None

    def __bytes__(self) -> bytes:
        return b"".join(self._parts)

    def apply(self, old: Mapping[str, str] | None, new: Mapping[str, str], *, in_block: bool = False) -> None:
        """Makes the backend's variables `new`. `old` None: they are not known, so all are reset first. `in_block`: by
        commands, where a query would take a snapshot that the block may not have yet."""
        self.variables = new
        if old is new or old == new:
            return
        self.sets = True
        if old is None:
            for text in _RESET_ALL:
                self.command(text)
            old = {}
        for name in old.keys() - new.keys():
            self._set(name, None, in_block=in_block)
        for name, value in new.items():
            if old.get(name) != value:
                self._set(name, value, in_block=in_block)

    def command(self, text: str) -> None:
        """A command of ours whose answer nobody needs."""
        statement = self._prepare((text, (), None))
        self._parts += (encode(Bind("", statement.name, (), (), ())), _EXECUTE)
        self.skipped += 1

    def describe(self, key: StatementKey, end: bytes = SYNC) -> None:
        """Prepares and describes a statement."""
        self._parts += (encode(Describe("S", self._prepare(key).name)), end)

    def execute(
        self,
        call: Call,
        scope: Hashable,
        portal: str = "",
        max_rows: int = 0,
        end: bytes = SYNC,
        *,
        custom: bool = False,
    ) -> None:
        """Binds, describes and executes. A portal that is to outlive its request has a name. `custom`: PostgreSQL is to
        plan it for its values, as it does what has no name; what it keeps a name for it may plan for any."""
        statement = self._prepare((call.text, call.types, scope), custom=custom and call.values != ())
        statement.uses += 1
        self.call = call
        if portal or end is FLUSH:
            self._parts += (_bind(portal, statement, call), encode(Describe("P", portal)))
            self.resume(portal, max_rows, end)
        elif call.values:
            self._parts += (_bind("", statement, call), _RUN)
        else:
            self._parts.append(_ready(statement, call))

    def evaluate(self, arguments: str, types: tuple[int, ...], end: bytes) -> int:
        """Has an EXECUTE evaluate its `arguments` for parameters of these types, in binary. Returns the number of
        characters that its text has before them."""
        numbers = ", ".join(f"${number}" for number in range(1, len(types) + 1))
        statement = self._prepare((f"SELECT {numbers}", types, None))
        before = f"EXECUTE {statement.name} "
        self.parses.append(None)
        self._parts += (
            encode(Parse("", before + arguments, ())),
            encode(Bind("", "", (), (), (_BINARY,))),
            _EXECUTE,
            end,
        )
        return len(before)

    def resume(self, portal: str, max_rows: int, end: bytes) -> None:
        """Executes an open portal for more rows."""
        self._parts += (encode(Execute(portal, max_rows)), end)

    def close_portal(self, portal: str) -> None:
        self._parts.append(encode(Close("P", portal)))

    def end(self) -> None:
        """After commands alone."""
        self._parts.append(SYNC)

    def once(self, text: str) -> None:
        """A command of ours that is not to be kept."""
        self.parses.append(None)
        self._parts += (encode(Parse("", text, ())), encode(Bind("", "", (), (), ())), _EXECUTE)
        self.skipped += 1

    def _set(self, name: str, value: str | None, *, in_block: bool) -> None:
        command = set_command(name, value) if in_block else ""
        if command:
            self.once(command)
            return
        values = (name.encode(), None if value is None else value.encode())
        self._parts += (_bind("", self._prepare(_SET), Call("", values=values)), _EXECUTE)
        self.skipped += 1

    def _prepare(self, key: StatementKey, *, custom: bool = False) -> NamedStatement:
        known = self._statements.find(key)
        if known is not None and not (custom and known.worn):
            return known
        statement, evicted = self._statements.add(key, goes_on=self._goes_on)
        if evicted:
            self._parts.insert(0, encode(Close("S", evicted)))
        self.parses.append(key)
        self._parts.append(encode(Parse(statement.name, key[0], key[1])))
        return statement


def _bind(portal: str, statement: NamedStatement, call: Call) -> bytes:
    return encode(Bind(portal, statement.name, call.formats, call.values, call.result_formats))


def _ready(statement: NamedStatement, call: Call) -> bytes:
    """The whole request of a statement without parameters, kept for the next time."""
    request = statement.requests.get(call.result_formats)
    if request is None:
        request = _bind("", statement, call) + _RUN
        if statement is not UNNAMED and len(statement.requests) < _READY_REQUESTS:
            statement.requests[call.result_formats] = request
    return request
