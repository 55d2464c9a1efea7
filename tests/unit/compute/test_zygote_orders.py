"""Orders to a zygote that is busy: they wait, in order, and cost nobody a machine."""

import asyncio
import os
import socket
from pathlib import Path

from compute.spawners.journal import Journal
from compute.spawners.zygote import ZygoteProcess
from compute.zygote.packets import receive

ORDERS = 2000


async def test_more_orders_than_the_socket_holds(tmp_path: Path) -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ours.setblocking(False)
    process = await asyncio.create_subprocess_exec("sleep", "1000")
    journal = Journal(str(tmp_path / "journal"))
    zygote = ZygoteProcess(ours, process, str(tmp_path), journal)
    before = len(os.listdir("/proc/self/fd"))
    for number in range(ORDERS):
        zygote.order({"order": "start", "name": str(number)}, [theirs.fileno()])
    assert not zygote.gone
    with theirs:
        heard = [await asyncio.to_thread(receive, theirs) for _ in range(ORDERS)]
        assert [packet.content["name"] for packet in heard if packet] == [str(number) for number in range(ORDERS)]
        for packet in heard:
            assert packet is not None
            os.close(packet.descriptors[0])
    assert len(os.listdir("/proc/self/fd")) <= before
    await zygote.close()
    journal.close()
