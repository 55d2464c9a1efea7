"""Tries the whole sandbox in a child, and says in the operator's words what the host refuses."""

import errno
import os
import socket
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from compute.engines import Binding
from compute.identity import Identity
from compute.sandbox.cgroups import ADVICE, Bounds, CgroupTree
from compute.sandbox.recipe import Sandbox, make_folder

NAME = "trial"
BOUNDS = Bounds(memory_bytes=1 << 30, tasks=64, cores=1)
_ROOT_ADVICE = "CAP_SYS_ADMIN and a seccomp profile that allows unshare, mount and pivot_root"
_USER_ADVICE = (
    "kernel.unprivileged_userns_clone=1, kernel.apparmor_restrict_unprivileged_userns=0 "
    "or a user.max_user_namespaces above 0"
)


@dataclass(frozen=True, slots=True)
class Trial:
    """What works here, which is then used, and in the operator's words what does not: `missing` of the isolation,
    `unbounded` of the bounds."""

    isolated: bool
    filtered: bool
    tree: CgroupTree
    missing: Sequence[str] = ()
    unbounded: Sequence[str] = ()


def try_sandbox(fork: Callable[[], int], uid: int | None, tree: CgroupTree, *, isolated: bool) -> Trial:
    """Seals children in an empty warehouse, each way once, until one works. `fork` makes them as machines are made."""
    nothing = CgroupTree({})
    missing: list[str] = []
    unbounded: list[str] = []
    if tree.places and (failure := _try(fork, uid, tree, isolated=False, filtered=False)):
        unbounded, tree = [f"control groups: {failure}; {ADVICE}"], nothing
    filtered = not (failure := _try(fork, uid, nothing, isolated=False, filtered=True))
    missing += [] if filtered else [f"{failure}; the kernel needs CONFIG_SECCOMP_FILTER"]
    if isolated and (failure := _try(fork, uid, nothing, isolated=True, filtered=filtered)):
        missing.append(failure)
    return Trial(isolated and not missing, filtered, tree, missing, unbounded)


def _try(fork: Callable[[], int], uid: int | None, tree: CgroupTree, *, isolated: bool, filtered: bool) -> str:
    """What a child that is shut off in this way says is wrong; empty if all works."""
    with tempfile.TemporaryDirectory(prefix="lakegate-trial-") as folder:
        make_folder(folder, uid if isolated else None)
        sandbox = Sandbox(
            folder,
            isolated=isolated,
            uid=uid,
            writable=False,
            programs=False,
            data_bytes=None,
            filtered=filtered,
            groups=tree.groups(NAME),
        )
        try:
            tree.make(NAME, BOUNDS)
            return _seal_in_child(fork, sandbox)
        except OSError as error:
            return str(error)
        finally:
            tree.remove(NAME)


def _seal_in_child(fork: Callable[[], int], sandbox: Sandbox) -> str:
    reading, writing = os.pipe()
    pid = fork()
    if pid == 0:
        os.write(writing, _seal_here(sandbox).encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as report:
        failure = report.read()
    os.waitpid(pid, 0)
    return failure


def _seal_here(sandbox: Sandbox) -> str:
    warehouse = os.path.join(sandbox.folder, "warehouse")
    try:
        os.mkdir(warehouse)
        sandbox.prepare()
        sandbox.seal(Identity("trial", 0, Binding("trial", warehouse, b"", sandbox.scratch)))
        if sandbox.isolated and os.path.exists("/etc"):
            return "pivot_root left the host's files in sight"
        if sandbox.filtered and _makes_socket():
            return "seccomp: the filter lets through what it forbids"
    except OSError as error:
        return explain(error)
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
