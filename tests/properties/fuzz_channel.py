"""A coverage-guided fuzzer of the channel: `python tests/properties/fuzz_channel.py --seconds N`.

A guest that says anything at all, cut anywhere, while it owes an answer: only an SqlError may come of it. What is
believed of its batches is encoded for a client, and what it is told of files is a part of those it was offered.
"""

import asyncio
import json
import sys
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import atheris
import pyarrow as pa

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

with atheris.instrument_imports(include=["compute", "gateway.arguments", "gateway.pgwire.encode"]):
    from catalog.errors import SqlError
    from catalog.scans import DataFile, Scan
    from compute.connection import Connection
    from compute.lease import Lease
    from compute.ranges import RangeServer
    from compute.transport import PREFIX, Decoder, Frame, Kind
    from gateway.arguments import describe_schema
    from gateway.pgwire.encode import BINARY, TEXT, ResultEncoder
    from tests.adversity.compute.ends import DONE, written
    from tests.adversity.compute.test_garbage import BATCHES, FRAMES
    from tests.conformance.encoding.oracle import Settings
    from tests.properties.fuzzing import run

FOLDER = tempfile.TemporaryDirectory(prefix="lakegate-fuzz-files-")
OFFERED = bytes(range(256)) * 4
COLUMNS: dict[str, pa.Array] = {
    "numbers": pa.array([1, None, 3]),
    "halves": pa.array([1.5, None, float("nan")]),
    "prices": pa.array([Decimal("1.50"), None, Decimal("-2.25")], pa.decimal128(15, 2)),
    "texts": pa.array(["é", None, "b"]),
    "bytes": pa.array([b"\0", None, b"b"], pa.large_binary()),
    "flags": pa.array([True, None, False]),
    "days": pa.array([date(2026, 1, 1), None, date.max]),
    "moments": pa.array([datetime(2026, 1, 1, tzinfo=UTC), None, None], pa.timestamp("us", "UTC")),
    "spans": pa.array([timedelta(days=1), None, timedelta(microseconds=1)]),
    "lists": pa.array([[1, None], None, []], pa.list_(pa.int32())),
    "pairs": pa.array([[1, 2], None, [3, 4]], pa.list_(pa.int16(), 2)),
    "structs": pa.array([{"a": 1, "b": "x"}, None, {"a": None, "b": None}]),
    "maps": pa.array([[("a", 1)], None, []], pa.map_(pa.string(), pa.int64())),
    "nothing": pa.nulls(3),
}
READ = {"read": 1, "scan": "d", "file": 0, "offset": 3, "length": 5}


def offered() -> Scan:
    """One file of the workspace; beside it lies one that is nobody's business."""
    folder = Path(FOLDER.name)
    (folder / "offered").write_bytes(OFFERED)
    (folder / "secret").write_bytes(b"a secret of others")
    return Scan("s", "/t", 0, (), (DataFile(str(folder / "offered"), len(OFFERED), ()),), True, "d")


SCAN = offered()


class Wire(asyncio.Transport):
    """To a guest that takes whatever it is sent."""

    def __init__(self) -> None:
        super().__init__()
        self.sent = bytearray()

    def write(self, data: Any) -> None:
        self.sent += data

    def pause_reading(self) -> None:
        """Whoever fuzzes goes on."""

    def resume_reading(self) -> None:
        """It was never paused."""

    def abort(self) -> None:
        """Nobody is there."""


async def ask(lease: Lease) -> None:
    """Every batch that is believed goes to two clients, who ask for text and for binary."""
    answer = await lease.execute("SELECT 1", scans=[SCAN])
    columns = describe_schema(answer.schema)
    async for batch in answer:
        for form in (TEXT, BINARY):
            with suppress(SqlError):
                ResultEncoder(columns, (form,), Settings()).encode(batch)


async def describe(lease: Lease) -> None:
    describe_schema(await lease.describe("SELECT 1", scans=[SCAN]))


async def usage(lease: Lease) -> None:
    await lease.usage()


CALLS: tuple[Callable[[Lease], Awaitable[None]], ...] = (ask, describe, usage)


async def converse(call: Callable[[Lease], Awaitable[None]], said: bytes, size: int) -> bytes:
    """What the guest hears."""
    connection, wire = Connection(), Wire()
    connection.connection_made(wire)
    ranges = RangeServer(connection, "demo", FOLDER.name, linked=True)
    lease = Lease(connection, lambda _lease: None, ranges)
    calling = asyncio.ensure_future(call(lease))
    await asyncio.sleep(0)
    for at in range(0, len(said), size):
        hear(connection, said[at : at + size])
        await asyncio.sleep(0)
    await asyncio.gather(*ranges._answering)
    connection.connection_lost(None)
    with suppress(SqlError):
        await calling
    return bytes(wire.sent)


def hear(connection: Connection, piece: bytes) -> None:
    """As an event loop reads it."""
    while piece and not connection.lost:
        room = connection.get_buffer(-1)
        taken = min(len(room), len(piece))
        room[:taken] = piece[:taken]
        piece = piece[taken:]
        connection.buffer_updated(taken)


def frames(content: bytes) -> Iterator[Frame]:
    decoder = Decoder()
    while content:
        room = decoder.writable()
        taken = min(len(room), len(content))
        room[:taken] = content[:taken]
        content = content[taken:]
        yield from decoder.wrote(taken)


LOOP = asyncio.new_event_loop()


def fuzz(content: bytes) -> None:
    """The entry point of the fuzzer. The first byte picks what is asked, the second how long the pieces are."""
    if len(content) < 2:
        return
    call, size = CALLS[content[0] % len(CALLS)], 1 + content[1] * 16
    heard = LOOP.run_until_complete(converse(call, content[2:], size))
    for frame in frames(heard):
        assert frame.body is None or bytes(frame.body) in OFFERED, "the guest was told what is not its business"


def seeds() -> list[bytes]:
    """Good answers of every type, bad ones, and reads of files."""
    reads = [READ, READ | {"file": 1}, READ | {"offset": 1 << 40}, READ | {"length": 0}, READ | {"scan": "e"}]
    wanted = [*((Kind.READ, read) for read in reads), (Kind.LINK, READ), (Kind.READ, READ | {"tag": "t"})]
    asked = [PREFIX.pack(kind, 1, len(text := json.dumps(read).encode()), 0) + text for kind, read in wanted]
    said = [answer(pa.record_batch({name: column})) for name, column in COLUMNS.items()]
    said += [answer(pa.record_batch(COLUMNS)), *asked, *BATCHES.values(), *FRAMES.values()]
    said += [written(Frame(Kind.STATS, 1, {"cpu_seconds": 1.5})), written(Frame(Kind.ERROR, 1, {"message": "no"}))]
    return [bytes([call, 255]) + content for content in said if len(content) < 1 << 14 for call in range(len(CALLS))]


def answer(batch: pa.RecordBatch) -> bytes:
    schema, rows = batch.schema.serialize(), batch.serialize()
    return written(Frame(Kind.SCHEMA, 1, body=schema), Frame(Kind.BATCH, 1, body=rows), DONE)


if __name__ == "__main__":
    sys.exit(run(fuzz, seeds))
