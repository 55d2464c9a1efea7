"""A guest that sends too much, too slowly or without an end: others have their turns, and memory is bounded."""

import asyncio
from contextlib import suppress
from itertools import pairwise

import psutil
import pyarrow as pa
import pytest

from catalog.errors import MachineLost
from compute import lease as leases
from compute import pulse
from compute.allowance import BODIES, UNCOUNTED
from compute.connection import FRAMES_A_TURN, READ_AHEAD_BYTES
from compute.transport import FRAME_WEIGHT, MAX_BODY, PREFIX, Frame, Kind
from tests.adversity.compute.ends import ANSWER, Ends, meet, written
from tests.fix_cluster import eventually

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
