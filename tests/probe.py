"""A program to be reached, and to find out what it reaches: for pods, and for what lies around them.

    python3 -c PROBE listen PLACE...     is there until it is killed
    python3 -c PROBE reach PLACE...      for each line that it is sent, prints what becomes of each, as JSON

A place is ADDRESS:PORT, or udp:ADDRESS:PORT. It is "open", "refused" (which only who is reached can say) or "silent".
It needs nothing but Python, so that it runs in any image that has that.
"""

import errno
import json
import os
import selectors
import socket
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

SILENCE_SECONDS = 1.8
"""After so long nothing comes: what is open answers within milliseconds, or when it is asked again after a second."""


def source() -> str:
    """For where this file is not."""
    return Path(__file__).read_text()


def command(word: str, places: Sequence[str]) -> list[str]:
    """What runs it there."""
    return ["python3", "-c", source(), word, *places]


def listen(places: Sequence[str]) -> None:
    """Hangs up on who comes; sends datagrams back."""
    with selectors.DefaultSelector() as selector:
        for place in places:
            listener = open_socket(place)
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address_of(place))
            if not is_datagram(place):
                listener.listen()
            selector.register(listener, selectors.EVENT_READ, echo if is_datagram(place) else hang_up)
        print("listening", flush=True)
        while True:
            for key, _ in selector.select():
                serve: Callable[[object], None] = key.data
                serve(key.fileobj)


def hang_up(listener: socket.socket) -> None:
    listener.accept()[0].close()


def echo(listener: socket.socket) -> None:
    content, peer = listener.recvfrom(64)
    listener.sendto(content, peer)


def reach(places: Sequence[str]) -> Mapping[str, str]:
    """All at once: what became of each."""
    found = dict.fromkeys(places, "silent")
    deadline = time.monotonic() + SILENCE_SECONDS
    with ExitStack() as stack, selectors.DefaultSelector() as selector:
        callers = {place: stack.enter_context(call(place)) for place in places}
        for place, caller in callers.items():
            selector.register(caller, selectors.EVENT_READ if is_datagram(place) else selectors.EVENT_WRITE, place)
        while selector.get_map() and (left := deadline - time.monotonic()) > 0:
            for key, _ in selector.select(left):
                found[key.data] = outcome(callers[key.data])
                selector.unregister(key.fileobj)
    return found


def call(place: str) -> socket.socket:
    """A socket that is about to be connected, or whose datagram is on its way."""
    caller = open_socket(place)
    caller.setblocking(False)
    code = caller.connect_ex(address_of(place))
    assert code in (0, errno.EINPROGRESS), f"{place}: {os.strerror(code)}"
    if is_datagram(place):
        caller.send(b"?")
    return caller


def outcome(caller: socket.socket) -> str:
    failure = caller.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    return {0: "open", errno.ECONNREFUSED: "refused"}.get(failure, "silent")


def open_socket(place: str) -> socket.socket:
    return socket.socket(socket.AF_INET, socket.SOCK_DGRAM if is_datagram(place) else socket.SOCK_STREAM)


def is_datagram(place: str) -> bool:
    return place.startswith("udp:")


def address_of(place: str) -> tuple[str, int]:
    address, _, port = place.removeprefix("udp:").rpartition(":")
    return address, int(port)


if __name__ == "__main__":
    word, *rest = sys.argv[1:]
    if word == "listen":
        listen(rest)
    for _ in sys.stdin:
        print(json.dumps(reach(rest)), flush=True)
