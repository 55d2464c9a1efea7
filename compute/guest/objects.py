"""Reads of a store's objects by links, over a network that leads to the store alone.

A link has everything in it that the store asks for, so nothing is signed here and no key is known. Whatever the link's
host is called, it is reached at the gate that the machine's identity names; TLS holds it to its name nevertheless.

Connections are kept for the next read, as many as the gate lets in at once but for one. One that has grown old
meanwhile is replaced without a word.

References: RFC 9110, "Range Requests"; Amazon S3 API, "GetObject".
"""

import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cached_property
from http.client import HTTPConnection, HTTPException
from threading import Lock
from urllib.parse import SplitResult, urlsplit

import pyarrow as pa

from compute.identity import Network

PATIENCE_SECONDS = 10.0
"""For a connection, and for each of its bytes."""
MOST_KEPT = 7
"""Of all hosts, with those in use. The gate lets one more in; whoever comes then waits until another has gone."""
_STOPPED = "the statement that read it has ended"


class StoreReader:
    """For any number of threads. Each connection is one thread's at a time."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self._lock = Lock()
        self._idle: list[tuple[str, HTTPConnection]] = []
        self._busy: set[HTTPConnection] = set()
        self._stopped = False

    def read(self, url: str, part: range, size: int) -> tuple[pa.Buffer, str]:
        """Those bytes of the object, which has to have that size, and its tag. Raises OSError, HTTPException."""
        place = urlsplit(url)
        with suppress(OSError, HTTPException):
            if (kept := self._take(place)) is not None:
                return self._use(kept, place, part, size)
        return self._use(self._connect(place), place, part, size)

    def stop(self) -> None:
        """Reads under way fail, and later ones, until `resume`."""
        with self._lock:
            self._stopped = True
            for connection in self._busy:
                with suppress(OSError, AttributeError):
                    connection.sock.shutdown(socket.SHUT_RDWR)

    def resume(self) -> None:
        with self._lock:
            self._stopped = False

    def close(self) -> None:
        """Once nobody reads any more."""
        with self._lock:
            for _, connection in self._idle:
                connection.close()
            self._idle.clear()

    def _take(self, place: SplitResult) -> HTTPConnection | None:
        """One that was kept: of its host's, the one that was used last."""
        with self._lock:
            for number, (host, connection) in reversed(list(enumerate(self._idle))):
                if host == place.netloc:
                    del self._idle[number]
                    return connection
        return None

    def _keep(self, place: SplitResult, connection: HTTPConnection) -> None:
        """In place of those that were used longest ago, where there are too many."""
        with self._lock:
            self._idle.append((place.netloc, connection))
            while self._idle and len(self._idle) + len(self._busy) > MOST_KEPT:
                self._idle.pop(0)[1].close()

    def _connect(self, place: SplitResult) -> HTTPConnection:
        """Raises OSError."""
        connection = HTTPConnection(place.netloc)
        connection.auto_open = 0
        gate = self._network.gate, self._network.port
        connection.sock = socket.create_connection(gate, PATIENCE_SECONDS)
        if place.scheme == "https":
            connection.sock = self._tls.wrap_socket(connection.sock, server_hostname=place.hostname)
        return connection

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        return ssl.create_default_context(cadata=self._network.authorities)

    def _use(self, connection: HTTPConnection, place: SplitResult, part: range, size: int) -> tuple[pa.Buffer, str]:
        """Keeps the connection for the next read, unless it failed."""
        try:
            with self._busy_with(connection):
                found = _get(connection, place, part, size)
        except BaseException:
            connection.close()
            raise
        self._keep(place, connection)
        return found

    @contextmanager
    def _busy_with(self, connection: HTTPConnection) -> Iterator[None]:
        """Meanwhile it can be stopped. Raises OSError where it has been."""
        with self._lock:
            if self._stopped:
                raise OSError(_STOPPED)
            self._busy.add(connection)
        try:
            yield
        finally:
            with self._lock:
                self._busy.discard(connection)


def _get(connection: HTTPConnection, place: SplitResult, part: range, size: int) -> tuple[pa.Buffer, str]:
    """Raises OSError, HTTPException."""
    headers = {"Host": place.netloc, "Range": f"bytes={part.start}-{part.stop - 1}"}
    connection.request("GET", f"{place.path}?{place.query}", headers=headers)
    with connection.getresponse() as answer:
        if answer.getheader("Content-Range") != f"bytes {part.start}-{part.stop - 1}/{size}":
            raise OSError(f"the store does not give that range: {answer.status}")
        content = pa.allocate_buffer(len(part))
        rest = memoryview(content).cast("B")
        while rest and (count := answer.readinto(rest)):
            rest = rest[count:]
        if rest:
            raise OSError("the object is shorter than its range")
        return content, answer.getheader("ETag", "")
