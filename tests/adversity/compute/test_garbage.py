"""A guest that sends anything at all: every call ends, with an answer or an SqlError."""

import asyncio
import json
import socket
import struct
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catalog.errors import MachineLost, SqlError
from compute.connection import LONGEST_ERROR
from compute.inspection import MAX_SCHEMA_BYTES
from compute.transport import MAX_BODY, PREFIX, Frame, Kind
from tests.adversity.compute.ends import ANSWER, BATCH, DONE, SCHEMA, Ends, ask_all, meet, written


async def refused(content: bytes) -> None:
    """Whatever it was: the statement ends with MachineLost, and the guest is left."""

    async def use(ends: Ends) -> None:
        ends.say(content)
        with pytest.raises(MachineLost):
            await ask_all(ends.lease)
        assert ends.connection.lost

    await meet(use)


async def test_a_good_guest_is_believed() -> None:
    async def use(ends: Ends) -> None:
        ends.say(written(*ANSWER, DONE))
        assert await ask_all(ends.lease) == [BATCH]

    await meet(use)


KINDS = st.sampled_from([*Kind])
CONTROLS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=6,
)
FIELDS = ("sqlstate", "message", "detail", "hint", "position", "affected", "cpu_seconds")


@st.composite
def frames(draw: st.DrawFn) -> bytes:
    """Frames of every kind with good, damaged or no bodies; sometimes what is no frame at all."""
    if draw(st.integers(0, 9)) == 0:
        return draw(st.binary(max_size=40))
    control = json.dumps(draw(st.dictionaries(st.sampled_from(FIELDS), CONTROLS, max_size=3))).encode()
    body = draw(bodies())
    statement = draw(st.sampled_from([0, 1, 1, 1, 1, 2, 7]))
    return PREFIX.pack(draw(KINDS), statement, len(control), len(body)) + control + body


@st.composite
def bodies(draw: st.DrawFn) -> bytes:
    whole = bytes(draw(st.sampled_from([SCHEMA.serialize(), BATCH.serialize(), b""])))
    body = bytearray(whole[: draw(st.just(len(whole)) | st.integers(0, len(whole)))])
    for _ in range(draw(st.integers(0, 4))):
        if body:
            body[draw(st.integers(0, len(body) - 1))] = draw(st.integers(0, 255))
    return bytes(body)


@settings(max_examples=150, deadline=None)
@given(
    said=st.lists(frames(), max_size=6), good_start=st.booleans(), call=st.sampled_from(["ask", "describe", "usage"])
)
def test_anything_at_any_moment(said: Sequence[bytes], good_start: bool, call: str) -> None:
    async def use(ends: Ends) -> None:
        beginning = written(ANSWER[0]) if good_start and call != "usage" else b""
        ends.say(beginning + b"".join(said))
        ends.guest.shutdown(socket.SHUT_WR)
        calls: dict[str, Callable[[], Awaitable[Any]]] = {
            "ask": lambda: ask_all(ends.lease),
            "describe": lambda: ends.lease.describe("SELECT 1"),
            "usage": ends.lease.usage,
        }
        with suppress(SqlError):
            await calls[call]()

    asyncio.run(meet(use))


def message(column: pa.Array, *damages: tuple[bytes, bytes]) -> bytes:
    """SCHEMA and BATCH of one column, in which some bytes were replaced: Arrow itself would not make such a one."""
    batch = pa.RecordBatch.from_arrays([column], ["c"])
    body = batch.serialize()
    for good, bad in damages:
        body = damaged(body, good, bad)
    schema = Frame(Kind.SCHEMA, 1, body=batch.schema.serialize())
    return written(schema, Frame(Kind.BATCH, 1, body=body), DONE)


def damaged(body: pa.Buffer, good: bytes, bad: bytes) -> pa.Buffer:
    assert good in bytes(body)
    return pa.py_buffer(bytes(body).replace(good, bad))


def longs(*numbers: int) -> bytes:
    return struct.pack(f"<{len(numbers)}q", *numbers)


def ints(*numbers: int) -> bytes:
    return struct.pack(f"<{len(numbers)}i", *numbers)


ENCAPSULATION = b"\xff" * 4
"""How a message begins; its length follows."""
NOTHING = 12345
EMPTY_LIST = pa.ListArray.from_arrays(pa.array([0, NOTHING], pa.int32()), pa.nulls(NOTHING))
BATCHES = {
    "offsets that point outside": message(pa.array(["abc"]), (ints(0, 3), ints(0, 1 << 30))),
    "offsets that go back": message(pa.array(["abc", "d"]), (ints(0, 3, 4), ints(0, 4, 3))),
    "text that is none": message(pa.array(["abcdef"]), (b"abcdef", b"\xff\xfeabcd")),
    "a number wider than its type": message(
        pa.array([Decimal(7)], pa.decimal128(2, 0)), (longs(7, 0), longs(0, 1 << 62))
    ),
    "more digits behind the point than there are": message(pa.nulls(1, pa.decimal128(2, 300))),
    "a point behind the digits": message(pa.nulls(1, pa.decimal128(2, -1))),
    "no rows": message(pa.array([], pa.int64())),
    "less than no rows": message(pa.array([7, 8, 9], pa.int64()), (longs(3), longs(-3))),
    "rows out of nothing": message(pa.nulls(NOTHING), (longs(NOTHING), longs(1 << 40))),
    "elements out of nothing": message(
        EMPTY_LIST, (longs(NOTHING), longs(1 << 30)), (ints(0, NOTHING), ints(0, 1 << 30))
    ),
    "a dictionary": message(pa.array(["a"]).dictionary_encode()),
    "runs": message(pa.RunEndEncodedArray.from_arrays(pa.array([1 << 30], pa.int32()), pa.array([1]))),
    "views of one text": message(pa.array(["x" * 20] * 3, pa.string_view())),
    "views of one list": message(pa.ListViewArray.from_arrays([0, 0], [1, 1], pa.array([1]))),
    "a union": message(pa.UnionArray.from_sparse(pa.array([0], pa.int8()), [pa.array([1])])),
}


