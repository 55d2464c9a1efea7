"""A QEMU process: started without privileges, ended by SIGKILL, dead with the gateway."""

import asyncio
import os
import socket
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from compute.connection import Connection
from compute.spawners.qemu.child import Child
from compute.spawners.qemu.command import Ends, Shape, command_line
from compute.spawners.qemu.control import Command, Control, open_control, write_ahead

KVM = Path("/dev/kvm")


@dataclass(eq=False, slots=True)
class Process:
    """A running QEMU with our ends of its three streams; `channel` until somebody takes it."""

    child: Child
    control: Control
    rehearsal: socket.socket
    channel: socket.socket | None

    async def connect(self) -> Connection:
        """The one connection that there is. Raises OSError on the second call, and once the process has ended."""
        if self.channel is None:
            raise ConnectionRefusedError("the machine takes no more connections")
        taken, self.channel = self.channel, None
        _, connection = await asyncio.get_running_loop().create_unix_connection(Connection, sock=taken)
        return connection

    def close(self) -> None:
        """Closes our ends, also the channel where nobody took it."""
        self.control.close()
        self.rehearsal.close()
        if self.channel is not None:
            self.channel.close()
            self.channel = None


async def launch(
    shape: Shape,
    memory: int,
    *,
    uid: int | None,
    ahead: Sequence[Command],
    state: int,
    disk: int | None = None,
    tap: int | None = None,
    shared: bool = False,
    console: int | None = None,
    greeting: bytes = b"",
) -> Process:
    """Starts QEMU on that memory file, disk and wire, with commands and state waiting for it, and with what its
    template's guest has said already waiting for who takes the channel. Raises OSError."""
    streams = [socket.socketpair() for _ in range(3)]
    ours, theirs = [pair[0] for pair in streams], [pair[1] for pair in streams]
    descriptors = [end.fileno() for end in theirs]
    try:
        write_ahead(ours[2], ahead, state)
        theirs[0].send(greeting)
        channel, rehearsal, control = descriptors
        ends = Ends(channel, rehearsal, control, f"/proc/self/fd/{memory}", shared=shared, disk=disk, tap=tap)
        output = "null,id=console" if console is None else "stdio,id=console,signal=off"
        child = Child(
            [*launcher(uid, shape.accelerator == "kvm"), *command_line(shape, ends, console=output)],
            descriptors=[*descriptors, memory, *(each for each in (disk, tap) if each is not None)],
            output=subprocess.DEVNULL if console is None else console,
            environment={"PATH": os.environ.get("PATH", os.defpath)},
        )
    except BaseException:
        for end in ours:
            end.close()
        raise
    finally:
        for end in theirs:
            end.close()
    for end in ours:
        end.setblocking(False)
    return Process(child, await open_control(ours[2]), ours[1], ours[0])


def launcher(uid: int | None, kvm: bool) -> Sequence[str]:
    """What starts QEMU so that it dies with the gateway and, where we are root, is somebody with no rights at all."""
    command = ["setpriv", "--pdeathsig", "KILL", "--no-new-privs"]
    if uid is None:
        return command
    groups = [f"--groups={KVM.stat().st_gid}"] if kvm else ["--clear-groups"]
    return [*command, f"--reuid={uid}", f"--regid={uid}", *groups]
