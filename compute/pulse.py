"""Whether the other end still lives, while it owes an answer: a process that is stopped or stuck keeps its socket open.

Who waits asks for a sign of life from time to time, and anything that comes is one. An end that is silent for several
periods is given up. Periods that our own event loop has slept through do not pass faster afterwards.
"""

import asyncio
from collections.abc import Callable

PERIOD_SECONDS = 5.0
MOST_SILENT_PERIODS = 4


class Pulse:
    """`is_awaited` tells whether an answer is owed now; `ping` asks for a sign of life; `give_up` ends it."""

    def __init__(self, is_awaited: Callable[[], bool], ping: Callable[[], None], give_up: Callable[[], None]) -> None:
        self._is_awaited = is_awaited
        self._ping = ping
        self._give_up = give_up
        self._timer: asyncio.TimerHandle | None = None
        self._silent_periods = 0

    def feel(self) -> None:
        """Somebody begins to wait: from now on the other end is asked, until it owes nothing any more."""
        if self._timer is None:
            self._silent_periods = 0
            self._set_timer()

    def hear(self) -> None:
        """Something came."""
        self._silent_periods = 0

    def stop(self) -> None:
        """The connection is over."""
        if self._timer is not None:
            self._timer.cancel()

    def _set_timer(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(PERIOD_SECONDS, self._pass_period)

    def _pass_period(self) -> None:
        self._timer = None
        if not self._is_awaited():
            return
        self._silent_periods += 1
        if self._silent_periods >= MOST_SILENT_PERIODS:
            self._give_up()
        else:
            self._set_timer()
            self._ping()
