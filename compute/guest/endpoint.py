"""The loopback HTTP endpoint from which an engine reads files that lie with the host.

An engine opens ``ORIGIN<scan>/<file>``; sizes are known from the scan, bytes come over the channel. One conversation's
files are served at a time: a machine with an endpoint serves one.

References: RFC 9110, sections 14.1.2 and 15.3.7 (ranges); RFC 9112 (persistent connections).
"""

import re
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

from compute.guest.reads import RemoteFiles

_PATH = re.compile(r"/(?P<scan>[0-9a-f]{32})/(?P<file>\d{1,9})")
_RANGE = re.compile(r"bytes=(?P<first>\d{1,18})-(?P<last>\d{1,18})")


class Endpoint:
    """Listens from the start, so that a template has its address; knows no file until `serve`."""

    def __init__(self) -> None:
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self.origin = f"http://127.0.0.1:{self._server.server_address[1]}/"
        Thread(target=self._server.serve_forever, args=(3600.0,), name="endpoint", daemon=True).start()

    def serve(self, files: RemoteFiles) -> None:
        """From now on these files, and no others."""
        self._server.files = files


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    files: RemoteFiles | None = None


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = 64 << 10
    server: _Server

    def do_HEAD(self) -> None:
        if found := self._find():
            self._answer(200, found[2])

    def do_GET(self) -> None:
        """A range, or the whole file."""
        if (found := self._find()) is None:
            return
        scan, file, size = found
        wanted = _RANGE.fullmatch(self.headers.get("Range") or f"bytes=0-{size - 1}")
        if wanted is None or not int(wanted["first"]) <= int(wanted["last"]) < size:
            self._answer(416, 0)
            return
        assert self.server.files is not None, "where files were found"
        first, end = int(wanted["first"]), int(wanted["last"]) + 1
        pieces = self.server.files.read(scan, file, first, end)
        try:
            piece = next(pieces)
        except OSError:
            self._answer(404, 0)
            return
        self._answer(206, end - first, ("Content-Range", f"bytes {first}-{end - 1}/{size}"))
        self.wfile.write(piece)
        for piece in pieces:
            self.wfile.write(piece)

    def _find(self) -> tuple[str, int, int] | None:
        """Scan, number and size of the file that the path names. Answers 404 otherwise."""
        named = _PATH.fullmatch(self.path)
        files = self.server.files
        if named and files and (size := files.size(named["scan"], int(named["file"]))) is not None:
            return named["scan"], int(named["file"]), size
        self._answer(404, 0)
        return None

    def _answer(self, status: int, length: int, *headers: tuple[str, str]) -> None:
        self.send_response_only(status)
        for name, value in (("Content-Length", str(length)), ("Accept-Ranges", "bytes"), *headers):
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Requests are no news; what fails is told by the statement."""
