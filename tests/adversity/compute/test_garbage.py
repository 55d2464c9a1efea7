"""A guest that sends anything at all: every call ends, with an answer or an SqlError, and no memory is taken.

The guest's end is a bare socket here, so that it can send what no guest of ours would.
"""

import asyncio
import json
import socket
import struct
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise
from typing import Any

import psutil
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catalog.errors import MachineLost, SqlError
from compute import lease as leases
from compute import pulse
from compute.allowance import BODIES, UNCOUNTED
from compute.connection import FRAMES_A_TURN, LONGEST_ERROR, READ_AHEAD_BYTES, Connection
from compute.inspection import MAX_SCHEMA_BYTES
from compute.lease import Lease
from compute.transport import FRAME_WEIGHT, MAX_BODY, PREFIX, PROTOCOL_VERSION, Frame, Kind, encode
from tests.fix_cluster import eventually

SCHEMA = pa.schema([("id", pa.int64()), ("name", pa.string()), ("tags", pa.list_(pa.int32()))])
BATCH = pa.record_batch({"id": [1, None], "name": ["é", "b"], "tags": [[1, 2], None]}, SCHEMA)
HELLO = Frame(Kind.HELLO, 0, {"protocol": PROTOCOL_VERSION})
ANSWER = [Frame(Kind.SCHEMA, 1, body=SCHEMA.serialize()), Frame(Kind.BATCH, 1, body=BATCH.serialize())]
DONE = Frame(Kind.DONE, 1, {"affected": None})
GIVE_UP_SECONDS = 60


@dataclass(frozen=True)
class Ends:
    """Our end of a guest's channel, and the guest's."""

    connection: Connection
    lease: Lease
    guest: socket.socket

    def say(self, content: bytes) -> None:
        """As much as the socket takes. Whoever is left sees it closed."""
        with suppress(OSError):
            self.guest.send(content)


@contextmanager
def hung_up(guest: socket.socket) -> Iterator[None]:
    try:
        yield
    finally:
        guest.close()


async def meet(use: Callable[[Ends], Awaitable[None]]) -> None:
    ours, theirs = socket.socketpair()
    theirs.setblocking(False)
    with hung_up(theirs):
        _, connection = await asyncio.get_running_loop().create_unix_connection(Connection, sock=ours)
        async with asyncio.timeout(GIVE_UP_SECONDS):
            await use(Ends(connection, Lease(connection, lambda _lease: None), theirs))
        connection.abort()
        await asyncio.sleep(0)


def written(*frames: Frame) -> bytes:
    return b"".join(bytes(piece) for piece in encode(*frames))


async def ask_all(lease: Lease) -> list[pa.RecordBatch]:
    """One statement from its start to its end."""
    return [batch async for batch in await lease.execute("SELECT 1")]


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


ENDLESS = written(ANSWER[0]) + PREFIX.pack(Kind.BATCH, 1, 0, MAX_BODY)
"""The beginning of an answer whose first batch never comes to its end."""


async def test_a_guest_that_dribbles_keeps_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """It gives signs of life, byte by byte. Who gives the statement up gets away all the same."""
    monkeypatch.setattr(leases, "CANCEL_SECONDS", 0.2)

    async def use(ends: Ends) -> None:
        ends.say(ENDLESS)
        answer = await ends.lease.execute("SELECT 1")
        closing = asyncio.create_task(answer.close())
        while not closing.done():
            ends.say(b"\0")
            await asyncio.sleep(0.001)
        await closing
        assert ends.lease.lost

    await meet(use)


async def test_a_length_that_is_only_announced_takes_no_memory() -> None:
    before = psutil.Process().memory_info().rss

    async def use(ends: Ends) -> None:
        ends.say(ENDLESS)
        await ends.lease.execute("SELECT 1")
        ends.say(b"\0" * 1000)
        await asyncio.sleep(0)
        assert psutil.Process().memory_info().rss - before < MAX_BODY // 4

    await meet(use)


async def test_a_body_that_is_not_whole_is_counted() -> None:
    """What has come of it is read ahead."""

    async def use(ends: Ends) -> None:
        ends.say(ENDLESS + bytes(1000))
        await ends.lease.execute("SELECT 1")
        await eventually(lambda: ends.connection.read_ahead == 1000)

    await meet(use)


async def announce(ends: Ends, length: int) -> None:
    """A batch of that length, of which nothing comes."""
    ends.say(written(ANSWER[0]) + PREFIX.pack(Kind.BATCH, 1, 0, length))
    await ends.lease.execute("SELECT 1")


