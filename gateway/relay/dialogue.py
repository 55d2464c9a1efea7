"""A dialogue with the metastore's server, one decoded message at a time: for login and cancel, not for statements."""

import asyncio
import ssl
from typing import cast

from catalog.endpoint import Endpoint
from gateway.pgwire.connection import NEED_DATA, Connection, Message
from gateway.pgwire.messages import EncryptionResponse, ErrorResponse, FrontendMessage, SSLRequest
from gateway.pgwire.state import Side
from gateway.relay.reports import RelayUnavailable, relayed_error

_PLAIN = ("disable", "allow")
_OPTIONAL = ("prefer",)
_VERIFIED = ("verify-ca", "verify-full")


class Dialogue(asyncio.Protocol):
    """Sans-I/O `Connection` and a transport. `transport` outlives it when another protocol takes over."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport
        self._connection = Connection(Side.CLIENT)
        self._arrived = asyncio.Event()
        self._lost = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._connection.receive_data(data)
        self._arrived.set()

    def connection_lost(self, exc: Exception | None) -> None:
        self._lost = True
        self._arrived.set()

    def send(self, message: FrontendMessage) -> None:
        self.transport.write(self._connection.send(message))

    async def receive(self) -> Message:
        """The next message. An ErrorResponse is raised; so is RelayUnavailable when the server has gone."""
        while (message := self._connection.next_event()) is NEED_DATA:
            if self._lost:
                raise RelayUnavailable("the metastore closed the connection")
            self._arrived.clear()
            await self._arrived.wait()
        if isinstance(message, ErrorResponse):
            raise relayed_error(message.fields)
        return message

    async def end(self) -> None:
        """Waits until the server has closed the connection."""
        while not self._lost:
            self._arrived.clear()
            await self._arrived.wait()


async def open_dialogue(endpoint: Endpoint) -> Dialogue:
    """Connects, with TLS where the endpoint asks for it. Raises OSError, or RelayUnavailable where TLS is refused."""
    loop = asyncio.get_running_loop()
    if endpoint.socket_path is not None:
        return (await loop.create_unix_connection(Dialogue, endpoint.socket_path))[1]
    _, dialogue = await loop.create_connection(Dialogue, endpoint.host, endpoint.port)
    if endpoint.sslmode not in _PLAIN:
        await _encrypt(dialogue, endpoint)
    return dialogue


async def _encrypt(dialogue: Dialogue, endpoint: Endpoint) -> None:
    dialogue.send(SSLRequest())
    answer = await dialogue.receive()
    if isinstance(answer, EncryptionResponse) and answer.answer == b"S":
        loop, context = asyncio.get_running_loop(), _context(endpoint.sslmode)
        secured = await loop.start_tls(dialogue.transport, dialogue, context, server_hostname=endpoint.host)
        dialogue.transport = cast("asyncio.Transport", secured)
    elif endpoint.sslmode not in _OPTIONAL:
        dialogue.transport.abort()
        raise RelayUnavailable(
            "the metastore does not offer TLS", hint="Turn on ssl there, or lower sslmode in the DSN."
        )


def _context(sslmode: str) -> ssl.SSLContext:
    """libpq's meaning: `require` encrypts and looks at no certificate, `verify-full` checks name and authority."""
    context = ssl.create_default_context()
    context.check_hostname = sslmode == "verify-full"
    context.verify_mode = ssl.CERT_REQUIRED if sslmode in _VERIFIED else ssl.CERT_NONE
    return context
