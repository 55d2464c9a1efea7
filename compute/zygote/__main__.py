"""``python -m compute.zygote FD``: enters namespaces of its own, then serves orders on that socket."""

import logging
import os
import signal
import socket
import sys
from importlib.abc import MetaPathFinder
from typing import Any

from compute.sandbox import namespaces
from compute.sandbox.trial import explain
from compute.zygote.packets import receive, send


class _WithoutPandas(MetaPathFinder):
    """Both engines' libraries import pandas where it is installed, and need it for nothing here: 0.4 s and 60 MB."""

    def find_spec(self, fullname: str, path: object, target: object = None) -> None:
        if fullname == "pandas":
            raise ModuleNotFoundError("machines have no pandas", name=fullname)


def main() -> None:
    """Waits for its configuration, the first packet, then is a zygote until the spawner goes."""
    logging.basicConfig(format="%(levelname)s %(name)s: %(message)s")
    control = socket.socket(fileno=int(sys.argv[1]))
    packet = receive(control)
    if packet is None:
        return
    namespaces.die_with_parent()
    missing = _enter_namespaces(control) if packet.content["isolated"] else ()
    _serve(control, packet.content, missing)


def _enter_namespaces(control: socket.socket) -> tuple[str, ...]:
    """Continues in a child that is process 1 of its own namespace: whatever it forks dies with it. What is missing."""
    user, group = os.geteuid(), os.getegid()
    try:
        if user != 0:
            namespaces.unshare(namespaces.CLONE_NEWUSER | namespaces.CLONE_NEWNS)
            namespaces.map_to_root(user, group)
        namespaces.unshare(namespaces.CLONE_NEWPID)
    except OSError as error:
        return (explain(error),)
    if pid := os.fork():
        control.close()
        os._exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) & 0xFF)
    namespaces.die_with_parent()
    return ()


def _serve(control: socket.socket, content: Any, missing: tuple[str, ...]) -> None:
    """Engines are imported only now: what runs before must be small and have one thread."""
    sys.meta_path.insert(0, _WithoutPandas())
    from compute.sandbox.cgroups import CgroupTree, Place
    from compute.zygote.loop import Zygote

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    zygote = Zygote(
        control,
        folder=content["folder"],
        uid=content["uid"],
        isolated=content["isolated"] and not missing,
        tree=CgroupTree({controller: Place(*place) for controller, place in content["cgroups"].items()}),
    )
    report = zygote.open(content["templates"], content["disk_bytes"], missing)
    send(control, report)
    zygote.run()


if __name__ == "__main__":
    main()
