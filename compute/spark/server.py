"""One JVM with a Spark Connect server in it: started directly with ``java``, watched, stopped."""

import ctypes
import logging
import os
import re
import secrets
import signal
import subprocess
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from compute.spark import java
from compute.spark.liveness import await_silence

MAIN_CLASS = "org.apache.spark.sql.connect.service.SparkConnectServer"
TOKEN_VARIABLE = "SPARK_CONNECT_AUTHENTICATE_TOKEN"
LOGGING = Path(__file__).with_name("log4j2.properties")
USER = "lakegate"
FOLDERS = ("tmp", "local", "warehouse")
"""What a JVM needs in its scratch folder: Java's temporary files, Spark's blocks, and a default warehouse."""

_LISTENING = re.compile(r"Spark Connect server started at: 127\.0\.0\.1:(\d+)")
_STUCK = re.compile(r"Killed task (\d+) could not be stopped")
"""What Spark's reaper of tasks says where it may not end the JVM itself: in local mode."""
_PR_SET_PDEATHSIG = 1
_PR_SET_NO_NEW_PRIVS = 38

logger = logging.getLogger(__name__)


class ServerError(Exception):
    """The JVM did not get as far as listening; the message ends with what it said last."""


@dataclass(frozen=True, slots=True)
class ServerOptions:
    """What one JVM is started with. `java` is the program; `java_flags` are those beyond the fixed ones, the AOT
    cache's among them.

    `uid` is the user that it runs as, None for our own; `scratch` must be writable to it. `confine` is called in the
    new process before the JVM runs.
    """

    java: Path
    class_path: tuple[str, ...]
    settings: Mapping[str, str]
    scratch: Path
    heap_bytes: int
    uid: int | None = None
    confine: Callable[[], None] = lambda: None
    java_flags: tuple[str, ...] = ()


class SparkServer:
    """A running JVM. It listens on `port` of the loopback and answers only who knows `token`.

    `on_lost` is called, on a thread of its own, when the JVM ends without having been stopped. A JVM ends too when a
    task outlives its cancelled statement: it would keep its share of the cores for good.

    It dies with the thread that started it (Linux's parent death signal): start it from a lasting one.
    """

    def __init__(self, options: ServerOptions) -> None:
        """Starts the JVM and waits until it listens: seconds. Raises ServerError."""
        self.token = secrets.token_urlsafe(32)
        self._process = _start_java(options, self.token)
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
        said = []
        for line in self._process.stderr:
            if listening := _LISTENING.search(line):
                return int(listening[1])
            said.append(line)
        self._process.wait()
        self._process.stderr.close()
        raise ServerError(f"spark's JVM ended with status {self._process.returncode}:\n" + "".join(said[-20:]))

    def _watch(self) -> None:
        await_silence(self.port)
        logger.error("spark's JVM does not answer and is killed")
        self._process.kill()

    def _log_output(self) -> None:
        """The JVM would block if nobody read what it says. Statements' own errors reach the client another way."""
        assert self._process.stderr is not None
        for line in self._process.stderr:
            logger.debug("jvm %d: %s", self.pid, line.rstrip())
            if stuck := _STUCK.search(line):
                logger.warning("task %s of a cancelled statement does not end, so spark's JVM does", stuck[1])
                self._process.kill()
        if not self._stopping:
            logger.error("spark's JVM ended with status %d", self._process.wait())
            self.on_lost()


def java_arguments(options: ServerOptions) -> tuple[str, ...]:
    """Everything after ``java``, the class path aside. The order of flags must be the same in training and in use."""
    return (
        *options.java_flags,
        *java.COLLECTOR_FLAGS,
        *java.MODULE_FLAGS,
        f"-Xmx{options.heap_bytes}",
        f"-XX:MaxDirectMemorySize={options.heap_bytes // 2}",
        f"-Djava.io.tmpdir={options.scratch / 'tmp'}",
        f"-XX:ErrorFile={options.scratch / 'tmp' / 'jvm-crash.log'}",
        f"-Dlog4j2.configurationFile={LOGGING}",
        "-Duser.timezone=UTC",
        *(f"-D{key}={value}" for key, value in options.settings.items()),
    )


def _start_java(options: ServerOptions, token: str) -> subprocess.Popen[str]:
    for name in FOLDERS:
        folder = options.scratch / name
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if options.uid is not None:
            os.chown(folder, options.uid, options.uid)
    arguments = (*java_arguments(options), "-cp", ":".join(options.class_path), MAIN_CLASS)
    argument_file = java.write_argument_file(options.scratch / "tmp" / "java.args", arguments)
    return subprocess.Popen(
        [options.java, argument_file],
        cwd=options.scratch,
        env=java.environment({TOKEN_VARIABLE: token, "SPARK_LOCAL_IP": "127.0.0.1", "HADOOP_USER_NAME": USER}),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        user=options.uid,
        group=options.uid,
        extra_groups=None if options.uid is None else [],
        preexec_fn=_prepare_child(options.confine),
    )


def _prepare_child(confine: Callable[[], None]) -> Callable[[], None]:
    """What the child does before ``exec``: it will die with us, and no program it runs gains rights."""
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    parent = os.getpid()

    def prepare() -> None:
        prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:
            os._exit(1)
        confine()

    return prepare
