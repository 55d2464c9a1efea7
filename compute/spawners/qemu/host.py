"""What this host has: QEMU's version, the processor, and whether KVM really starts machines."""

import asyncio
import os
from collections.abc import Mapping
from pathlib import Path

from compute.spawners import CannotStart
from compute.spawners.qemu.command import PROGRAM, Accelerator, Shape
from compute.spawners.qemu.control import NEGOTIATE
from compute.spawners.qemu.memory import create_memory
from compute.spawners.qemu.process import KVM, launch

TRIAL_SECONDS = 5.0
TRIAL_MIB = 256


async def qemu_version() -> str:
    """Raises CannotStart."""
    try:
        asked = await asyncio.create_subprocess_exec(PROGRAM, "--version", stdout=asyncio.subprocess.PIPE)
    except FileNotFoundError as error:
        raise CannotStart(f"{PROGRAM} is missing: install it with apt-get install qemu-system-x86") from error
    said, _ = await asked.communicate()
    return said.decode().partition("\n")[0]


def processor() -> Mapping[str, str]:
    """The first processor's entry in /proc/cpuinfo."""
    entry = Path("/proc/cpuinfo").read_text().partition("\n\n")[0]
    pairs = (line.partition(":") for line in entry.splitlines())
    return {name.strip(): value.strip() for name, _, value in pairs}


def clock_khz(entry: Mapping[str, str]) -> int:
    """The frequency of its time stamp counter: two bogus instructions a tick."""
    return round(float(entry["bogomips"]) * 500)


async def choose_accelerator(image: Path, uid: int | None) -> Accelerator:
    """KVM where a machine boots with it and ends within seconds; having the device says little."""
    if not KVM.exists():
        return "tcg"
    shape = Shape("kvm", image, TRIAL_MIB, 0, {"engine": None})
    return "kvm" if await _ends_in_time(shape, uid) else "tcg"


async def _ends_in_time(shape: Shape, uid: int | None) -> bool:
    memory = create_memory(shape.memory << 20)
    process = await launch(shape, memory, uid=uid, ahead=[NEGOTIATE], state=memory, shared=True)
    try:
        async with asyncio.timeout(TRIAL_SECONDS):
            return await process.child.wait() == 0
    except TimeoutError:
        return False
    finally:
        process.kill()
        await process.child.wait()
        process.close()
        os.close(memory)
