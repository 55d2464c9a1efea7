"""The pagers of a spawner: one process for each template whose clones' pages it brings."""

import asyncio
import os
import socket
import sys
from pathlib import Path

from compute.spawners import CannotStart
from compute.spawners.firecracker.templates import Template

PACKAGE_ROOT = str(Path(__file__).parents[3])


class Pager:
    """`socket_path` is linked into the jails of its clones. When it has `ended`, they wait for pages for ever."""

    def __init__(self, socket_path: Path, process: asyncio.subprocess.Process) -> None:
        self.socket_path = socket_path
        self._process = process
        self.ended = asyncio.ensure_future(process.wait())

    async def close(self) -> None:
        if self._process.returncode is None:
            self._process.kill()
        await self.ended
        self.socket_path.unlink(missing_ok=True)


async def open_pager(template: Template, folder: Path) -> Pager:
    """`folder` is closed to others: only who has the link in a jail can connect. Raises CannotStart."""
    path = folder / template.folder.name
    with await asyncio.to_thread(_listen, path) as listener:
        command = ("-P", "-m", "compute.spawners.firecracker.pager", str(listener.fileno()), str(template.memory))
        try:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                *command,
                pass_fds=[listener.fileno()],
                stdin=asyncio.subprocess.DEVNULL,
                env={"PATH": os.defpath, "PYTHONPATH": os.pathsep.join([PACKAGE_ROOT, *filter(None, sys.path)])},
                start_new_session=True,
            )
        except OSError as error:
            raise CannotStart(f"the pager did not start: {error.strerror}") from error
    return Pager(path, process)


def _listen(path: Path) -> socket.socket:
    path.parent.mkdir(mode=0o700, exist_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(os.fspath(path))
    os.chmod(path, 0o666)
    listener.listen(socket.SOMAXCONN)
    return listener
