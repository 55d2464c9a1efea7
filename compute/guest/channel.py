"""Frames on a blocking socket: one thread receives, any thread sends."""

import socket
from threading import Lock

from compute.transport import Decoder, Frame, encode

SEND_BUFFER_BYTES = 1 << 20
"""What may lie between engine and pool. With the receiver's own bound it is all that is read ahead."""


class Channel:
    def __init__(self, connection: socket.socket) -> None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
        self._connection = connection
        self._decoder = Decoder()
        self._sending = Lock()

    def send(self, frame: Frame) -> None:
        """Blocks while the pool does not read: that pauses the engine. Raises OSError once the pool has gone."""
        head, body = encode(frame)
        with self._sending:
            sent = self._connection.sendmsg([head, body] if body is not None else [head])
            if sent < len(head):
                self._connection.sendall(head[sent:])
                sent = len(head)
            if body is not None:
                self._connection.sendall(memoryview(body)[sent - len(head) :])

    def receive(self) -> Frame | None:
        """The next frame; None when the pool has gone. Raises FrameError."""
        while True:
            try:
                count = self._connection.recv_into(self._decoder.writable())
            except ConnectionError:
                return None
            if count == 0:
                return None
            if frame := self._decoder.wrote(count):
                return frame

    def close(self) -> None:
        self._connection.close()
