"""Orders to a zygote that is busy: they wait, in order, and cost nobody a machine."""

import asyncio
import gc
import os
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from compute.config import GIB, MachineSpec
from compute.spawners import CannotStart
from compute.spawners.journal import Journal
from compute.spawners.zygote import ZygoteProcess
from compute.zygote.packets import receive

ORDERS = 2000


@asynccontextmanager
async def idle_zygote(folder: Path) -> AsyncIterator[tuple[ZygoteProcess, socket.socket]]:
    """One that says nothing by itself, and its end of the socket."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ours.setblocking(False)
    process = await asyncio.create_subprocess_exec("sleep", "1000")
    journal = Journal(str(folder / "journal"))
    zygote = ZygoteProcess(ours, process, str(folder), journal)
    try:
        with theirs:
            yield zygote, theirs
    finally:
        await zygote.close()
        journal.close()


async def test_more_orders_than_the_socket_holds(tmp_path: Path) -> None:
    async with idle_zygote(tmp_path) as (zygote, theirs):
        before = len(os.listdir("/proc/self/fd"))
        for number in range(ORDERS):
            zygote.order({"order": "start", "name": str(number)}, [theirs.fileno()])
        assert not zygote.gone
        heard = [await asyncio.to_thread(receive, theirs) for _ in range(ORDERS)]
        assert [packet.content["name"] for packet in heard if packet] == [str(number) for number in range(ORDERS)]
        for packet in heard:
            assert packet is not None
            os.close(packet.descriptors[0])
        assert len(os.listdir("/proc/self/fd")) <= before


async def test_one_that_is_closed_before_it_is_ready_leaves_nothing_unheard(tmp_path: Path) -> None:
    told: list[Mapping[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: told.append(context))
    async with idle_zygote(tmp_path) as (zygote, _):
        assert not zygote.ready.done()
    del zygote
    gc.collect()
    assert told == []


async def test_a_socket_that_cannot_be_handed_over_starts_nothing(tmp_path: Path) -> None:
    async with idle_zygote(tmp_path) as (zygote, _):
        zygote.journal.record("m")
        with pytest.raises(CannotStart, match="its socket cannot be handed over: Bad file descriptor"):
            await zygote.start("m", MachineSpec("duckdb", "user", 1, GIB), -1)
        assert "m" not in zygote.journal.machines
        assert not zygote.gone
