"""Asks the executor of this container to leave: it takes no more tasks, gives its blocks to others, and ends.

A pod runs it before it is stopped (``preStop``), and is stopped once this returns or its grace is over. The executor
is process 1, whose end is this process' end too.
"""

import os
import signal
import time

EXECUTOR = 1
LONGEST_SECONDS = 3600.0


def main() -> None:
    os.kill(EXECUTOR, signal.SIGPWR)
    time.sleep(LONGEST_SECONDS)
