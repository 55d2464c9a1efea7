"""Which executors a driver has, by its own log.

Spark waits for executors without end: for a node with room, for a quota, for an API server that denies it pods. So
would every statement.
"""

import re
import time

LONGEST_ALONE_SECONDS = 300.0
"""Longer than a cluster takes to make another node."""
PERIOD_SECONDS = 5.0
_CAME = re.compile(r"^INFO ExecutorMonitor: New executor (\w+) has registered")
_WENT = re.compile(r"^INFO ExecutorMonitor: Executor (\w+) is removed")


class Presence:
    """Hears the driver's log on one thread and is asked on others. Nobody is there at first."""

    def __init__(self) -> None:
        self._present: set[str] = set()
        self._alone_since: float | None = time.monotonic()

    def hear(self, line: str) -> None:
        """Takes a line of the log, whatever it says."""
        if came := _CAME.search(line):
            self._present.add(came[1])
        elif went := _WENT.search(line):
            self._present.discard(went[1])
        else:
            return
        if self._present:
            self._alone_since = None
        elif self._alone_since is None:
            self._alone_since = time.monotonic()

    def alone_seconds(self) -> float:
        """For how long there has been no executor; 0 while there is one."""
        since = self._alone_since
        return 0.0 if since is None else time.monotonic() - since

    def await_loneliness(self) -> None:
        """Returns once there has been none for `LONGEST_ALONE_SECONDS`."""
        while self.alone_seconds() < LONGEST_ALONE_SECONDS:
            time.sleep(PERIOD_SECONDS)
