"""The JVM's life: its cache taken, its door locked, nothing left behind it."""

import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from compute.sandbox import cgroups
from compute.sandbox.cgroups import Bounds
from compute.spark import aot, liveness
from compute.spark.client import ConnectError, ConnectSession, Server
from compute.spark.configuration import spark_settings
from compute.spark.installation import Installation
from compute.spark.jvm import JvmOptions
from compute.spark.server import ServerError, SparkServer
from compute.spark.setup import set_up
from compute.spark.training import run_to_end
from tests.processes import until

pytestmark = pytest.mark.spark

ORPHAN = """
import sys
from pathlib import Path
from compute.spark.installation import find_installation
from compute.spark.jvm import JvmOptions
from compute.spark.server import SparkServer
from compute.spark.configuration import spark_settings
scratch = Path(sys.argv[2])
found = find_installation(Path(sys.argv[1]))
options = JvmOptions(found.java, found.class_path, spark_settings(1, scratch), scratch, 512 << 20)
print(SparkServer(options).pid, flush=True)
sys.stdin.read()
"""


def options(installation: Installation, scratch: Path, *flags: str) -> JvmOptions:
    settings = spark_settings(1, scratch)
    return JvmOptions(installation.java, installation.class_path, settings, scratch, 512 << 20, java_flags=flags)


@pytest.fixture(scope="module")
def server(spark_installation: Installation, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SparkServer]:
    """Started so that Java ends with an error if it rejects the cache."""
    flags = (*aot.use_flags(spark_installation.archive), "-XX:AOTMode=on")
    running = SparkServer(options(spark_installation, tmp_path_factory.mktemp("server"), *flags))
    yield running
    running.stop()


@pytest.fixture
def few_tasks() -> Iterator[Sequence[str]]:
    """Control groups with room for Java's own threads and not for Spark's."""
    name = f"lakegate-test-{os.getpid()}"
    tree, _ = cgroups.open_run(name)
    yield tree.groups(tree.take(Bounds(memory_bytes=4 << 30, tasks=32, cores=2)))
    for folder in cgroups.run_folders(name):
        cgroups.remove_group(folder)


def test_java_takes_the_cache(server: SparkServer, spark_installation: Installation) -> None:
    assert server.poll() is None
    assert aot.rejection(spark_installation.java, spark_installation.archive, spark_installation.class_path) is None


def test_another_class_path_is_another_cache(spark_installation: Installation) -> None:
    fewer, cache = spark_installation.class_path[1:], spark_installation.archive.parent
    assert aot.archive_path(cache, fewer) != aot.archive_path(cache, spark_installation.class_path)
    assert aot.rejection(spark_installation.java, spark_installation.archive, fewer) is not None


def test_a_second_set_up_changes_nothing(spark_installation: Installation) -> None:
    cache = spark_installation.archive.parent
    before = {path: path.stat().st_mtime_ns for path in cache.iterdir()}
    assert set_up(cache) == spark_installation
    assert {path: path.stat().st_mtime_ns for path in cache.iterdir()} == before


def test_who_does_not_know_the_token_is_refused(server: SparkServer) -> None:
    stranger = ConnectSession(Server(f"127.0.0.1:{server.port}", "guessed"))
    with pytest.raises(ConnectError, match="token"):
        run_to_end(stranger, "SELECT 1")
    with pytest.raises(ConnectError):
        stranger.close()


def test_it_listens_on_the_loopback_only(server: SparkServer) -> None:
    assert {address for address, _ in listening(server.pid)} <= {"0100007F", "0000000000000000FFFF00000100007F"}


def test_no_secret_shows_in_its_arguments(server: SparkServer) -> None:
    arguments = Path(f"/proc/{server.pid}/cmdline").read_bytes()
    assert server.token.encode() not in arguments
    assert arguments.count(b"\0") == 2


def test_a_java_that_does_not_start_says_why(spark_installation: Installation, tmp_path: Path) -> None:
    with pytest.raises(ServerError, match="NoSuchFlag"):
        SparkServer(options(spark_installation, tmp_path, "-XX:+NoSuchFlag"))


def test_a_java_that_may_not_have_its_threads_ends(
    spark_installation: Installation, tmp_path: Path, few_tasks: Sequence[str]
) -> None:
    """It would go on without them, and statements would wait for what they were to do."""
    confined = replace(options(spark_installation, tmp_path), confine=lambda: cgroups.enter(few_tasks))
    with pytest.raises(ServerError, match="threads that it needs"):
        SparkServer(confined)


def test_it_dies_with_its_parent(spark_installation: Installation, tmp_path: Path) -> None:
    command = [sys.executable, "-c", ORPHAN, str(spark_installation.archive.parent), str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child = os.pidfd_open(int(parent.stdout.readline()))
        parent.send_signal(signal.SIGKILL)
    assert signal.SIGKILL in {-parent.returncode}
    assert ended(child)


def test_it_tells_when_it_answers_no_more_and_not_when_it_is_ended(
    spark_installation: Installation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(liveness, "SILENT_SECONDS", 5.0)
    told: list[str] = []
    running = SparkServer(options(spark_installation, tmp_path, *aot.use_flags(spark_installation.archive)))
    running.on_lost = lambda: told.append("lost")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        running.port = silent.getsockname()[1]
        running.watch()
        running.join()
    assert told == ["lost"]
    running.stop()
    assert running.poll() == -signal.SIGKILL


def test_a_java_that_is_stopped_while_it_starts_ends(spark_installation: Installation, tmp_path: Path) -> None:
    own = psutil.Process()
    former = own.children()

    def stop() -> None:
        until(lambda: any(each.name() == "java" for each in own.children() if each not in former))
        (starting,) = (each for each in own.children() if each not in former)
        starting.send_signal(signal.SIGSTOP)

    with ThreadPoolExecutor(1) as others:
        stopping = others.submit(stop)
        with pytest.raises(ServerError, match="it was stopped"):
            SparkServer(options(spark_installation, tmp_path))
        stopping.result()


def listening(pid: int) -> list[tuple[str, int]]:
    """(address, port) of the sockets that a process listens on, in the kernel's spelling."""
    own = set()
    for link in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(FileNotFoundError):
            own.add(os.readlink(link))
    found = []
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and f"socket:[{fields[9]}]" in own:
                address, port = fields[1].split(":")
                found.append((address, int(port, 16)))
    return found


def ended(process: int) -> bool:
    """Waits for the process behind a descriptor of its."""
    poll = select.poll()
    poll.register(process, select.POLLIN)
    return bool(poll.poll(600_000))