async def test_long_bodies_of_all_guests_have_one_bound() -> None:
    """For one too many, who has announced most is left."""

    async def use(*guests: Ends) -> None:
        greedy, *modest, late = guests
        await announce(greedy, MAX_BODY)
        for each in modest:
            await announce(each, MAX_BODY // 3)
        assert not any(each.lease.lost for each in guests)
        await announce(late, MAX_BODY // 2)
        assert greedy.lease.lost
        assert not any(each.lease.lost for each in (*modest, late))

    await meet(lambda a: meet(lambda b: meet(lambda c: meet(lambda d: use(a, b, c, d)))))
    assert BODIES.taken == 0


async def test_a_long_body_is_counted_until_it_is_received() -> None:
    """Then it is its session's, which counts itself what it keeps."""

    async def use(ends: Ends) -> None:
        wide = pa.record_batch({"c": pa.array(["x" * (UNCOUNTED + 1)])})
        said = written(Frame(Kind.SCHEMA, 1, body=wide.schema.serialize()), Frame(Kind.BATCH, 1, body=wide.serialize()))
        saying = asyncio.create_task(asyncio.get_running_loop().sock_sendall(ends.guest, said))
        answer = await ends.lease.execute("SELECT 1")
        await saying
        await eventually(lambda: ends.connection.read_ahead > UNCOUNTED)
        assert BODIES.taken > UNCOUNTED
        assert await anext(answer) == wide
        assert BODIES.taken == 0

    await meet(use)


async def test_a_body_that_drips_is_no_sign_of_life(monkeypatch: pytest.MonkeyPatch) -> None:
    """However often a byte comes, its guest is given up. Who sends as much as a channel carries is not."""
    monkeypatch.setattr(pulse, "PERIOD_SECONDS", 0.01)

    async def use(ends: Ends) -> None:
        ends.connection.watch(lambda: None)
        await announce(ends, MAX_BODY)
        receiving = asyncio.create_task(ends.connection.receive())
        while not receiving.done():
            ends.say(b"\0")
            await asyncio.sleep(0)
        with pytest.raises(MachineLost):
            await receiving

    await meet(use)


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


@pytest.mark.parametrize("control", [{}, {"a": "x" * 900}], ids=["bare", "wordy"])
async def test_endless_frames_without_bodies_are_not_hoarded(control: dict[str, str]) -> None:
    """The guest's socket fills up, and ours is read no more."""

    async def use(ends: Ends) -> None:
        endless = written(*[Frame(Kind.DONE, 1, control)] * 1000)
        while True:
            with suppress(BlockingIOError):
                while ends.guest.send(endless):
                    pass
            before = ends.connection.read_ahead
            await asyncio.sleep(0.05)
            if ends.connection.read_ahead == before:
                break
        assert READ_AHEAD_BYTES < ends.connection.read_ahead < 4 * READ_AHEAD_BYTES

    await meet(use)


async def test_one_sign_of_life_is_owed_for_each_that_was_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """A guest that shouts more of them, which nobody would count, is left."""
    monkeypatch.setattr(pulse, "PERIOD_SECONDS", 0.01)
    monkeypatch.setattr(pulse, "MOST_SILENT_PERIODS", 1_000_000)
    ping, pong = written(Frame(Kind.PING)), written(Frame(Kind.PONG))

    async def use(ends: Ends) -> None:
        ends.connection.watch(lambda: None)
        answer = asyncio.create_task(ends.lease.execute("SELECT 1"))
        heard = b""
        while heard.count(ping) < 2:
            heard += await asyncio.get_running_loop().sock_recv(ends.guest, 4096)
        ends.say(pong * 2 + written(ANSWER[0]))
        await answer
        ends.say(pong * 1000)
        with pytest.raises(MachineLost):
            await anext(await answer)

    await meet(use)


async def test_few_frames_are_parsed_in_one_turn_of_the_loop() -> None:
    """Whatever a guest sends at once, its neighbours have their turns between."""
    sent = 4000

    async def use(ends: Ends) -> None:
        ends.say(written(*[Frame(Kind.DONE, 1)] * sent))
        parsed = [0]
        while parsed[-1] < sent:
            await asyncio.sleep(0)
            parsed.append(ends.connection.read_ahead // FRAME_WEIGHT)
        assert max(after - before for before, after in pairwise(parsed)) == FRAMES_A_TURN

    await meet(use)
