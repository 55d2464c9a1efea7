"""One JVM with a Spark Connect server in it: started directly with ``java``, watched, stopped."""

import logging
import os
import re
import secrets
import subprocess
import threading
from collections import deque
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from compute.spark import java
from compute.spark.jvm import JvmOptions, start_jvm
from compute.spark.liveness import await_silence

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MAIN_CLASS = "org.apache.spark.sql.connect.service.SparkConnectServer"
TOKEN_VARIABLE = "SPARK_CONNECT_AUTHENTICATE_TOKEN"

SAID_LINES = 1000
"""That are kept of a start."""
_LISTENING = re.compile(r"Spark Connect server started at: 127\.0\.0\.1:(\d+)")
_FATAL = {
    # Spark's reaper of tasks says so where it may not end the JVM itself: in local mode.
    re.compile(r"Killed task \d+ could not be stopped"): "a task of a cancelled statement does not end",
    # Java goes on without the thread, and Spark then waits for good for what the thread was to do.
    re.compile(r"^\[\S+\]\[warning\]\[os,thread\] Failed to start the native thread"): (
        f"it may not have the threads that it needs, up to {java.MOST_THREADS}"
    ),
}
"""What a JVM says that is of no more use, and what that means."""
_OVER = re.compile(r"^INFO SparkContext: SparkContext is stopping")
"""What Spark says when its cluster has given it up. The server would go on and refuse every statement."""
_NOTABLE = re.compile(r"^(?:ERROR (?:Standalone|YarnClient)SchedulerBackend|WARN TaskSchedulerImpl): (.+)")

logger = logging.getLogger(__name__)


class ServerError(Exception):
    """The JVM did not get as far as listening; the message ends with what it said last. `said` is more of that."""

    def __init__(self, message: str, said: str = "") -> None:
        super().__init__(message)
        self.said = said


class SparkServer:
    """A running JVM. It listens on `port` of the loopback and answers only who knows `token`.

    `on_lost` is called, on a thread of its own, when the JVM ends without having been stopped. A JVM ends too when a
    task outlives its cancelled statement, which would keep its share of the cores for good, and when it could not start
    a thread, for which a statement would wait for good. `hear` is called with each line that it says.

    It dies with the thread that started it (Linux's parent death signal): start it from a lasting one.
    """

    def __init__(self, options: JvmOptions, hear: "Callable[[str], None]" = lambda _line: None) -> None:
        """Starts the JVM and waits until it listens: seconds. Raises ServerError."""
        self._tell = hear
        self._reason = ""
        self.token = secrets.token_urlsafe(32)
        environment = {**options.environment, TOKEN_VARIABLE: self.token}
        self._process = start_jvm(
            replace(options, environment=environment), (MAIN_CLASS,), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        )
        threading.Thread(target=self._mind_stops, name="spark-stops", daemon=True).start()
        self.port = self._await_port()
        self.on_lost: Callable[[], None] = lambda: None
        self._stopping = False
        self._drain = threading.Thread(target=self._log_output, name="spark-log", daemon=True)
        self._drain.start()

    @property
    def pid(self) -> int:
        return self._process.pid

    def watch(self) -> None:
        """From now on a JVM that does not answer any more is killed."""
        threading.Thread(target=self._watch, name="spark-watch", daemon=True).start()

    def poll(self) -> int | None:
        """None while the JVM runs, else its exit status."""
        return self._process.poll()

    def join(self) -> None:
        """Waits until the JVM has ended and `on_lost` has been called."""
        self._drain.join()

    def condemn(self, reason: str) -> None:
        """Kills a JVM that is of no more use. It counts as lost."""
        logger.error("spark's JVM is killed: %s", reason)
        self._reason = f" ({reason})"
        self._process.kill()

    def stop(self, *, grace_seconds: float = 0) -> None:
        """Ends the JVM: asked first if it gets a grace, killed after it. Idempotent."""
        self._stopping = True
        try:
            if grace_seconds:
                self._process.terminate()
                self._process.wait(grace_seconds)
        except subprocess.TimeoutExpired:
            logger.info("the JVM %d did not end in %.0f s and is killed", self.pid, grace_seconds)
        self._process.kill()
        self._process.wait()
        self._drain.join()
        assert self._process.stderr is not None
        self._process.stderr.close()

    def _await_port(self) -> int:
        assert self._process.stderr is not None
        said: deque[str] = deque(maxlen=SAID_LINES)
        for line in self._hear():
            if listening := _LISTENING.search(line):
                return int(listening[1])
            said.append(line)
        self._process.wait()
        self._process.stderr.close()
        status, lines = f"{self._process.returncode}{self._reason}", list(said)
        raise ServerError(f"spark's JVM ended with status {status}:\n{''.join(lines[-20:])}", "".join(lines))

    def _mind_stops(self) -> None:
        """A JVM that was stopped says nothing, while it starts not even that it is silent. Its end is for others."""
        wanted = os.WSTOPPED | os.WEXITED | os.WNOWAIT
        with suppress(ChildProcessError):
            seen = os.waitid(os.P_PID, self.pid, wanted)
            if seen is not None and seen.si_code == os.CLD_STOPPED:
                self.condemn("it was stopped")

    def _watch(self) -> None:
        await_silence(self.port)
        self.condemn("it does not answer")

    def _hear(self) -> "Iterator[str]":
        """What the JVM says, to its end. One that is of no more use by its own account is killed."""
        assert self._process.stderr is not None
        for line in self._process.stderr:
            if reason := next((reason for pattern, reason in _FATAL.items() if pattern.search(line)), None):
                self.condemn(reason)
            self._tell(line)
            yield line

    def _log_output(self) -> None:
        """The JVM would block if nobody read what it says. Statements' own errors reach the client another way."""
        for line in self._hear():
            logger.debug("jvm %d: %s", self.pid, line.rstrip())
            if notable := _NOTABLE.search(line):
                logger.warning("spark's cluster: %s", notable[1])
            if _OVER.search(line) and not self._stopping:
                self.condemn("its cluster has given it up")
        if not self._stopping:
            logger.error("spark's JVM ended with status %d", self._process.wait())
            self.on_lost()
