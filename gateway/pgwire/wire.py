"""The wire to one client: its socket, and what is said on it. What is heard is the door's."""

import asyncio
import socket
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gateway.pgwire.connection import Connection
from gateway.pgwire.encryption import Cipher, Handshake
from gateway.pgwire.messages import BackendMessage, ProtocolVersion
from gateway.pgwire.reading import Reading
from gateway.pgwire.recoding import Recoding
from gateway.pgwire.writing import Writing

if TYPE_CHECKING:
    from gateway.pgwire.proxy import Address

_KERNEL = "/proc/sys/net/ipv4/tcp_keepalive_"
_KEEPALIVES = (
    (socket.TCP_KEEPIDLE, f"{_KERNEL}time"),
    (socket.TCP_KEEPINTVL, f"{_KERNEL}intvl"),
    (socket.TCP_KEEPCNT, f"{_KERNEL}probes"),
)
"""The socket's options, and where the kernel tells what it does of itself."""
LINGER_SECONDS = 5.0
"""How long a closed connection may take to fetch the last answers."""


class Wire(asyncio.Protocol):
    """`_closing`: nothing more will be said. `_timer` runs until the login has ended, or the last answer is fetched.
    `_source` is where the client of a balancer is. `recoding` is the client's encoding, None for UTF-8, and `raw` are
    the columns, from 0, of the rows that are written now which are no text."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._connection = Connection()
        self._transport: asyncio.Transport
        self._reading: Reading
        self._writing: Writing
        self._timer: asyncio.TimerHandle | None = None
        self._closing = False
        self._source: Address | None = None
        self.recoding: Recoding | None = None
        self.raw: tuple[int, ...] = ()

    @property
    def version(self) -> ProtocolVersion:
        """The protocol version spoken. See `startup.has_long_secrets` for the secret of a BackendKeyData in it."""
        return self._connection.version

    @property
    def encrypted(self) -> bool:
        return self._connection.encrypted

    @property
    def peer(self) -> Any:
        """The client's address: as a trusted balancer told it, else as the socket gives it."""
        return self._source or self._transport.get_extra_info("peername")

    @property
    def ends(self) -> dict[str, str | int]:
        """Where both are, by the names of the functions that tell it in PostgreSQL; empty for what is no network."""
        own = self._transport.get_extra_info("sockname")
        if not isinstance(own, tuple):
            return {}
        client, server = self.peer, own
        return {
            "inet_client_addr": client[0],
            "inet_client_port": client[1],
            "inet_server_addr": server[0],
            "inet_server_port": server[1],
        }

    @property
    def server_name(self) -> str | None:
        """The name that TLS was opened with (SNI)."""
        return None if self._handshake is None else self._handshake.server_name

    @property
    def cipher(self) -> Cipher | None:
        """What TLS encrypts with; None without it."""
        found = None if self._handshake is None else self._handshake.cipher()
        return None if found is None else Cipher(*found)

    @property
    def certificate(self) -> bytes | None:
        """The client's certificate (DER), verified; None if it has shown none."""
        return None if self._handshake is None else self._handshake.getpeercert(binary_form=True)

    @property
    def _handshake(self) -> Handshake | None:
        """What TLS tells, once it is up."""
        found = self._transport.get_extra_info("ssl_object")
        return found if isinstance(found, Handshake) else None

    def send(self, message: BackendMessage) -> None:
        """Adds a message to the answers. Raises LocalProtocolError for one that the state does not allow."""
        self.write(self._connection.send(message))

    def write(self, content: bytes) -> None:
        """Adds whole messages that are encoded already and change no state: rows, and what a relay forwards.

        Never blocks. Await `drain` after much of it, or the memory fills while the client does not read. Raises 22P05
        at a character that the client's encoding lacks, behind what came before it.
        """
        if self.recoding is None:
            self._writing.write(content)
            return
        converted, error = self.recoding.send(content, self.raw)
        self._writing.write(converted)
        if error is not None:
            raise error

    def speak(self, recoding: Recoding | None) -> None:
        """What the client says and hears from now on is in that encoding."""
        self.recoding, self.raw = recoding, ()
        self._connection.convert = None if recoding is None else recoding.receive

    async def drain(self) -> None:
        """Waits until the client has read enough. Raises ConnectionResetError when it is gone."""
        await self._writing.drain()

    def flush(self) -> None:
        """Sends what is held back: for a notice that should not wait for the end of its statement."""
        self._writing.flush()

    def keep_alive(self, idle: int, interval: int, count: int) -> None:
        """How the kernel finds out that the client is gone: seconds, and probes; 0 is the kernel's own."""
        connection = self._transport.get_extra_info("socket")
        if connection.family in (socket.AF_INET, socket.AF_INET6):
            for (option, file), value in zip(_KEEPALIVES, (idle, interval, count), strict=True):
                connection.setsockopt(socket.IPPROTO_TCP, option, value or int(Path(file).read_text()))

    def transcribe(self, hear: Callable[[bytes], None] | None) -> None:
        """Tells `hear` all that is said from now on; None ends it."""
        self._writing.transcribe = hear

    def _take(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._reading = Reading(transport, self._loop)
        self._writing = Writing(transport, self._loop)

    def _hang_up(self) -> None:
        """Closes once the client has fetched what was said; it may not take for ever over it."""
        if self._closing:
            return
        self.flush()
        self._closing = True
        self._writing.close()
        self._transport.close()
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_later(LINGER_SECONDS, self._transport.abort)
