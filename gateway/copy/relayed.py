"""COPY of PostgreSQL's own tables, the temporary ones: PostgreSQL carries it out, message for message."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from gateway.pgwire import messages
from gateway.pgwire.codec import encode

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from gateway.copy.intake import Client
    from gateway.relay import RelayLoad


class RelayedIntake:
    """A `gateway.result.Result` that passes on by `receive` what the client sends."""

    row_description = b""

    def __init__(self, load: RelayLoad) -> None:
        self.tag: str | None = None
        self._load = load

    @property
    def held(self) -> bool:
        return self.tag is None

    async def receive(self, client: Client) -> None:
        """The dialogue, up to PostgreSQL's answer. Raises SqlError, and ConnectionResetError when the client left."""
        client.send(self._load.invitation)
        try:
            while isinstance(message := await self._next(client), messages.CopyData):
                await self._load.give(encode(message))
            self.tag = await self._load.finish(message)
        finally:
            client.write(self._load.take_notices())

    async def _next(self, client: Client) -> messages.CopyData | messages.CopyDone | messages.CopyFail:
        """What the client says; that it is done where PostgreSQL wants no more of it."""
        arriving = asyncio.ensure_future(client.receive())
        try:
            while not (arriving.done() or self._load.over):
                await asyncio.wait((arriving, self._load.wait()), return_when=asyncio.FIRST_COMPLETED)
                client.write(self._load.take_notices())
        finally:
            if not arriving.done():
                arriving.cancel()
                await asyncio.wait((arriving,))
        if self._load.over:
            return messages.CopyDone()
        message = arriving.result()
        if isinstance(message, messages.CopyData | messages.CopyDone | messages.CopyFail):
            return message
        raise ConnectionResetError("the client is gone")

    async def fetch(self, max_rows: int) -> AsyncIterator[bytes]:
        """Nothing: all has happened."""
        return
        yield b""

    async def close(self) -> None:
        self._load.close()