@pytest.mark.parametrize("what", BATCHES)
async def test_batches_that_are_not_what_they_say(what: str) -> None:
    await refused(BATCHES[what])


async def test_compressed_batches() -> None:
    options = pa.ipc.IpcWriteOptions(compression="zstd")
    sink = pa.BufferOutputStream()
    batch = pa.record_batch({"c": pa.array([0] * 1_000_000)})
    with pa.ipc.new_stream(sink, batch.schema, options=options) as writer:
        writer.write_batch(batch)
    stream = pa.BufferReader(sink.getvalue())
    schema, packed = (pa.ipc.read_message(stream).serialize() for _ in range(2))
    await refused(written(Frame(Kind.SCHEMA, 1, body=schema), Frame(Kind.BATCH, 1, body=packed), DONE))


FRAMES = {
    "a kind that only the pool sends": written(Frame(Kind.EXECUTE, 1)),
    "rows before a schema": written(ANSWER[1]),
    "a schema without a body": written(Frame(Kind.SCHEMA, 1)),
    "a name that is no text": written(Frame(Kind.SCHEMA, 1, body=damaged(SCHEMA.serialize(), b"tags", b"t\xffgs"))),
    "a batch that ends the stream": written(
        ANSWER[0], Frame(Kind.BATCH, 1, body=pa.py_buffer(ENCAPSULATION + bytes(4) + bytes(BATCH.serialize())[8:]))
    ),
    "a statement that was never asked": written(Frame(Kind.DONE, 2)),
    "an end that is no number": written(ANSWER[0], Frame(Kind.DONE, 1, {"affected": "7; DROP"})),
    "an end that is too great": written(ANSWER[0], Frame(Kind.DONE, 1, {"affected": 1 << 64})),
    "an unknown kind": PREFIX.pack(99, 1, 0, 0),
    "a long control": PREFIX.pack(Kind.ERROR, 1, LONGEST_ERROR + 1, 0),
    "a control where there is none": PREFIX.pack(Kind.BATCH, 1, 2, 0) + b"{}",
    "a long schema": PREFIX.pack(Kind.SCHEMA, 1, 0, MAX_SCHEMA_BYTES + 1),
    "a sign of life with a body": PREFIX.pack(Kind.PONG, 0, 0, 1),
    "a greeting with a body": PREFIX.pack(Kind.HELLO, 0, 0, 1),
    "an error with a body": PREFIX.pack(Kind.ERROR, 1, 0, 1),
    "a long body": PREFIX.pack(Kind.BATCH, 1, 0, MAX_BODY + 1),
    "deep JSON": PREFIX.pack(Kind.ERROR, 1, 100_000, 0) + b"[" * 100_000,
    "a long number": PREFIX.pack(Kind.ERROR, 1, 100_005, 0) + b'{"a":' + b"9" * 100_000,
    "frames of earlier statements": written(*[Frame(Kind.DONE, 0)] * 2000),
    "a sign of life that nobody asked for": written(Frame(Kind.PONG)),
}


@pytest.mark.parametrize("what", FRAMES)
async def test_frames_that_have_no_business_here(what: str) -> None:
    await refused(FRAMES[what])


async def test_who_is_cancelled_while_cancelling_gives_the_machine_up() -> None:
    async def use(ends: Ends) -> None:
        statement = asyncio.create_task(ends.lease.execute("SELECT 1"))
        for _ in range(2):
            await asyncio.sleep(0)
            statement.cancel()
        with pytest.raises(asyncio.CancelledError):
            await statement
        assert ends.lease.lost

    await meet(use)


async def test_errors_are_made_fit_to_show() -> None:
    async def use(ends: Ends) -> None:
        control = {"sqlstate": "'; --", "message": {"no": "text"}, "detail": "d" * 100_000, "position": "first"}
        ends.say(written(Frame(Kind.ERROR, 1, control)))
        with pytest.raises(SqlError) as caught:
            await ends.lease.execute("SELECT 1")
        assert (caught.value.sqlstate, caught.value.message) == ("XX000", "the engine failed")
        assert caught.value.detail is not None
        assert len(caught.value.detail) < 70_000
        assert caught.value.position is None

    await meet(use)


async def test_an_error_ends_no_session() -> None:
    async def use(ends: Ends) -> None:
        ends.say(written(Frame(Kind.ERROR, 1, {"sqlstate": "57P01", "message": "go away"})))
        with pytest.raises(SqlError) as caught:
            await ends.lease.execute("SELECT 1")
        assert caught.value.severity == "ERROR"

    await meet(use)
