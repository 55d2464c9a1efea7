"""What this host has: QEMU's version, the processor, and whether KVM really starts machines."""

import asyncio
import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from compute.spawners import CannotStart
from compute.spawners.qemu.command import PROGRAM, Accelerator, Shape
from compute.spawners.qemu.control import NEGOTIATE
from compute.spawners.qemu.memory import create_memory
from compute.spawners.qemu.process import KVM, launch

TRIAL_SECONDS = 5.0
TRIAL_MIB = 256
log = logging.getLogger(__name__)
_CHANGING = {"cpu MHz", "processor", "core id", "apicid", "initial apicid"}


@dataclass(frozen=True, slots=True)
class Host:
    """`processor` says which it is and what it can do; `clock_khz` is the frequency of its time stamp counter."""

    version: str
    processor: str
    clock_khz: int
    accelerator: Accelerator


async def examine_host(image: Path, uid: int | None) -> Host:
    """Tries a machine where there is KVM. Raises CannotStart where QEMU is missing."""
    entry = await asyncio.to_thread(_processor)
    chosen = await _choose_accelerator(image, uid)
    return Host(await _ask_version(), str(sorted(entry.items())), _clock_khz(entry), chosen)


async def _ask_version() -> str:
    try:
        asked = await asyncio.create_subprocess_exec(PROGRAM, "--version", stdout=asyncio.subprocess.PIPE)
    except FileNotFoundError as error:
        raise CannotStart(f"{PROGRAM} is missing: install it with apt-get install qemu-system-x86") from error
    said, _ = await asked.communicate()
    return said.decode().partition("\n")[0]


def _processor() -> Mapping[str, str]:
    """The first processor's entry in /proc/cpuinfo."""
    entry = Path("/proc/cpuinfo").read_text().partition("\n\n")[0]
    pairs = (line.partition(":") for line in entry.splitlines())
    return {name.strip(): value.strip() for name, _, value in pairs if name.strip() not in _CHANGING}


def _clock_khz(entry: Mapping[str, str]) -> int:
    """Two bogus instructions a tick, and counted in millions."""
    return round(float(entry["bogomips"]) * 500)


async def _choose_accelerator(image: Path, uid: int | None) -> Accelerator:
    """KVM where a machine boots with it and ends within seconds; having the device says little."""
    if not await asyncio.to_thread(KVM.exists):
        log.warning("%s is missing: machines run on emulated processors, many times slower", KVM)
        return "tcg"
    shape = Shape("kvm", image, TRIAL_MIB, 0, {"engine": None})
    if await _ends_in_time(shape, uid):
        return "kvm"
    log.warning("no machine boots with %s: machines run on emulated processors, many times slower", KVM)
    return "tcg"


async def _ends_in_time(shape: Shape, uid: int | None) -> bool:
    memory = create_memory(shape.memory << 20)
    console = os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
    process = await launch(shape, memory, uid=uid, ahead=[NEGOTIATE], state=memory, shared=True, console=console)
    try:
        async with asyncio.timeout(TRIAL_SECONDS):
            return await asyncio.shield(process.child.ended) == 0
    except TimeoutError:
        return False
    finally:
        process.child.kill()
        await process.child.ended
        process.close()
        os.close(memory)
        os.close(console)
