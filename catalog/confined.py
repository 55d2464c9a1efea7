"""Work on what machines wrote, done by a process of its own, whose end is not the gateway's: a few bytes of Parquet may
stand for any number, and a library that gets no memory for them ends its process without an exception. Blocking.

References: setrlimit(2), proc_pid_statm(5), mallopt(3).
"""

import os
import resource
import subprocess
import sys
from collections.abc import Callable

MOST_MEMORY = 2 << 30
"""That such a process may take beyond what it starts with: a log of a million files takes some 1.5 GiB."""
_ENVIRONMENT = {"MALLOC_ARENA_MAX": "1"}
"""The gateway's has secrets. Each thread's own arena would count as memory that is taken."""
_FAILED = 3
"""With what `perform` ends: the interpreter itself ends with 1 and 2."""


class Unfinished(Exception):
    """The process has been ended by its bounds, or by what may be otherwise next time; `str` says it in words."""


class TakesTooMuch(Unfinished):
    """It wanted more memory than its bounds."""


def run_confined(module: str, *arguments: object, most_seconds: float) -> str | None:
    """Runs a module that calls `perform`; the words of its failure, None when there was none. Raises Unfinished."""
    command = [sys.executable, "-P", "-m", module, *map(str, arguments)]
    try:
        done = subprocess.run(
            command, env=_ENVIRONMENT, stdin=subprocess.DEVNULL, capture_output=True, timeout=most_seconds
        )
    except subprocess.TimeoutExpired:
        raise Unfinished(f"it takes more than {most_seconds:g} seconds") from None
    except (OSError, ValueError) as error:
        raise Unfinished(str(error)) from error
    if done.returncode < 0:
        raise TakesTooMuch(f"it takes more than {MOST_MEMORY >> 20} MiB of memory")
    words = done.stderr.decode(errors="replace").strip().rpartition("\n")[2][:300]
    if done.returncode not in (0, _FAILED):
        raise Unfinished(words)
    return words if done.returncode else None


def perform(work: Callable[[], object]) -> None:
    """Works within the bounds, in a process that `run_confined` has started. Raises OSError, which ends it."""
    with open("/proc/self/statm") as file:
        taken = int(file.read().split()[0]) * resource.getpagesize()
    most = taken + MOST_MEMORY
    _, allowed = resource.getrlimit(resource.RLIMIT_AS)
    if allowed == resource.RLIM_INFINITY or most < allowed:
        resource.setrlimit(resource.RLIMIT_AS, (most, most))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    try:
        work()
    except MemoryError:
        os.abort()
    except OSError:
        raise
    except Exception as error:
        print(f"{type(error).__name__}: {str(error).partition(os.linesep)[0]}", file=sys.stderr)
        sys.exit(_FAILED)
