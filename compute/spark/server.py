"""One JVM with a Spark Connect server in it: started directly with ``java``, watched, stopped."""

import logging
import re
import secrets
import subprocess
import threading
from collections import deque
from dataclasses import replace
from typing import TYPE_CHECKING

from compute.spark.jvm import JvmOptions, start_jvm
from compute.spark.liveness import await_silence

if TYPE_CHECKING:
    from collections.abc import Callable

MAIN_CLASS = "org.apache.spark.sql.connect.service.SparkConnectServer"
TOKEN_VARIABLE = "SPARK_CONNECT_AUTHENTICATE_TOKEN"

SAID_LINES = 1000
"""That are kept of a start."""
_LISTENING = re.compile(r"Spark Connect server started at: 127\.0\.0\.1:(\d+)")
_STUCK = re.compile(r"Killed task (\d+) could not be stopped")
"""What Spark's reaper of tasks says where it may not end the JVM itself: in local mode."""
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
    task outlives its cancelled statement: it would keep its share of the cores for good.

    It dies with the thread that started it (Linux's parent death signal): start it from a lasting one.
    """

    def __init__(self, options: JvmOptions) -> None:
        """Starts the JVM and waits until it listens: seconds. Raises ServerError."""
        self.token = secrets.token_urlsafe(32)
        environment = {**options.environment, TOKEN_VARIABLE: self.token}
        self._process = start_jvm(
            replace(options, environment=environment), (MAIN_CLASS,), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        )
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
        for line in self._process.stderr:
            if listening := _LISTENING.search(line):
                return int(listening[1])
            said.append(line)
        self._process.wait()
        self._process.stderr.close()
        status, lines = self._process.returncode, list(said)
        raise ServerError(f"spark's JVM ended with status {status}:\n{''.join(lines[-20:])}", "".join(lines))

    def _watch(self) -> None:
        await_silence(self.port)
        logger.error("spark's JVM does not answer and is killed")
        self._process.kill()

    def _log_output(self) -> None:
        """The JVM would block if nobody read what it says. Statements' own errors reach the client another way."""
        assert self._process.stderr is not None
        for line in self._process.stderr:
            logger.debug("jvm %d: %s", self.pid, line.rstrip())
            if notable := _NOTABLE.search(line):
                logger.warning("spark's cluster: %s", notable[1])
            if _OVER.search(line) and not self._stopping:
                self._process.kill()
            if stuck := _STUCK.search(line):
                logger.warning("task %s of a cancelled statement does not end, so spark's JVM does", stuck[1])
                self._process.kill()
        if not self._stopping:
            logger.error("spark's JVM ended with status %d", self._process.wait())
            self.on_lost()
