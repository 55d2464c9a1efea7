"""A gateway's numbers for Prometheus, over HTTP at an address of their own; whoever reaches it may read them.

`lakegate_sessions` is what an autoscaler goes by. The rest is the process's own: memory, processor time, open files.

References: Prometheus' text exposition format; its client's `ProcessCollector`.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from prometheus_client import CollectorRegistry, Gauge, ProcessCollector, start_http_server


@contextmanager
def published(host: str, port: int, count_sessions: Callable[[], int]) -> Iterator[int]:
    """Answers `GET /metrics` while the context lasts; yields the port. Raises OSError when the address is taken.

    `count_sessions` is called from another thread.
    """
    registry = CollectorRegistry()
    sessions = Gauge("lakegate_sessions", "Sessions of clients that this gateway holds.", registry=registry)
    sessions.set_function(count_sessions)
    ProcessCollector(registry=registry)
    server, thread = start_http_server(port, host, registry)
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
