"""A listener on a real socket with a scripted session behind it, and a raw client that speaks to it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from catalog.errors import QueryCanceled, SqlError
from catalog.verifier import build_verifier
from gateway.auth.scram import BOUND_MECHANISM, MECHANISM, ScramServer, Verifier, mock_verifier
from gateway.pgwire import messages as m
from gateway.pgwire import startup
from gateway.pgwire.codec import encode
from gateway.pgwire.connection import NEED_DATA, Connection, Message
from gateway.pgwire.door import Door
from gateway.pgwire.handler import Replay
from gateway.pgwire.listener import Listener, Terms
from gateway.pgwire.login import admit, authenticate
from gateway.pgwire.messages import BackendMessage, FieldDescription, ProtocolVersion
from gateway.pgwire.state import Side, State

PASSWORD = "open sesame"
VERIFIER = Verifier.parse(build_verifier(PASSWORD))
SECRET = b"k" * 32
COLUMN = m.RowDescription((FieldDescription("?column?", 23, 4),))
ONE_ROW: tuple[BackendMessage, ...] = (COLUMN, m.DataRow((b"1",)), m.CommandComplete("SELECT 1"))


@dataclass
class ScriptedSession:
    """Answers ``1`` to whatever has no script. Scripts: what a statement's text does to the session.

    Events tell what happened: a script has begun, reading or writing was paused, the client is gone, all is closed.
    """

    door: Door
    scripts: dict[str, Callable[["ScriptedSession"], Awaitable[None] | None]]
    trust: bool = False
    end_point: bytes | None = None
    status: bytes = b"I"
    user: str = ""
    calls: list[str] = field(default_factory=list)
    began: asyncio.Event = field(default_factory=asyncio.Event)
    reading_paused: asyncio.Event = field(default_factory=asyncio.Event)
    writing_paused: asyncio.Event = field(default_factory=asyncio.Event)
    gone: asyncio.Event = field(default_factory=asyncio.Event)
    closed: asyncio.Event = field(default_factory=asyncio.Event)
    statement: str = ""
    replays: dict[bytes, Replay] = field(default_factory=dict)
    last_words: tuple[BackendMessage, ...] = ()

    async def startup(self, startup_message: m.StartupMessage) -> None:
        self.user = startup_message.user
        if self.trust:
            self.door.send(m.AuthenticationOk())
        else:
            verifier = VERIFIER if self.user == "ann" else mock_verifier(self.user, SECRET)
            offered = {MECHANISM: ScramServer(self.user, [verifier], end_point=self.end_point)}
            if self.end_point is not None:
                bound = ScramServer(self.user, [verifier], end_point=self.end_point, bound=True)
                offered = {BOUND_MECHANISM: bound, **offered}
            admit(self.door, await authenticate(self.door, offered))
        self.door.send(m.ParameterStatus("server_version", "18.0"))
        self.door.send(m.ParameterStatus("client_encoding", "UTF8"))
        self.door.send(m.BackendKeyData(7, SECRET if startup.has_long_secrets(self.door.version) else SECRET[:4]))

    def replay(self, cycle: bytes) -> Replay:
        return self.replays.get(cycle)

    def handle(self, message: m.FrontendMessage) -> Awaitable[None] | None:
        self.calls.append(type(message).__name__)
        match message:
            case m.Query(sql):
                return self._run(sql, ONE_ROW)
            case m.Parse(_, sql):
                self.statement = sql
                self.door.send(m.ParseComplete())
            case m.Bind():
                self.door.send(m.BindComplete())
            case m.Describe("S"):
                self.door.send(m.ParameterDescription(()))
                self.door.send(COLUMN)
            case m.Describe("P"):
                self.door.send(COLUMN)
            case m.Execute():
                return self._run(self.statement, ONE_ROW[1:])
            case m.Close():
                self.door.send(m.CloseComplete())
        return None

    def _run(self, sql: str, answer: tuple[BackendMessage, ...]) -> Awaitable[None] | None:
        if sql in self.scripts:
            self.began.set()
            return self.scripts[sql](self)
        for message in answer:
            self.door.send(message)
        return None

    def failed(self, error: SqlError) -> None:
        self.calls.append(f"failed {error.sqlstate}")
        self.status = b"E" if self.status == b"T" else self.status

    def conclude(self) -> None:
        for message in self.last_words:
            self.door.send(message)

    def disconnected(self) -> None:
        self.calls.append("disconnected")
        self.gone.set()

    async def close(self) -> None:
        self.calls.append("close")
        self.closed.set()


class House:
    """The listener, its address, the sessions that were opened and the cancel requests that came."""

    def __init__(self, **terms: Any) -> None:
        self.scripts: dict[str, Callable[[ScriptedSession], Awaitable[None] | None]] = {}
        self.sessions: list[ScriptedSession] = []
        self.opened: asyncio.Queue[ScriptedSession] = asyncio.Queue()
        self.cancels: asyncio.Queue[tuple[int, bytes]] = asyncio.Queue()
        self.trust = False
        self.end_point: bytes | None = None
        base = Terms(self._open, self._cancel)
        self.listener = Listener(replace(base, **terms))
        self.host, self.port = "", 0

    async def _cancel(self, pid: int, secret: bytes, _: object) -> bytes:
        self.cancels.put_nowait((pid, secret))
        return b""

    def _open(self, door: Door) -> ScriptedSession:
        session = ScriptedSession(door, self.scripts, self.trust, self.end_point)
        announce(door, "pause_writing", session.writing_paused)
        announce(door._reading, "pause", session.reading_paused)
        self.sessions.append(session)
        self.opened.put_nowait(session)
        return session

    @property
    def conninfo(self) -> str:
        return f"host={self.host} port={self.port} user=ann dbname=demo password='{PASSWORD}'"


def announce(target: object, method: str, event: asyncio.Event) -> None:
    """Sets the event whenever that method is called."""
    original = getattr(target, method)

    def call(*arguments: Any) -> Any:
        event.set()
        return original(*arguments)

    setattr(target, method, call)


@asynccontextmanager
async def house(**terms: Any) -> AsyncIterator[House]:
    """Open until the block ends; then drained, and every session must have been closed."""
    opened = House(**terms)
    opened.host, opened.port = await opened.listener.listen("127.0.0.1", 0)
    try:
        yield opened
    finally:
        await opened.listener.drain(0)
    assert all(session.calls.count("close") == 1 for session in opened.sessions)
    assert all(session.calls.count("disconnected") == 1 for session in opened.sessions)


class RawClient:
    """A socket that sends any bytes, and reads answers by our own codec."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self._answers = Connection(Side.CLIENT)
        self._answers.state = State.OPEN

    def write(self, *parts: bytes | Message) -> None:
        self.writer.write(b"".join(part if isinstance(part, bytes) else encode(part) for part in parts))

    async def read(self) -> Message | None:
        """The next answer; None at the end."""
        while (message := self._answers.next_event()) is NEED_DATA:
            content = await self.reader.read(65536)
            if not content:
                return None
            self._answers.receive_data(content)
        if isinstance(message, m.ErrorResponse):
            self._answers.state = State.OPEN
        assert isinstance(message, BackendMessage)
        return message

    async def read_until(self, kind: type[BackendMessage]) -> list[Message]:
        """The answers up to the first of that kind, or to the end."""
        found: list[Message] = []
        while (message := await self.read()) is not None:
            found.append(message)
            if isinstance(message, kind):
                break
        return found

    async def error(self) -> tuple[str, str, str]:
        """Severity, SQLSTATE and text of the next ErrorResponse; what comes before is passed over."""
        last = (await self.read_until(m.ErrorResponse))[-1]
        assert isinstance(last, m.ErrorResponse), last
        return last.fields["V"], last.fields["C"], last.fields["M"]

    async def ended(self) -> bool:
        """Whether the server has closed, with nothing more to say."""
        try:
            return await self.reader.read() == b""
        except ConnectionResetError:
            return True


@asynccontextmanager
async def raw_client(at: House) -> AsyncIterator[RawClient]:
    reader, writer = await asyncio.open_connection(at.host, at.port)
    try:
        yield RawClient(reader, writer)
    finally:
        writer.close()


@asynccontextmanager
async def session_client(at: House) -> AsyncIterator[tuple[RawClient, ScriptedSession]]:
    """A raw client that is let in without a password, and its session."""
    at.trust = True
    async with raw_client(at) as client:
        client._answers.state = State.AUTHENTICATING
        client.write(m.StartupMessage(ProtocolVersion(3, 0), {"user": "ann"}, {}))
        await client.read_until(m.ReadyForQuery)
        yield client, await at.opened.get()


async def wait_for_cancel(session: ScriptedSession) -> None:
    """A statement that ends only when it is cancelled or its client is gone."""
    await session.gone.wait()
    raise QueryCanceled("canceling statement due to user request")
