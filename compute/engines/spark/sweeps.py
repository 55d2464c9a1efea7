"""Jobs that outlive their cancelled statement, found and cancelled.

Spark submits a shuffle's stage from a thread of its own (`ShuffleExchangeExec`), which no cancel interrupts: one that
comes while that thread is still at work finds no job yet, and the job that comes then is nobody's. It would keep the
machine's cores for good.
"""

import threading
import time
from collections.abc import Callable

from compute.spark.client import Execution

PAUSES = (0.1, 0.4, 1.6, 6.4, 25.6, 102.4)
"""Seconds between sweeps. Most such threads submit within some tenths of a second, one that has much code to compile
after many seconds: its job runs for three times as long at most."""


class Sweeps:
    """Of the statements of one session. Usable from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._threads: list[threading.Thread] = []

    def add(self, execution: Execution, ending: threading.Thread) -> None:
        """Sweeps after a cancelled statement, from when `ending`, which reads its answer, has come to its end."""
        thread = _start(lambda: _sweep(execution, ending))
        with self._lock:
            self._threads = [*filter(threading.Thread.is_alive, self._threads), thread]

    def finish(self, act: Callable[[], None]) -> None:
        """Calls `act` once they are over: at once where none is under way, else later, from a thread of its own."""
        with self._lock:
            threads = [*filter(threading.Thread.is_alive, self._threads)]
        if threads:
            _start(lambda: _act_after(threads, act))
        else:
            act()


def _start(act: Callable[[], None]) -> threading.Thread:
    thread = threading.Thread(target=act, name="spark-sweep", daemon=True)
    thread.start()
    return thread


def _sweep(execution: Execution, ending: threading.Thread) -> None:
    ending.join()
    for pause in PAUSES:
        time.sleep(pause)
        if not execution.sweep():
            return


def _act_after(threads: list[threading.Thread], act: Callable[[], None]) -> None:
    for thread in threads:
        thread.join()
    act()
