"""Connecting as drivers do, and little else: TLS, SCRAM-SHA-256, start-up. So that on a machine which serves, too, most
of the processor's time is the server's.

A client salts its password once (RFC 5802 allows it), which is the greater part of what SCRAM costs.
"""

import socket
import ssl
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import get_context
from types import TracebackType
from typing import NamedTuple, Self

from gateway.auth.exchange import Continue, Failure, Step
from gateway.auth.scram import MECHANISM, ScramClient
from gateway.pgwire import messages as m
from gateway.pgwire.connection import NEED_DATA, Connection, Message
from gateway.pgwire.state import Side
from tests.target import Target

SECONDS = 60.0
"""After which a client takes a silent server for dead."""
THREADS = 16
"""Clients at once in one process."""


class Client:
    """One connection, logged in; leaving its context ends it."""

    def __init__(self, target: Target, context: ssl.SSLContext | None) -> None:
        """Without a context, without TLS. Raises OSError, ConnectionError where the server does not let it in."""
        self._connection = Connection(Side.CLIENT)
        self._socket = socket.create_connection((target.host, target.port), SECONDS)
        # As libpq: else what follows the handshake waits for the kernel's delayed acknowledgement, 40 ms.
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            if context is not None:
                self._send(m.SSLRequest())
                assert self._receive() == m.EncryptionResponse(b"S")
                self._socket = context.wrap_socket(self._socket)
            parameters = {"user": target.user, "database": target.database}
            self._send(m.StartupMessage(m.ProtocolVersion(3, 0), parameters, {}))
            self._log_in(ScramClient(target.password))
        except BaseException:
            self._socket.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._socket.close()

    def ask(self, sql: str) -> None:
        """Raises ConnectionError for an error."""
        self._send(m.Query(sql))
        self._await_ready()

    def _log_in(self, scram: ScramClient) -> None:
        while not isinstance(message := self._receive(), m.AuthenticationOk):
            match message:
                case m.AuthenticationSASL():
                    self._send(m.SASLInitialResponse(MECHANISM, _content(scram.exchange(b""))))
                case m.AuthenticationSASLContinue(content):
                    self._send(m.SASLResponse(_content(scram.exchange(content))))
                case m.AuthenticationSASLFinal(content):
                    _content(scram.exchange(content))
        self._await_ready()

    def _await_ready(self) -> None:
        while not isinstance(self._receive(), m.ReadyForQuery):
            pass

    def _send(self, message: m.FrontendMessage) -> None:
        self._socket.sendall(self._connection.send(message))

    def _receive(self) -> Message:
        while (message := self._connection.next_event()) is NEED_DATA:
            data = self._socket.recv(65536)
            if not data:
                raise ConnectionResetError("the server has closed the connection")
            self._connection.receive_data(data)
        if isinstance(message, m.ErrorResponse):
            raise ConnectionRefusedError(str(message.fields))
        return message


def _content(step: Step) -> bytes:
    match step:
        case Continue(content):
            return content
        case Failure(error):
            raise ConnectionRefusedError(str(error))
    return b""


def make_context() -> ssl.SSLContext:
    """As sslmode=require: nobody's certificate is looked at."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


@dataclass(slots=True)
class Outcome:
    """`seconds` that each took which was let in, why others were not, and from the first to the last, in all."""

    seconds: list[float] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    wall: float = 0.0


class Crowd:
    """Processes that connect, again and again, to one server. Leave by its context."""

    def __init__(self, target: Target, *, secured: bool, processes: int = 2) -> None:
        self.target = target
        self._secured = secured
        self._processes = processes
        self._pool = ProcessPoolExecutor(processes, get_context("spawn"))

    def __enter__(self) -> Self:
        list(self._pool.map(_arrive, [self._job([0.0])] * self._processes))
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._pool.shutdown()

    def arrive(self, count: int, rate: float = float("inf"), seconds: float = float("inf")) -> Outcome:
        """So many connections, one after another by each client, or at moments that make that rate a second. None
        begins later than `seconds` after the first: a server that falls behind hears fewer."""
        moments = [number / rate for number in range(count)]
        jobs = [self._job(moments[first :: self._processes], seconds) for first in range(self._processes)]
        started, whole = time.perf_counter(), Outcome()
        for part in self._pool.map(_arrive, jobs):
            whole.seconds += part.seconds
            whole.failures += part.failures
        whole.wall = time.perf_counter() - started
        return whole

    def _job(self, moments: Sequence[float], seconds: float = float("inf")) -> "_Job":
        return _Job(self.target, moments, seconds, self._secured)


class _Job(NamedTuple):
    """What one process does: a connection at each moment from now on, and its end, for so many seconds at most."""

    target: Target
    moments: Sequence[float]
    seconds: float
    secured: bool


def _arrive(job: _Job) -> Outcome:
    target, moments, seconds, secured = job
    outcome, due, lock = Outcome(), iter(moments), threading.Lock()
    started, context = time.perf_counter(), make_context() if secured else None

    def work() -> None:
        for moment in _shared(due, lock):
            # Clients of a steady rate come by the clock, whether the server keeps up or not.
            time.sleep(max(0.0, started + moment - time.perf_counter()))
            begun = time.perf_counter()
            if begun - started > seconds:
                return
            try:
                with Client(target, context):
                    outcome.seconds.append(time.perf_counter() - begun)
            except OSError as error:
                outcome.failures.append(str(error))

    threads = [threading.Thread(target=work) for _ in range(min(THREADS, len(moments)))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return outcome


def _shared(moments: Iterator[float], lock: threading.Lock) -> Iterator[float]:
    while True:
        with lock:
            moment = next(moments, None)
        if moment is None:
            return
        yield moment
