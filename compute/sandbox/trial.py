"""Tries the whole sandbox in a child, and says in the operator's words what the host refuses."""

import errno
import os
import socket
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from compute.engines import Binding
from compute.identity import Identity
from compute.sandbox import disk
from compute.sandbox.cgroups import ADVICE, Bounds, CgroupTree
from compute.sandbox.recipe import Sandbox, make_folder

DISK = "disk"
DISK_ADVICE = "the gateway needs to be root with /dev/loop-control, or a file system of its own for temporary files"
BOUNDS = Bounds(memory_bytes=1 << 30, tasks=64, cores=1)
_ROOT_ADVICE = "CAP_SYS_ADMIN and a seccomp profile that allows unshare, mount and pivot_root"
_USER_ADVICE = (
    "kernel.unprivileged_userns_clone=1, kernel.apparmor_restrict_unprivileged_userns=0 "
    "or a user.max_user_namespaces above 0"
)


@dataclass(frozen=True, slots=True)
class Parts:
    """Of the sandbox: those to be used, or tried."""

    tree: CgroupTree = field(default_factory=lambda: CgroupTree({}))
    filtered: bool = False
    isolated: bool = False
    disk: str | None = None


@dataclass(frozen=True, slots=True)
class Trial:
    """What works here, which is then used, and in the operator's words what does not: `missing` of the isolation,
    `unbounded` of the bounds."""

    works: Parts
    missing: Sequence[str]
    unbounded: Sequence[str]


def try_sandbox(
    fork: Callable[[], int], folder: str, uid: int | None, tree: CgroupTree, disk_bytes: int | None, *, isolated: bool
) -> Trial:
    """Seals children in an empty warehouse, with one more part of the sandbox each time. `fork` makes them as machines
    are made; `folder` is where machines have theirs, and `disk_bytes` what each may spill."""
    trying = _Trying(fork, folder, uid if isolated else None)
    missing, unbounded = [], []
    if error := trying.add(tree=tree):
        unbounded.append(f"memory, tasks and processor time: {_text(error)}; {ADVICE}")
    if error := trying.add(filtered=True):
        missing.append(f"{_text(error)}; the kernel needs CONFIG_SECCOMP_FILTER")
    if isolated and (error := trying.add(isolated=True)):
        missing.append(explain(error))
    if not trying.works.isolated:
        unbounded.append("disk space for spilling: only isolated machines have a disk of their own")
    elif error := _make_disk(path := os.path.join(folder, DISK), uid, disk_bytes) or trying.add(disk=path):
        unbounded.append(f"disk space for spilling: {_text(error)}; {DISK_ADVICE}")
    return Trial(replace(trying.works, isolated=isolated and not missing), missing, unbounded)


def _make_disk(path: str, uid: int | None, size: int | None) -> OSError | None:
    """What is wrong, unless the template is there."""
    try:
        disk.make_template(path, uid, size)
    except OSError as error:
        return error
    return None


class _Trying:
    """The parts of the sandbox that have been seen to work together."""

    def __init__(self, fork: Callable[[], int], folder: str, uid: int | None) -> None:
        self._fork = fork
        self._folder = folder
        self._uid = uid
        self.works = Parts()

    def add(self, **part: Any) -> OSError | None:
        """Tries one part more and keeps it if it works; what is wrong otherwise."""
        parts = replace(self.works, **part)
        try:
            with tempfile.TemporaryDirectory(prefix="trial-", dir=self._folder) as folder:
                self._try(folder, parts)
        except OSError as error:
            return error
        self.works = parts
        return None

    def _try(self, folder: str, parts: Parts) -> None:
        group = parts.tree.take(BOUNDS)
        sandbox = Sandbox(
            folder,
            isolated=parts.isolated,
            uid=self._uid,
            writable=False,
            programs=False,
            data_bytes=None,
            filtered=parts.filtered,
            groups=parts.tree.groups(group),
            disk=parts.disk,
        )
        try:
            make_folder(folder, self._uid if parts.isolated else None)
            _seal_in_child(self._fork, sandbox)
        finally:
            parts.tree.leave(group)


def _seal_in_child(fork: Callable[[], int], sandbox: Sandbox) -> None:
    """Raises the OSError that the child met."""
    reading, writing = os.pipe()
    pid = fork()
    if pid == 0:
        os.write(writing, _seal_here(sandbox).encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as report:
        number, _, text = report.read().partition(" ")
    os.waitpid(pid, 0)
    if text:
        raise OSError(int(number), text)


def _seal_here(sandbox: Sandbox) -> str:
    """Number and text of what is wrong; empty if all works."""
    warehouse = os.path.join(sandbox.folder, "warehouse")
    try:
        os.mkdir(warehouse)
        sandbox.prepare()
        sandbox.seal(Identity("trial", 0, Binding("trial", warehouse, b"", sandbox.scratch)))
        if sandbox.isolated and os.path.exists("/etc"):
            raise OSError(errno.EINVAL, "pivot_root left the host's files in sight")
        if sandbox.filtered and _makes_socket():
            raise OSError(errno.EINVAL, "seccomp: the filter lets through what it forbids")
    except OSError as error:
        return f"{error.errno or 0} {_text(error)}"
    return ""


def _makes_socket() -> bool:
    try:
        socket.socket(socket.AF_INET).close()
    except PermissionError:
        return False
    return True


def explain(error: OSError) -> str:
    """A refused call and what would allow it."""
    if error.errno == errno.ENOSPC:
        return f"{error.strerror}: raise user.max_user_namespaces and its kin"
    return f"{error.strerror}: needs {_ROOT_ADVICE if os.geteuid() == 0 else _USER_ADVICE}"


def _text(error: OSError) -> str:
    """What was refused, and for which file."""
    text = error.strerror or str(error)
    return f"{text}: {error.filename}" if error.filename else text
