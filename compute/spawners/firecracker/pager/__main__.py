"""``python -m compute.spawners.firecracker.pager FD MEMORY``: serves every VMM that connects to that socket."""

import logging
import os
import signal
import socket
import struct
import sys
from contextlib import suppress

from compute.sandbox import namespaces
from compute.spawners.firecracker.pager.mappings import MappingError
from compute.spawners.firecracker.pager.service import FaultService, Memory, greet
from compute.spawners.firecracker.pager.userfault import UnknownEvent

_CREDENTIALS = struct.Struct("=iII")
log = logging.getLogger("pager")


def main() -> None:
    """Until the spawner is gone."""
    logging.basicConfig(format="%(levelname)s %(name)s: %(message)s")
    namespaces.die_with_parent()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    listener = socket.socket(fileno=int(sys.argv[1]))
    memory = Memory(sys.argv[2])
    while True:
        stream, _ = listener.accept()
        with stream:
            _fork_server(stream, memory, listener)


def _fork_server(stream: socket.socket, memory: Memory, listener: socket.socket) -> None:
    """Two children: one serves, the other, which keeps our privileges, kills the VMM if that fails."""
    if os.fork():
        return
    listener.close()
    namespaces.die_with_parent()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    pid, uid, _gid = _CREDENTIALS.unpack(stream.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size))
    vmm = os.pidfd_open(pid)
    server = os.fork()
    if server == 0:
        os._exit(_serve(stream, memory, uid))
    stream.close()
    _, status = os.waitpid(server, 0)
    if status:
        log.warning("the pager of VMM %d failed: the VMM is killed", pid)
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(vmm, signal.SIGKILL)
    os._exit(0)


def _serve(stream: socket.socket, memory: Memory, uid: int) -> int:
    """As the VMM's own user, who has nothing that the VMM has not."""
    namespaces.drop_privileges(uid if os.geteuid() == 0 else None)
    namespaces.die_with_parent()
    try:
        userfault, regions = greet(stream, memory)
        FaultService(userfault, regions, memory).run(stream)
    except (MappingError, UnknownEvent, OSError) as error:
        log.warning("%s", error)
        return 1
    return 0


if __name__ == "__main__":
    main()
