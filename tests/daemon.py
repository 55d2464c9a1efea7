"""A server process started by a test: waits for the line that says it is ready, keeps its log, ends it with SIGINT."""

import signal
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

START_SECONDS = 300.0
STOP_SECONDS = 300.0


@dataclass(slots=True)
class Daemon:
    """`process` runs. `ready_line` is the one that was waited for; `log` grows with everything it prints."""

    process: subprocess.Popen[str]
    ready_line: str
    log: list[str] = field(default_factory=list, repr=False)

    def stop(self) -> int:
        """Asks it to end and waits; the exit code."""
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(STOP_SECONDS)


@contextmanager
def running(
    command: Sequence[str | Path],
    is_ready: Callable[[str], bool],
    *,
    environment: Mapping[str, str] | None = None,
    **options: Any,
) -> Iterator[Daemon]:
    """Starts `command` and yields once a line of its output is the one awaited. Leaving ends it, if it still runs.

    Raises AssertionError with its log when it ends, or is silent for too long, before that line.
    """
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment, **options
    ) as process:
        daemon = Daemon(process, "")
        try:
            daemon.ready_line = _await_line(process, is_ready, daemon.log)
            drain = threading.Thread(target=daemon.log.extend, args=(process.stdout,), daemon=True)
            drain.start()
            yield daemon
        finally:
            if process.poll() is None:
                daemon.stop()
        drain.join()


def _await_line(process: subprocess.Popen[str], is_ready: Callable[[str], bool], log: list[str]) -> str:
    watchdog = threading.Timer(START_SECONDS, process.kill)
    watchdog.start()
    try:
        assert process.stdout is not None
        for line in process.stdout:
            log.append(line)
            if is_ready(line):
                return line
    finally:
        watchdog.cancel()
    raise AssertionError("".join(log))
