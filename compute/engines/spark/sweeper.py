"""Jobs that outlive their cancelled statement, found and cancelled.

Spark submits a shuffle's stage from a thread of its own (`ShuffleExchangeExec`), which no cancel interrupts: one that
comes while that thread is still at work finds no job yet, and the job that comes then is nobody's. It would keep the
machine's cores for good. (A statement that fails by itself has Spark call its other stages off.)
"""

import heapq
import logging
import threading
import time
from collections import Counter
from dataclasses import dataclass, field

from compute.spark.client import ConnectError, ConnectSession, Execution

PAUSES = tuple(0.1 * 2**step for step in range(11))
"""Seconds between the sweeps after one statement. Most such threads submit within some tenths of a second, one that has
much code to compile, on a busy machine, after many seconds: its job runs for about as long again."""
MOST = 256
"""Statements that are swept after at a time; beyond them it ends for the one that has been swept after most."""
logger = logging.getLogger(__name__)


@dataclass(order=True, slots=True)
class _Sweep:
    due: float
    done: int
    execution: Execution = field(compare=False)


class Sweeper:
    """Of the sessions of one server, by one thread that is there while there is something to do. Usable from several
    threads. It ends with its server: `close` it."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._sweeps: list[_Sweep] = []
        self._open: Counter[ConnectSession] = Counter()
        self._leaving: set[ConnectSession] = set()
        self._thread: threading.Thread | None = None
        self._ended = False

    def add(self, execution: Execution) -> None:
        """Sweeps after a statement that is about to be cancelled. Its session must be open."""
        with self._changed:
            if self._ended:
                return
            if len(self._sweeps) >= MOST:
                self._sweeps.remove(most := max(self._sweeps, key=lambda sweep: sweep.done))
                heapq.heapify(self._sweeps)
                self._open[most.execution.session] -= 1
            self._open[execution.session] += 1
            self._put(_Sweep(time.monotonic() + PAUSES[0], 0, execution))
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="spark-sweep", daemon=True)
                self._thread.start()

    def release(self, session: ConnectSession) -> None:
        """Closes the session: at once, or when it is swept, as only one that is open can cancel its jobs.

        Raises ConnectError where that can be told now.
        """
        with self._changed:
            if self._open[session] > 0:
                self._leaving.add(session)
                return
        session.close()

    def close(self) -> None:
        """Sweeps no more, and closes the sessions that waited for it. Idempotent. Returns once the thread has ended: at
        once where the server has, else after the request that is on its way."""
        with self._changed:
            self._ended = True
            self._changed.notify()
            thread = self._thread
        if thread is not None:
            thread.join()
        with self._changed:
            self._open.clear()
        self._let_go()

    def _run(self) -> None:
        while (sweep := self._take()) is not None:
            goes_on = sweep.execution.sweep()
            sweep.done += 1
            with self._changed:
                if goes_on and sweep.done < len(PAUSES):
                    sweep.due = time.monotonic() + PAUSES[sweep.done]
                    self._put(sweep)
                    continue
                self._open[sweep.execution.session] -= 1
            self._let_go()

    def _put(self, sweep: _Sweep) -> None:
        heapq.heappush(self._sweeps, sweep)
        self._changed.notify()

    def _take(self) -> _Sweep | None:
        """The next once it is due. None, and the thread's end, where none is left or the sweeper is closed."""
        with self._changed:
            while self._sweeps and not self._ended:
                left = self._sweeps[0].due - time.monotonic()
                if left <= 0:
                    return heapq.heappop(self._sweeps)
                self._changed.wait(left)
            self._thread = None
            return None

    def _let_go(self) -> None:
        """Closes sessions that waited only for this."""
        with self._changed:
            over = [session for session in self._leaving if self._open[session] <= 0]
            self._leaving.difference_update(over)
            self._open = +self._open
        for session in over:
            try:
                session.close()
            except ConnectError as error:
                logger.info("spark did not release a session: %s", error)
