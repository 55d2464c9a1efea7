"""What a fork of the zygote does first: it forgets the zygote, then is a guest."""

import json
import os
import signal
import socket
import sys
import traceback
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, NoReturn

from compute.engines import Engine
from compute.guest.filesystem import ChannelFiles
from compute.guest.machine import Guest
from compute.sandbox.recipe import Sandbox

LISTENER = 3


def become_machine(
    template: Engine | None, files: ChannelFiles, sandbox: Sandbox, order: Mapping[str, Any], listener: int
) -> NoReturn:
    """Serves the template's engine, or, without one, runs a fresh interpreter that opens the engine itself.

    `files` are those that the template may read over its channel.
    """
    status = 1
    try:
        os.setsid()
        _forget_zygote(listener)
        sandbox.prepare()
        if template is None:
            _execute_guest(sandbox, order)
        Guest(template, sandbox.seal, sandbox.scratch, files).serve(socket.socket(fileno=LISTENER), order["mode"])
        status = 0
    except Exception:
        traceback.print_exc()
    finally:
        os._exit(status)


def _forget_zygote(listener: int) -> None:
    """Only the listening socket and standard error stay open; signals are a program's own again."""
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGCHLD, signal.SIGINT):
        signal.signal(number, signal.SIG_DFL)
    os.dup2(listener, LISTENER, inheritable=True)
    os.closerange(LISTENER + 1, os.sysconf("SC_OPEN_MAX"))


def _execute_guest(sandbox: Sandbox, order: Mapping[str, Any]) -> NoReturn:
    content = {key: order[key] for key in ("engine", "mode", "options")} | {"sandbox": asdict(sandbox)}
    arguments = [sys.executable, "-P", "-m", "compute.guest", str(LISTENER), json.dumps(content)]
    os.execv(sys.executable, arguments)
