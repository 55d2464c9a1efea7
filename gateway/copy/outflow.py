"""COPY TO STDOUT: another result's rows in COPY's formats."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from catalog.errors import error_class
from gateway.pgwire import messages
from gateway.pgwire.codec import encode
from gateway.pgwire.encode import BINARY, TEXT
from lakegate_native import CopyWriter
from planner.encodings import python_codec, single_byte

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from gateway.portal import Portal
    from planner.copyoptions import CopyOptions

_INLINE_BYTES = 16 * 1024


class CopyOutResult:
    """A `gateway.result.Result`. `source` gives DataRows in text, or in binary for the format binary; a row limit means
    nothing, as for PostgreSQL."""

    row_description = b""

    def __init__(
        self, source: Portal, names: Sequence[str], options: CopyOptions, force_quote: Sequence[int], encoding: str
    ) -> None:
        """`encoding` is the client's, for options that say none."""
        self.tag: str | None = None
        self._source = source
        self._names = names
        self._options = options
        self._encoding = options.encoding or encoding
        codec = python_codec(self._encoding)
        self._codec = None if codec == "utf-8" or options.format == "binary" else codec
        self._writer = CopyWriter(
            options.format,
            delimiter=options.delimiter,
            null=options.null,
            quote=options.quote,
            escape=options.escape,
            force_quote=force_quote,
            framed=self._codec is None,
        )

    @property
    def held(self) -> bool:
        return self._source.held

    async def fetch(self, max_rows: int) -> AsyncIterator[bytes]:
        """The whole of the copy-out mode, from CopyOutResponse to CopyDone."""
        is_binary = self._options.format == "binary"
        code = BINARY if is_binary else TEXT
        yield encode(messages.CopyOutResponse(code, (code,) * len(self._names)))
        if self._options.header != "absent":
            yield self._framed(self._writer.header(self._names))
        empty = True
        async for rows in self._source.fetch():
            small = len(rows) <= _INLINE_BYTES
            yield self._rewrite(rows, empty) if small else await asyncio.to_thread(self._rewrite, rows, empty)
            empty = False
        if is_binary:
            yield CopyWriter.trailer(empty)
        yield encode(messages.CopyDone())
        assert self._source.tag is not None, "a result that was fetched to its end"
        self.tag = f"COPY {self._source.tag.rpartition(' ')[2]}"

    async def close(self) -> None:
        await self._source.close()

    def _rewrite(self, rows: bytes, first: bool) -> bytes:
        return self._framed(self._writer.rewrite(rows, first=first))

    def _framed(self, rows: bytes) -> bytes:
        """Rows that are to be in another encoding end in a NUL so far, which means the same in each."""
        if self._codec is None:
            return rows
        try:
            return CopyWriter.frame(rows.decode().encode(self._codec))
        except UnicodeEncodeError as error:
            found = " ".join(f"0x{byte:02x}" for byte in error.object[error.start].encode())
            name = single_byte(self._encoding) or self._encoding.upper()
            raise error_class("22P05")(
                f'character with byte sequence {found} in encoding "UTF8" has no equivalent in encoding "{name}"'
            ) from None
