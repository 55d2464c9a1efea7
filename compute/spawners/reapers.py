"""Reapers: how each kind of resource that the dead have left behind is taken away. Each may be called twice.

A kind that lives on another host (a pod) is reaped by the spawner that knows how to reach it; it hands its own reaper
to the run folder.
"""

import os
import shutil
import signal
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

from compute.sandbox.cgroups import remove_group
from compute.spawners.journal import Resource

END_SECONDS = 10.0
Reaper = Callable[[Resource], None]
"""Takes a resource away, or finds that it is gone. Raises OSError where it cannot: it is then tried again later."""


def process(pid: int) -> Resource:
    """A running process, by its id, its start and the boot that it started in: an id used again is another's.

    Raises OSError when it has ended.
    """
    return Resource("process", str(pid), {"start": _start_of(pid), "boot": _boot()})


def folder(path: str) -> Resource:
    """A folder of ours with all that is in it."""
    return Resource("folder", path)


def file(path: str) -> Resource:
    """One file, socket or symbolic link."""
    return Resource("file", path)


def cgroup(folder: str) -> Resource:
    """A control group, by its folder, with all in it: processes and groups."""
    return Resource("cgroup", folder)


def _reap_process(resource: Resource) -> None:
    """Kills it, unless it is another by now, and waits for its end: its other resources are in use until then."""
    pid, deadline = int(resource.name), time.monotonic() + END_SECONDS
    while _is_same(pid, resource.detail):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        if time.monotonic() > deadline:
            raise OSError(f"process {pid} does not end")
        time.sleep(0.01)


def _is_same(pid: int, detail: Mapping[str, str]) -> bool:
    try:
        return detail["boot"] == _boot() and detail["start"] == _start_of(pid)
    except OSError:
        return False


def _start_of(pid: int) -> str:
    """Field 22 of proc_pid_stat(5): ticks since boot. One that has ended, even if nobody has waited for it yet, counts
    as gone."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    if fields[0] in "ZX":
        raise ProcessLookupError(f"process {pid} has ended")
    return fields[19]


def _boot() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def _reap_folder(resource: Resource) -> None:
    with suppress(FileNotFoundError):
        shutil.rmtree(resource.name)


def _reap_file(resource: Resource) -> None:
    Path(resource.name).unlink(missing_ok=True)


def _reap_cgroup(resource: Resource) -> None:
    remove_group(resource.name)


REAPERS: Mapping[str, Reaper] = {
    "process": _reap_process,
    "cgroup": _reap_cgroup,
    "folder": _reap_folder,
    "file": _reap_file,
}
"""Of every kind that is found on this host alone."""
