"""What a killed gateway has left that still lives: its zygote and the machines that were nobody's yet.

Partner of `compute.zygote.succession`, which waits there for a while. Who asks holds the run folder's lock, so only one
gateway does.
"""

import asyncio
import os
import signal
import socket
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from compute.spawners import journal
from compute.spawners.folders import JOURNAL, RunFolder, adopt_folder
from compute.spawners.zygote import ZYGOTE
from compute.zygote.packets import receive, send
from compute.zygote.succession import SOCKET

ANSWER_SECONDS = 5.0
"""It answers at once, unless it is stopped or stuck: then it is reaped like the rest."""


class AdoptedProcess:
    """A process that another one has started, as `compute.spawners.zygote` wants it."""

    def __init__(self, descriptor: int) -> None:
        """By its pidfd. On the event loop."""
        self.returncode: int | None = None
        self._descriptor = descriptor
        self._loop = asyncio.get_running_loop()
        self._ended = asyncio.Event()
        self._loop.add_reader(self._descriptor, self._on_end)

    def kill(self) -> None:
        """One that has ended meanwhile is no error."""
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._descriptor, signal.SIGKILL)

    async def wait(self) -> int:
        await self._ended.wait()
        return self.returncode or 0

    def _on_end(self) -> None:
        """How it has ended only its parent hears."""
        self._loop.remove_reader(self._descriptor)
        os.close(self._descriptor)
        self.returncode = -signal.SIGKILL
        self._ended.set()


@dataclass(frozen=True, slots=True)
class Adopted:
    """A run folder that is ours now, the zygote's control socket, what it reports, and its process's pidfd."""

    folder: RunFolder
    control: socket.socket
    report: Mapping[str, Any]
    process: int


def adopt(parent: str | None, wanted: Mapping[str, Any]) -> Adopted | None:
    """A zygote that nobody works with any more and that was started for the same; None if there is none. Blocks."""
    answers = {}

    def ask(path: str) -> bool:
        with suppress(OSError):
            answers[path] = _ask(path, wanted)
        return path in answers

    folder = adopt_folder(parent, ask)
    if folder is None:
        return None
    return Adopted(folder, *answers[folder.path])


def _ask(path: str, wanted: Mapping[str, Any]) -> tuple[socket.socket, Mapping[str, Any], int]:
    """Raises OSError where nobody answers, or one who was started for something else."""
    recorded = journal.read(os.path.join(path, JOURNAL)).get(ZYGOTE)
    if not recorded:
        raise ProcessLookupError("no zygote is recorded")
    control = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    try:
        control.settimeout(ANSWER_SECONDS)
        control.connect(os.path.join(path, SOCKET))
        send(control, wanted)
        packet = receive(control)
        if packet is None:
            raise ConnectionError("the zygote was started for something else")
        process = os.pidfd_open(int(recorded[-1].name))
    except BaseException:
        control.close()
        raise
    control.setblocking(False)
    return control, packet.content, process
