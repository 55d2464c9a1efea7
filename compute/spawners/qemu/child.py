"""A child process on the event loop, made without a fork of the gateway's memory.

`subprocess` makes it by vfork(2) where nothing has to run in between: a millisecond, however large the gateway is; the
event loops' own ways take longer the larger it is. Its end is heard of by a descriptor, pidfd_open(2).
"""

import asyncio
import os
import subprocess
from collections.abc import Mapping, Sequence


class Child:
    """A running program. `ended` holds its exit status, negative where a signal ended it."""

    def __init__(
        self,
        command: Sequence[str],
        *,
        descriptors: Sequence[int] = (),
        output: int = subprocess.DEVNULL,
        environment: Mapping[str, str],
    ) -> None:
        """Raises OSError."""
        self._process = subprocess.Popen(
            command,
            pass_fds=descriptors,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=None if output == subprocess.DEVNULL else output,
            env=dict(environment),
            start_new_session=True,
        )
        self._loop = asyncio.get_running_loop()
        self._descriptor = os.pidfd_open(self._process.pid)
        self._loop.add_reader(self._descriptor, self._reap)
        self.ended: asyncio.Future[int] = self._loop.create_future()

    @property
    def pid(self) -> int:
        return self._process.pid

    def kill(self) -> None:
        """Idempotent."""
        self._process.kill()

    def _reap(self) -> None:
        self._loop.remove_reader(self._descriptor)
        os.close(self._descriptor)
        self.ended.set_result(self._process.wait())
