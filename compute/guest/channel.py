"""Frames on a blocking socket: one thread receives, any thread sends."""

import socket
from collections import deque
from threading import Lock

from compute.transport import Decoder, Frame, encode

SEND_BUFFER_BYTES = 1 << 20
"""What may lie between engine and pool. With the receiver's own bound it is all that is read ahead."""


class Channel:
    def __init__(self, connection: socket.socket) -> None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
        self._connection = connection
        self._decoder = Decoder()
        self._received: deque[Frame] = deque()
        self._sending = Lock()

    def send(self, *frames: Frame) -> None:
        """Blocks while the pool does not read: that pauses the engine. Raises OSError once the pool has gone."""
        with self._sending:
            for piece in encode(*frames):
                self._connection.sendall(piece)

    def receive(self) -> Frame | None:
        """The next frame; None when the pool has gone. Raises FrameError."""
        while not self._received:
            try:
                count = self._connection.recv_into(self._decoder.writable())
            except ConnectionError:
                return None
            if count == 0:
                return None
            self._received += self._decoder.wrote(count)
        return self._received.popleft()

    def close(self) -> None:
        self._connection.close()
