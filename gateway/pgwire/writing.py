"""Writing to a client: answers are held back to leave in one write, and whoever writes much waits for the client."""

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

FLUSH_SIZE = 64 * 1024
"""Bytes of answers that are held back for a common write."""
WRITE_AHEAD = 256 * 1024
"""Bytes that wait for the client to read before `drain` waits."""


class Writing:
    """The writing side of one transport. `due`: what is held back should leave soon. `transcribe` hears all that is
    written."""

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self.due = False
        self.transcribe: Callable[[bytes], None] | None = None
        self._transport = transport
        self._loop = loop
        self._held: list[bytes] = []
        self._size = 0
        self._closed = False
        self._drained: asyncio.Future[None] | None = None
        transport.set_write_buffer_limits(high=WRITE_AHEAD)

    @property
    def paused(self) -> bool:
        """The client does not read."""
        return self._drained is not None

    def write(self, content: bytes) -> None:
        """Holds content back until `flush`, which comes by itself once there is much. Never blocks."""
        self._held.append(content)
        self._size += len(content)
        if self.transcribe is not None:
            self.transcribe(content)
        if self._size > FLUSH_SIZE:
            self.flush()

    def flush(self) -> None:
        """Sends what is held back."""
        held, self._held, self._size, self.due = self._held, [], 0, False
        if held and not self._closed:
            self._transport.write(held[0] if len(held) == 1 else b"".join(held))

    async def drain(self) -> None:
        """Waits until the client has read enough. Raises ConnectionResetError when it is gone."""
        if self._closed:
            raise ConnectionResetError("the client is gone")
        if self._drained is not None:
            await asyncio.shield(self._drained)

    def pause(self) -> None:
        """The client has not read for long."""
        self._drained = self._loop.create_future()

    def resume(self) -> None:
        """The client has read."""
        drained, self._drained = self._drained, None
        if drained is not None and not drained.done():
            drained.set_result(None)

    def close(self) -> None:
        """Nothing is written any more. What was written before still goes out."""
        self._closed = True

    def fail(self) -> None:
        """The client is gone: wakes whoever waits for it to read."""
        self._closed = True
        if self._drained is not None and not self._drained.done():
            self._drained.set_exception(ConnectionResetError("the client is gone"))
            self._drained.exception()  # Nobody may be waiting; that is no error.
