"""Frames on a blocking stream: one thread receives, any thread sends."""

from collections import deque
from threading import Lock
from typing import Protocol

from compute.transport import Decoder, Frame, encode

SEND_BUFFER_BYTES = 1 << 20
"""What may lie between engine and pool. With the receiver's own bound it is all that is read ahead."""


class Stream(Protocol):
    """Bytes to and from the pool: a socket, or what a machine has in its place."""

    def recv_into(self, buffer: memoryview) -> int:
        """How many came; 0 once the pool has gone. Raises ConnectionError for the same."""
        ...

    def sendall(self, data: bytes | memoryview) -> None:
        """Raises OSError once the pool has gone."""
        ...

    def close(self) -> None: ...


class Channel:
    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._decoder = Decoder()
        self._received: deque[Frame] = deque()
        self._sending = Lock()

    def send(self, *frames: Frame) -> None:
        """Blocks while the pool does not read: that pauses the engine. Raises OSError once the pool has gone."""
        with self._sending:
            for piece in encode(*frames):
                self._stream.sendall(piece)

    def receive(self) -> Frame | None:
        """The next frame; None when the pool has gone. Raises FrameError."""
        while not self._received:
            try:
                count = self._stream.recv_into(self._decoder.writable())
            except ConnectionError:
                return None
            if count == 0:
                return None
            self._received += self._decoder.wrote(count)
        return self._received.popleft()

    def close(self) -> None:
        self._stream.close()
