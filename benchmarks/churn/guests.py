"""``python -m benchmarks.churn.guests FOLDER``: answers for every pod at once, behind the TLS that pods have.

Simulated pods have addresses of the loopback network; whatever they are, one socket on that interface hears them.
"""

import asyncio
import socket
import sys
from pathlib import Path

import uvloop

from benchmarks.stubs import Guest
from compute.guest.tunnel import server_context
from compute.spawners.kubernetes.config import GUEST_PORT
from compute.spawners.kubernetes.manifests import ANY_ADDRESS

LOOPBACK = b"lo"
BACKLOG = 1024


async def main(folder: Path) -> None:
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, LOOPBACK)
    listener.bind((ANY_ADDRESS, GUEST_PORT))
    context = server_context(folder)
    server = await asyncio.get_running_loop().create_server(Guest, sock=listener, ssl=context, backlog=BACKLOG)
    print("listening", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main(Path(sys.argv[1])))
