"""A client that only reads: it logs in through libpq, then speaks on the raw socket, so that its own cost is small."""

import os
import select
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

READ_BYTES = 1 << 20
IDLE = b"Z\0\0\0\x05I"


class Reader:
    """One connection. `read` runs a statement and throws its rows away."""

    def __init__(self, connection: psycopg.Connection) -> None:
        self.backend_pid = connection.info.backend_pid
        self._connection = connection
        self._socket = socket.socket(fileno=os.dup(connection.pgconn.socket))
        self._buffer = bytearray(READ_BYTES)

    def read(self, statement: str, *, binary: bool) -> int:
        """Runs one statement in the extended protocol, every column in that format; the bytes that came back.

        Raises RuntimeError when the answer holds no CommandComplete of a SELECT.
        """
        self._send(statement, binary)
        total, tail = 0, b""
        while not tail.endswith(IDLE):
            select.select([self._socket], [], [])
            count = self._socket.recv_into(self._buffer)
            if not count:
                raise RuntimeError("the server closed the connection")
            total += count
            tail = (tail + bytes(self._buffer[max(0, count - 64) : count]))[-64:]
        if b"SELECT " not in tail:
            raise RuntimeError(f"{statement!r} failed: {tail!r}")
        return total

    def _send(self, statement: str, binary: bool) -> None:
        formats = struct.pack(">hh", 1, int(binary))
        parse = message(b"P", b"\0" + statement.encode() + b"\0" + struct.pack(">h", 0))
        bind = message(b"B", b"\0\0" + struct.pack(">hh", 0, 0) + formats)
        self._socket.setblocking(True)
        self._socket.sendall(parse + bind + message(b"E", b"\0" + struct.pack(">i", 0)) + message(b"S", b""))

    def close(self) -> None:
        self._socket.close()


def message(kind: bytes, body: bytes) -> bytes:
    return kind + struct.pack(">i", len(body) + 4) + body


@contextmanager
def reading(conninfo: str) -> Iterator[Reader]:
    """Without TLS: what is measured is the server's sending."""
    with psycopg.connect(conninfo, sslmode="disable", autocommit=True) as connection:
        reader = Reader(connection)
        try:
            yield reader
        finally:
            reader.close()
