"""Tries the whole sandbox in a child, and says in the operator's words what the host refuses."""

import errno
import os
import tempfile
from collections.abc import Callable

from compute.engines import Binding
from compute.identity import Identity
from compute.sandbox.recipe import Sandbox, make_folder

_ROOT_ADVICE = "CAP_SYS_ADMIN and a seccomp profile that allows unshare, mount and pivot_root"
_USER_ADVICE = (
    "kernel.unprivileged_userns_clone=1, kernel.apparmor_restrict_unprivileged_userns=0 "
    "or a user.max_user_namespaces above 0"
)


def try_sandbox(fork: Callable[[], int], uid: int | None) -> tuple[str, ...]:
    """Seals a child in an empty warehouse.

    `fork` makes it as machines are made. What is missing; empty if all works.
    """
    with tempfile.TemporaryDirectory(prefix="lakegate-trial-") as folder:
        make_folder(folder, uid)
        warehouse = os.path.join(folder, "warehouse")
        os.mkdir(warehouse)
        reading, writing = os.pipe()
        pid = fork()
        if pid == 0:
            os.write(writing, _seal_here(folder, warehouse, uid).encode())
            os._exit(0)
        os.close(writing)
        with os.fdopen(reading) as report:
            failure = report.read()
        os.waitpid(pid, 0)
    return (failure,) if failure else ()


def _seal_here(folder: str, warehouse: str, uid: int | None) -> str:
    sandbox = Sandbox(folder, isolated=True, uid=uid, writable=False, programs=False, data_bytes=None)
    try:
        sandbox.prepare()
        sandbox.seal(Identity("trial", 0, Binding("trial", warehouse, b"", sandbox.scratch)))
        if os.path.exists("/etc"):
            return "pivot_root left the host's files in sight"
    except OSError as error:
        return explain(error)
    return ""


def explain(error: OSError) -> str:
    """A refused call and what would allow it."""
    if error.errno == errno.ENOSPC:
        return f"{error.strerror}: raise user.max_user_namespaces and its kin"
    return f"{error.strerror}: needs {_ROOT_ADVICE if os.geteuid() == 0 else _USER_ADVICE}"
