"""QEMU's control channel: JSON lines over a socket pair, commands answered in order, events in between.

Reference: QEMU Machine Protocol Specification.
"""

import asyncio
import json
import socket
from collections.abc import Mapping, Sequence
from typing import Any

from compute.spawners import CannotStart

Command = Mapping[str, Any]
NEGOTIATE: Command = {"execute": "qmp_capabilities"}
IGNORE_SHARED: Command = {
    "execute": "migrate-set-capabilities",
    "arguments": {"capabilities": [{"capability": "x-ignore-shared", "state": True}]},
}
"""Memory in a shared file is no part of the state: clones map the same file."""
TAKE_STATE: Command = {"execute": "getfd", "arguments": {"fdname": "state"}}
"""Comes with a descriptor: the file that the state goes to or comes from."""
SAVE: Command = {"execute": "migrate", "arguments": {"uri": "fd:state"}}
LOAD: Command = {"execute": "migrate-incoming", "arguments": {"uri": "fd:state"}}
STATUS: Command = {"execute": "query-migrate"}


def write_ahead(end: socket.socket, commands: Sequence[Command], state: int) -> None:
    """Commands for a QEMU that may not have started yet: they wait in the socket, and the descriptor with them."""
    socket.send_fds(end, [b"".join(json.dumps(command).encode() + b"\n" for command in commands)], [state])


class Control:
    """Our end of the channel. A QEMU that ends or refuses raises CannotStart."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def ask(self, command: Command) -> Mapping[str, Any]:
        """What it returns; events meanwhile are passed over."""
        self._writer.write(json.dumps(command).encode() + b"\n")
        while True:
            message = await self._receive()
            if "return" in message:
                returned: Mapping[str, Any] = message["return"]
                return returned

    async def skip(self, commands: int) -> None:
        """Waits until that many commands, written ahead, have been carried out."""
        while commands:
            commands -= "return" in await self._receive()

    async def wait_for(self, event: str) -> None:
        while (await self._receive()).get("event") != event:
            pass

    def close(self) -> None:
        self._writer.close()

    async def _receive(self) -> Mapping[str, Any]:
        line = await self._reader.readline()
        if not line:
            raise CannotStart("QEMU ended before its machine ran")
        message: Mapping[str, Any] = json.loads(line)
        if "error" in message:
            raise CannotStart(f"QEMU: {message['error'].get('desc')}")
        return message


async def open_control(end: socket.socket) -> Control:
    return Control(*await asyncio.open_unix_connection(sock=end))
