"""SIGKILL of a gateway whose microVMs have a network: nothing is left of it, though nothing of it has a name."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from compute.sandbox.interfaces import TUN
from compute.spawners.folders import reap_abandoned
from compute.spawners.qemu.command import PROGRAM
from tests.processes import named, until

GATEWAY = """
import asyncio, sys
from pathlib import Path
from tests.fix_machines import NETWORKED, make_spawner
from tests.objectstore.server import Store

async def main():
    spawner = make_spawner(Path(sys.argv[1]), NETWORKED, Store("http://127.0.0.1:9", "", "", None), sys.argv[2])
    await spawner.open()
    await spawner.start(NETWORKED.spec)
    print("started", flush=True)
    while True:
        await spawner.stop(await spawner.start(NETWORKED.spec))

asyncio.run(main())
"""
"""One machine that stays, and others that come and go."""


@pytest.mark.skipif(os.geteuid() != 0, reason="networks are made by root")
def test_a_killed_gateway_leaves_no_wire(guest_image: Path) -> None:
    """Nor anything else: a namespace goes with the last who holds a part of it."""
    with tempfile.TemporaryDirectory(prefix="lakegate-killed-") as folder:
        command = [sys.executable, "-c", GATEWAY, str(guest_image), folder]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as gateway:
            assert gateway.stdout is not None
            assert gateway.stdout.readline() == b"started\n"
            held = [machine.pid for machine in named(PROGRAM[:15], gateway.pid)]
            assert any(holds_wire(pid) for pid in held)
            gateway.kill()
        until(lambda: not any(psutil.pid_exists(pid) for pid in held))
        reap_abandoned(folder)
        assert os.listdir(folder) == []


def holds_wire(pid: int) -> bool:
    """Whether a process has an end of a wire open."""
    with suppress(OSError):
        return TUN in set(links(f"/proc/{pid}/fd"))
    return False


def links(folder: str) -> Iterator[str]:
    for name in os.listdir(folder):
        with suppress(FileNotFoundError):
            yield os.readlink(f"{folder}/{name}")
