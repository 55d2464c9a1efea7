"""One VMM process: launched by the jailer, watched, killed.

The jailer forks the VMM into a PID namespace and ends, so the VMM is not our child: a pidfd tells its end.
"""

import asyncio
import os
import signal
import socket
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from compute.spawners import CannotStart
from compute.spawners.firecracker.api import Api
from compute.spawners.firecracker.config import FirecrackerConfig
from compute.spawners.firecracker.jail import Bounds, Jail, jailer_command
from compute.spawners.firecracker.slots import Slot
from compute.spawners.firecracker.threads import finish

MAX_COMPLAINT = 4096
FIRST_PAUSE_SECONDS = 0.001
LONGEST_PAUSE_SECONDS = 0.05
KILLED = -signal.SIGKILL
ENDED_UNASKED = 1
"""The kernel tells an exit status to a parent only, which we are not."""


class Vmm:
    """A live VMM whose API answers. `ended` holds KILLED or ENDED_UNASKED once the process is gone."""

    def __init__(self, process: int, api: Api) -> None:
        self.api = api
        self._process = process
        self._killed = False
        self._loop = asyncio.get_running_loop()
        self.ended: asyncio.Future[int] = self._loop.create_future()
        self._loop.add_reader(process, self._on_exit)

    def kill(self) -> None:
        """Its PID namespace goes with it. Idempotent."""
        if not self.ended.done():
            self._killed = True
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._process, signal.SIGKILL)

    def _on_exit(self) -> None:
        self._loop.remove_reader(self._process)
        os.close(self._process)
        self.ended.set_result(KILLED if self._killed else ENDED_UNASKED)


async def launch(config: FirecrackerConfig, jail: Jail, slot: Slot, bounds: Bounds) -> Vmm:
    """A VMM in a jail that has been filled. Raises CannotStart; whoever ends the jail then ends what is left in it.

    The jailer is not interrupted: half of its work would be harder to take away than all of it.
    """
    command = jailer_command(config, jail, slot, bounds)
    await finish(asyncio.create_task(_run_jailer(command, config.call_seconds)))
    process = find_process(jail)
    if process is None:
        raise CannotStart("the VMM ended at once")
    vmm = Vmm(process, Api(jail.api_socket, config.call_seconds))
    try:
        await _wait_for_socket(jail.api_socket, vmm, config.call_seconds)
    except BaseException:
        await end(vmm)
        raise
    return vmm


async def end(vmm: Vmm) -> None:
    """Kills it and waits until it is gone."""
    vmm.kill()
    await asyncio.wait([vmm.ended])
    await vmm.api.close()


async def _run_jailer(command: Sequence[str], seconds: float) -> None:
    """The jailer ends once the VMM is forked, and says on standard error why it could not."""
    jailer = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
        env={},
    )
    try:
        async with asyncio.timeout(seconds):
            _, complaint = await jailer.communicate()
    except TimeoutError:
        raise CannotStart(f"the jailer did not end in {seconds:g} s") from None
    finally:
        if jailer.returncode is None:
            jailer.kill()
    if jailer.returncode:
        raise CannotStart(f"the jailer: {complaint.decode(errors='replace').strip()[-MAX_COMPLAINT:]}")


def find_process(jail: Jail) -> int | None:
    """A pidfd of the jail's VMM, None where there is none any more.

    The file with its number is the VMM's to write, and numbers are used again: only a process whose folder is the
    jail's root counts, which is what the jailer leaves it in.
    """
    try:
        number = int(_read_start(jail.pid_file))
        process = os.pidfd_open(number)
    except (OSError, ValueError, OverflowError):
        return None
    with suppress(OSError):
        if os.path.samestat(os.stat(f"/proc/{number}/cwd"), os.stat(jail.root)):
            return process
    os.close(process)
    return None


def _read_start(path: Path) -> bytes:
    """A few bytes of what may be anything."""
    file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        return os.read(file, 16)
    finally:
        os.close(file)


async def _wait_for_socket(path: Path, vmm: Vmm, seconds: float) -> None:
    """The VMM listens on its API socket a few milliseconds after it has started."""
    pause = FIRST_PAUSE_SECONDS
    try:
        async with asyncio.timeout(seconds):
            while not await _listens(path):
                if vmm.ended.done():
                    raise CannotStart("the VMM ended before its API answered")
                await asyncio.sleep(pause)
                pause = min(2 * pause, LONGEST_PAUSE_SECONDS)
    except TimeoutError:
        raise CannotStart(f"the VMM's API did not come up in {seconds:g} s") from None


async def _listens(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK) as probe:
        try:
            await asyncio.get_running_loop().sock_connect(probe, str(path))
        except (FileNotFoundError, ConnectionRefusedError):
            return False
    return True
