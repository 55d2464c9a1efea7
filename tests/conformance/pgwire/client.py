"""A client that writes whole cycles of messages and reads their answers, on a connection that psycopg has opened."""

import os
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg

from gateway.pgwire import messages as m
from gateway.pgwire.codec import encode
from gateway.pgwire.connection import NEED_DATA, Connection, Message
from gateway.pgwire.state import Side, State
from tests.processes import until
from tests.target import Target, of_waiting

SYNC = m.Sync()
DESCRIBE, EXECUTE = m.Describe("P", ""), m.Execute("", 0)


def bind(statement: str = "", *values: bytes, result_formats: tuple[int, ...] = ()) -> m.Bind:
    return m.Bind("", statement, (), values, result_formats)


def parse(sql: str, name: str = "") -> m.Parse:
    return m.Parse(name, sql, ())


def cycle(*messages: Message) -> bytes:
    return b"".join(encode(message) for message in messages)


def comparable(answers: Sequence[Message | None]) -> list[Any]:
    """Of reports, what a client goes by."""
    found: list[Any] = []
    for message in answers:
        if isinstance(message, m.NoticeResponse) and of_waiting(message.fields.get("M")):
            continue
        if isinstance(message, m.ErrorResponse | m.NoticeResponse):
            found.append([message.fields.get(code) for code in "VCMP"])
        else:
            found.append(message)
    return found


class Client:
    """A session on which whole cycles are written."""

    def __init__(self, connection: psycopg.Connection) -> None:
        self.connection = connection
        self._socket = socket.socket(fileno=os.dup(connection.pgconn.socket))
        self._socket.setblocking(True)
        self._answers = Connection(Side.CLIENT)
        self._answers.state = State.OPEN

    def send(self, content: bytes) -> None:
        self._socket.sendall(content)

    def receive(self) -> Message | None:
        while self._answers.state is State.CLOSED or (message := self._answers.next_event()) is NEED_DATA:
            content = self._socket.recv(65536)
            if not content:
                return None
            self._answers.receive_data(content)
        assert isinstance(message, m.BackendMessage)
        return message

    def receive_cycle(self) -> list[object]:
        """All up to ReadyForQuery."""
        answers = [self.receive()]
        while not isinstance(answers[-1], m.ReadyForQuery):
            assert answers[-1] is not None
            answers.append(self.receive())
        return comparable(answers)

    def receive_rest(self) -> list[Any]:
        """All up to the end of the connection."""
        answers: list[Message] = []
        while (message := self.receive()) is not None:
            answers.append(message)
        return comparable(answers)

    def ask(self, content: bytes) -> list[object]:
        """The answers to one or more whole cycles."""
        self.send(content)
        ends = content.count(encode(SYNC)) + content.count(b"Q\0")
        return [message for _ in range(ends) for message in self.receive_cycle()]

    def settle(self) -> None:
        """Returns when the server has read what was sent, by the queue of its end of the connection."""
        ends = [f"{self._socket.getpeername()[1]:04X}", f"{self._socket.getsockname()[1]:04X}"]

        def is_read() -> bool:
            """Not yet known where the kernel has missed a line, as it does when connections come and go."""
            lines = (line.split() for line in Path("/proc/net/tcp").read_text().splitlines())
            unread = [line[4][-8:] for line in lines if [end[-4:] for end in line[1:3]] == ends]
            return unread == ["00000000"]

        until(is_read)

    def leave(self) -> None:
        """Closes the connection without a word."""
        self._socket.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self._socket.close()


@contextmanager
def client_of(target: Target) -> Iterator[Client]:
    with target.connect(sslmode="disable") as connection:
        client = Client(connection)
        try:
            yield client
        finally:
            client.close()
