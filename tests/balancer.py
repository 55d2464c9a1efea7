"""A TCP balancer: each connection goes to the next server, whatever the client means by it."""

import itertools
import select
import socket
import socketserver
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress


class _Balancer(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    ports: Iterator[int]


class _Connection(socketserver.BaseRequestHandler):
    server: _Balancer

    def handle(self) -> None:
        """Copies bytes both ways until one side ends."""
        with socket.create_connection(("127.0.0.1", next(self.server.ports))) as inner, suppress(ConnectionError):
            other = {self.request: inner, inner: self.request}
            while True:
                for end in select.select([*other], [], [])[0]:
                    content = end.recv(65536)
                    if not content:
                        return
                    other[end].sendall(content)


@contextmanager
def balanced(ports: Sequence[int]) -> Iterator[int]:
    """In turn to these ports of the loopback; yields its own."""
    with _Balancer(("127.0.0.1", 0), _Connection) as balancer:
        balancer.ports = itertools.cycle(ports)
        thread = threading.Thread(target=balancer.serve_forever)
        thread.start()
        try:
            yield balancer.server_address[1]
        finally:
            balancer.shutdown()
            thread.join()
