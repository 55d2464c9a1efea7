"""The loopback HTTP endpoint where an engine with a Hadoop client finds files that lie with the host, by their paths.

Partner of `filesystem`, by which an engine in this very process reads them. Sizes are known from the scan, bytes come
over the conversation's channel.

Reference: RFC 9112 (persistent connections); what is asked and answered is `webhdfs`.
"""

import itertools
import re
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import chain
from threading import Thread
from typing import Any

import pyarrow as pa

from compute.guest import webhdfs
from compute.guest.channel import Channel
from compute.guest.objects import StoreReader
from compute.guest.reads import RemoteFiles
from compute.guest.tree import TreeFile

_BEYOND_ASCII = re.compile(rb"[\x80-\xff]")
FIRST_BYTES, MOST_BYTES = 64 << 10, 16 << 20
"""How much of a file that is wanted to its end is fetched at once: ever more, since few are read to their end."""
SEND_BUFFER_BYTES = 64 << 10


class Endpoint:
    """Listens from the start, so that a template has its address."""

    def __init__(self) -> None:
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._numbers = itertools.count(1)
        self.address = f"127.0.0.1:{self._server.server_address[1]}"
        self.origin = self._server.origin = f"http://{self.address}/"
        Thread(target=self._server.serve_forever, args=(3600.0,), name="endpoint", daemon=True).start()

    @contextmanager
    def serving(self, channel: Channel, store: StoreReader | None = None) -> Iterator[RemoteFiles]:
        """The files of a conversation, served as long as the context lasts."""
        number = next(self._numbers)
        files = self._server.files[number] = RemoteFiles(channel, f"{self.origin}{number}/", store)
        try:
            yield files
        finally:
            del self._server.files[number]
            files.close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.origin = ""
        self.files: dict[int, RemoteFiles] = {}


@dataclass(frozen=True, slots=True)
class _FoundPath:
    files: RemoteFiles
    scan: str
    file: TreeFile

    def read_on(self, offset: int) -> Iterator[pa.Buffer]:
        """From there to the end. Raises OSError."""
        length = FIRST_BYTES
        while offset < self.file.size:
            end = min(offset + length, self.file.size)
            yield from self.files.read(self.scan, self.file.number, offset, end)
            offset, length = end, min(2 * length, MOST_BYTES)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = 64 << 10
    server: _Server
    raw_requestline: bytes

    def parse_request(self) -> bool:
        """Hadoop's client sends letters beyond ASCII as they are, which the library would take for Latin-1."""
        self.raw_requestline = _BEYOND_ASCII.sub(lambda byte: b"%%%02X" % byte[0][0], self.raw_requestline)
        return super().parse_request()

    def do_GET(self) -> None:
        if self.path.startswith(webhdfs.PREFIX):
            self._answer_hadoop()
        else:
            self._answer(404, 0)

    def do_PUT(self) -> None:
        """Hadoop's clients write by these methods."""
        self._refuse(403, "org.apache.hadoop.security.AccessControlException", "this machine only reads")

    do_POST = do_DELETE = do_PUT

    def _answer_hadoop(self) -> None:
        try:
            request = webhdfs.parse_request(self.path)
        except ValueError:
            self._refuse(400, "java.lang.IllegalArgumentException", "malformed request")
            return
        found = self._find_path(request.path)
        file = None if found is None else found.file
        children = self._children(request.path) if file is None else {"": file}
        if children is None:
            self._refuse(404, "java.io.FileNotFoundException", f"File does not exist: {request.path}")
        elif request.operation == "GETFILESTATUS":
            self._answer_json(200, webhdfs.describe_status(file))
        elif request.operation == "LISTSTATUS":
            self._answer_json(200, webhdfs.describe_children(children))
        elif request.operation == "OPEN" and found is not None:
            self._open(request, found)
        else:
            self._refuse(400, "java.lang.UnsupportedOperationException", f"{request.operation} is not supported")

    def _open(self, request: webhdfs.Request, found: "_FoundPath") -> None:
        """The client asks twice: where the bytes are, then for them, from an offset to the end. It leaves when it has
        read enough."""
        if not request.direct:
            self._answer(307, 0, ("Location", webhdfs.direct_location(self.server.origin, request.path)))
            return
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
        length = max(0, found.file.size - request.offset)
        pieces = found.read_on(request.offset)
        try:
            first = next(pieces, b"")
        except OSError as error:
            self._refuse(403, "java.io.IOException", str(error))
            return
        self._answer(200, length)
        self.close_connection = True
        with suppress(OSError):
            for content in chain((first,), pieces):
                self.wfile.write(content)

    def _find_path(self, path: str) -> "_FoundPath | None":
        for files in list(self.server.files.values()):
            if found := files.find(path):
                return _FoundPath(files, *found)
        return None

    def _children(self, folder: str) -> Mapping[str, TreeFile | None] | None:
        found = (files.children(folder) for files in list(self.server.files.values()))
        return next((children for children in found if children is not None), None)

    def _refuse(self, status: int, kind: str, message: str) -> None:
        self._answer_json(status, webhdfs.describe_error(kind, message))

    def _answer_json(self, status: int, content: bytes) -> None:
        """Without saying so: the client would check that by a library that Spark's copy of it lacks."""
        self._answer(status, len(content))
        self.wfile.write(content)

    def _answer(self, status: int, length: int, *headers: tuple[str, str]) -> None:
        self.send_response_only(status)
        for name, value in (("Content-Length", str(length)), ("Accept-Ranges", "bytes"), *headers):
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Requests are no news; what fails is told by the statement."""
