"""Processes as the operating system sees them: which machines a gateway, or a test itself, runs, and what they use."""

import math
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

from compute.spawners.folders import LOCK


def zygotes(owner: int | None = None) -> list[psutil.Process]:
    """The zygotes that work for a process (this one, if none is named), started or adopted: it holds their folders."""
    held = {str(Path(file.path).parent) for file in psutil.Process(owner).open_files() if file.path.endswith(LOCK)}
    found = {process.pid: process for process in psutil.process_iter() if _is_zygote(process, held)}
    return [process for process in found.values() if _parent(process) not in found]


def templates(owner: int | None = None) -> list[psutil.Process]:
    """What those zygotes keep warm and fork machines from."""
    return [template for zygote in zygotes(owner) for template in children(zygote)]


def machines(owner: int | None = None) -> list[psutil.Process]:
    """The machines that those templates have started."""
    return [machine for template in templates(owner) for machine in children(template)]


def machines_of(lane: str, owner: int | None = None) -> list[psutil.Process]:
    """Those of them that serve a lane. Spark's are programs of their own, DuckDB's are copies of the template."""
    program = {"duckdb": "compute.zygote", "spark": "compute.guest"}[lane]
    return [machine for machine in machines(owner) if program in command_line(machine)]


@contextmanager
def watched_machines(owner: int | None = None) -> Iterator[list[int]]:
    """The process ids of machines that are there while the context lasts."""
    seen: list[int] = []
    over = threading.Event()

    def look() -> None:
        while not over.wait(0.05):
            seen.extend(machine.pid for machine in machines(owner))

    watcher = threading.Thread(target=look)
    watcher.start()
    try:
        yield seen
    finally:
        over.set()
        watcher.join()


def named(name: str, owner: int | None = None) -> list[psutil.Process]:
    """The children of a process (this one, if none is named) whose program's name begins so."""
    return [child for child in children(psutil.Process(owner)) if _name(child).startswith(name)]


def children(process: psutil.Process, *, recursive: bool = False) -> list[psutil.Process]:
    """Those it has now: none where it has ended meanwhile."""
    try:
        return list(process.children(recursive=recursive))
    except psutil.NoSuchProcess:
        return []


def command_line(process: psutil.Process) -> list[str]:
    """Its arguments: none where it has ended meanwhile."""
    try:
        return list(process.cmdline())
    except psutil.NoSuchProcess:
        return []


def cpu_seconds(processes: list[psutil.Process]) -> float:
    """What they and their children have used so far; those that have ended count no more."""
    return sum(_cpu_seconds(one) for process in processes for one in [process, *children(process, recursive=True)])


def busier(processes: list[psutil.Process], seconds: float) -> Callable[[], bool]:
    """A condition for `until`: one of these, with its children, has used that many seconds of a processor from now on.

    Others may end or begin meanwhile without being taken for it.
    """
    before = {process: cpu_seconds([process]) for process in processes}
    return lambda: any(cpu_seconds([process]) > used + seconds for process, used in before.items())


def _is_zygote(process: psutil.Process, folders: set[str]) -> bool:
    """Or one of what it has forked."""
    line = command_line(process)
    return "compute.zygote" in line and line[-1] in folders


def _parent(process: psutil.Process) -> int:
    try:
        return int(process.ppid())
    except psutil.NoSuchProcess:
        return 0


def _name(process: psutil.Process) -> str:
    try:
        return str(process.name())
    except psutil.NoSuchProcess:
        return ""


def resident_bytes(process: int) -> int:
    return int(psutil.Process(process).memory_info().rss)


def kill(processes: list[psutil.Process]) -> None:
    """Kills those that have not ended by themselves."""
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.kill()


def until(happens: Callable[[], bool], seconds: float = 600.0) -> None:
    """Returns once it has happened. Raises AssertionError when it does not in a time that is far too long."""
    deadline = time.monotonic() + seconds
    while not happens():
        assert time.monotonic() < deadline, "what was awaited did not happen"
        time.sleep(0.05)


def settled(value: Callable[[], float], seconds: float = 2.0, polls: int = 10) -> Callable[[], bool]:
    """A condition for `until`: the value has been the same for so long, and so many times in a row."""
    seen, since = [math.nan], 0.0

    def is_settled() -> bool:
        nonlocal since
        if (now := value()) != seen[-1]:
            seen.clear()
            since = time.monotonic()
        seen.append(now)
        return len(seen) >= polls and time.monotonic() - since >= seconds

    return is_settled


def at_rest(owner: int) -> Callable[[], bool]:
    """A condition for `until`: the machines of a process do nothing any more.

    One that is still at a cancelled statement may be given up, and with it what runs there next.
    """
    return settled(lambda: round(cpu_seconds(machines(owner)), 1))


def _cpu_seconds(process: psutil.Process) -> float:
    try:
        times = process.cpu_times()
    except psutil.NoSuchProcess:
        return 0.0
    return float(times.user + times.system)
