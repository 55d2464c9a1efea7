"""The loopback HTTP endpoint from which an engine reads files that lie with the host.

An engine opens ``ORIGIN<conversation>/<scan>/<file>``; sizes are known from the scan, bytes come over the
conversation's channel.

References: RFC 9110, sections 14.1.2 and 15.3.7 (ranges); RFC 9112 (persistent connections).
"""

import itertools
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import chain
from threading import Thread
from typing import Any

from compute.guest.channel import Channel
from compute.guest.reads import RemoteFiles

_PATH = re.compile(r"/(?P<conversation>\d{1,9})/(?P<scan>[0-9a-f]{32})/(?P<file>\d{1,9})")
_RANGE = re.compile(r"bytes=(?P<first>\d{1,18})-(?P<last>\d{1,18})")


class Endpoint:
    """Listens from the start, so that a template has its address."""

    def __init__(self) -> None:
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._numbers = itertools.count(1)
        self.origin = f"http://127.0.0.1:{self._server.server_address[1]}/"
        Thread(target=self._server.serve_forever, args=(3600.0,), name="endpoint", daemon=True).start()

    @contextmanager
    def serving(self, channel: Channel) -> Iterator[RemoteFiles]:
        """The files of a conversation, served as long as the context lasts."""
        number = next(self._numbers)
        files = self._server.files[number] = RemoteFiles(channel, f"{self.origin}{number}/")
        try:
            yield files
        finally:
            del self._server.files[number]


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.files: dict[int, RemoteFiles] = {}


@dataclass(frozen=True, slots=True)
class _Found:
    files: RemoteFiles
    scan: str
    file: int
    size: int


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = 64 << 10
    server: _Server

    def do_HEAD(self) -> None:
        if found := self._find():
            self._answer(200, found.size)

    def do_GET(self) -> None:
        """A range, or the whole file."""
        if (found := self._find()) is None:
            return
        wanted = _RANGE.fullmatch(self.headers.get("Range") or f"bytes=0-{found.size - 1}")
        if wanted is None or not int(wanted["first"]) <= int(wanted["last"]) < found.size:
            self._answer(416, 0)
            return
        first, end = int(wanted["first"]), int(wanted["last"]) + 1
        pieces = found.files.read(found.scan, found.file, first, end)
        try:
            piece = next(pieces)
        except OSError:
            self._answer(404, 0)
            return
        self._answer(206, end - first, ("Content-Range", f"bytes {first}-{end - 1}/{found.size}"))
        for content in chain((piece,), pieces):
            self.wfile.write(content)

    def _find(self) -> _Found | None:
        """What the path names. Answers 404 where that is nothing."""
        if named := _PATH.fullmatch(self.path):
            files, file = self.server.files.get(int(named["conversation"])), int(named["file"])
            if files is not None and (size := files.size(named["scan"], file)) is not None:
                return _Found(files, named["scan"], file, size)
        self._answer(404, 0)
        return None

    def _answer(self, status: int, length: int, *headers: tuple[str, str]) -> None:
        self.send_response_only(status)
        for name, value in (("Content-Length", str(length)), ("Accept-Ranges", "bytes"), *headers):
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Requests are no news; what fails is told by the statement."""
