"""``python -m compute.zygote FD FOLDER``: enters namespaces of its own, then serves orders on that socket.

The folder is the run's, so that a zygote can be told by its command line.
"""

import logging
import os
import signal
import socket
import sys
from typing import Any

from compute.sandbox import namespaces
from compute.sandbox.trial import explain
from compute.zygote.packets import receive


def main() -> None:
    """Waits for its configuration, the first packet, then is a zygote until the spawner goes."""
    logging.basicConfig(format="%(levelname)s %(name)s: %(message)s")
    control = socket.socket(fileno=int(sys.argv[1]))
    packet = receive(control)
    if packet is None:
        return
    missing = _enter_namespaces(control) if packet.content["wanted"]["isolated"] else ()
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
    from compute.sandbox.cgroups import CgroupTree, Place
    from compute.zygote.loop import Zygote
    from compute.zygote.succession import Succession

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    folder, wanted = sys.argv[2], content["wanted"]
    zygote = Zygote(
        control,
        Succession(folder, wanted, content["grace_seconds"]),
        folder=folder,
        uid=wanted["uid"],
        isolated=wanted["isolated"] and not missing,
        networked=wanted["networked"],
        tree=CgroupTree({controller: Place(*place) for controller, place in content["cgroups"].items()}),
    )
    zygote.open(wanted["templates"], wanted["disk_bytes"], missing)
    zygote.run()


if __name__ == "__main__":
    main()
