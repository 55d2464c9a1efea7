"""COPY FROM STDIN: hears the client, has its data loaded piece by piece, then appended in one commit."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Protocol

from catalog.completion import complete_in_thread
from catalog.errors import QueryCanceled, SqlError
from gateway.pgwire import messages
from gateway.pgwire.encode import BINARY, TEXT

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from gateway.copy.loading import Loader
    from gateway.copy.staging import Staging
    from gateway.result import Result
    from planner.copy import CopyFrom

PIECE = 1 << 20
"""Bytes that are gathered before they are taken apart."""


class Client(Protocol):
    """What a load needs of a `gateway.pgwire.door.Door`."""

    def send(self, message: messages.BackendMessage) -> None: ...
    def write(self, content: bytes) -> None: ...
    async def receive(self) -> messages.FrontendMessage: ...


class CopyInResult:
    """A `gateway.result.Result` that hears the client by `receive` before its `fetch` appends what came. `append` makes
    the result that does it, which counts where a condition leaves rows out; `tell` sends a notice."""

    row_description = b""

    def __init__(
        self,
        copy: CopyFrom,
        loader: Loader,
        staging: Staging,
        append: Callable[[], Awaitable[Result]],
        tell: Callable[[SqlError], None],
    ) -> None:
        self.tag: str | None = None
        self._copy = copy
        self._loader = loader
        self._staging = staging
        self._append = append
        self._tell = tell
        self._appending: Result | None = None
        self._open = True

    @property
    def held(self) -> bool:
        return self._open

    async def receive(self, client: Client) -> None:
        """The dialogue, up to the client's CopyDone. Raises SqlError, and ConnectionResetError when the client left."""
        await complete_in_thread(self._staging.open)
        code = BINARY if self._copy.options.format == "binary" else TEXT
        client.send(messages.CopyInResponse(code, (code,) * len(self._copy.columns)))
        waiting = bytearray()
        while True:
            match await client.receive():
                case messages.CopyData(content):
                    waiting += content
                case messages.CopyFail(reason):
                    await self._feed(bytes(waiting), last=False)
                    error = QueryCanceled(f"COPY from stdin failed: {reason}")
                    error.context = self._loader.where
                    raise error
                case messages.CopyDone():
                    await self._feed(bytes(waiting), last=True)
                    return
                case _:
                    raise ConnectionResetError("the client is gone")
            if len(waiting) >= PIECE:
                await self._feed(bytes(waiting), last=False)
                waiting.clear()

    async def fetch(self, max_rows: int) -> AsyncIterator[bytes]:
        """Appends what came; nothing where no row did."""
        self._loader.summarise()
        self._pass_notices()
        await complete_in_thread(self._staging.finish)
        rows = self._staging.rows
        if rows:
            self._appending = await self._append()
            async for content in self._appending.fetch(0):
                yield content
        chosen = self._appending if self._copy.condition is not None else None
        self.tag = f"COPY {rows}" if chosen is None else chosen.tag
        await self.close()

    async def close(self) -> None:
        """Whatever has not been appended is gone."""
        self._open = False
        if self._appending is not None:
            await self._appending.close()
        await asyncio.to_thread(self._staging.discard)

    async def _feed(self, data: bytes, *, last: bool) -> None:
        try:
            await complete_in_thread(lambda: self._loader.feed(data, last=last))
        finally:
            self._pass_notices()

    def _pass_notices(self) -> None:
        told, self._loader.notices = self._loader.notices, []
        for content in told:
            self._tell(content)
