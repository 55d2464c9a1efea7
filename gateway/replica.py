"""This gateway among those that share its metastore: its registration there, and its way to the others' listeners."""

import asyncio
import contextlib
import hashlib
import logging
import socket
import ssl
from collections.abc import AsyncIterator

from catalog.errors import SqlError
from catalog.gateways import LEASE_SECONDS, Gateways, Peer
from gateway.keys import Keyring
from gateway.pgwire.codec import encode
from gateway.pgwire.messages import CancelRequest, SSLRequest

log = logging.getLogger(__name__)

_WILDCARDS = ("", "0.0.0.0", "::")


class Replica:
    """`joined` keeps the registration; `announce` says where this gateway listens. `keyring` gets its number."""

    def __init__(self, gateways: Gateways, keyring: Keyring) -> None:
        self._gateways = gateways
        self._keyring = keyring
        self._own: Peer | None = None

    @contextlib.asynccontextmanager
    async def joined(self) -> AsyncIterator[None]:
        """Raises InsufficientResources when there is no number left."""
        self._keyring.number = await self._gateways.register(self._keyring.replica)
        renewing = asyncio.create_task(self._renew_for_ever())
        try:
            yield
        finally:
            renewing.cancel()
            await asyncio.wait([renewing])
            with contextlib.suppress(SqlError):  # The lease ends by itself where the metastore is gone.
                await self._gateways.leave(self._keyring.replica)

    async def announce(self, host: str, port: int, certificate: bytes) -> None:
        """From now on the others can hand requests on. `certificate` is what the listener shows, as DER."""
        if host in _WILDCARDS:
            host = await asyncio.to_thread(socket.getfqdn)
        self._own = Peer(self._keyring.replica, host, port, hashlib.sha256(certificate).digest())
        await self._renew(self._own)

    async def hand_on(self, replica: str | None, number: int, pid: int, sealed: bytes) -> bytes:
        """Sends a CancelRequest to another gateway's own listener; its one byte of an answer, or none.

        Raises OSError when it cannot be reached, or is another than the one that has registered there.
        """
        peer = await self._find(replica, number)
        if peer is None:
            return b""
        reader, writer = await asyncio.open_connection(peer.host, peer.port)
        try:
            writer.write(encode(SSLRequest()))
            if await reader.read(1) != b"S":
                raise ConnectionError(f"{peer.host}:{peer.port} does not speak TLS")
            await writer.start_tls(_unverified())
            shown = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
            if hashlib.sha256(shown).digest() != peer.certificate:
                raise ConnectionError(f"{peer.host}:{peer.port} shows another certificate than its gateway's")
            writer.write(encode(CancelRequest(pid, sealed)))
            return await reader.read(1)
        finally:
            writer.transport.abort()

    async def _find(self, replica: str | None, number: int) -> Peer | None:
        try:
            return await self._gateways.find(replica=replica, number=None if replica else number)
        except SqlError as error:
            raise ConnectionError(str(error)) from error

    async def _renew_for_ever(self) -> None:
        while True:
            await asyncio.sleep(LEASE_SECONDS / 4)
            try:
                if self._own is not None:
                    await self._renew(self._own)
            except SqlError as error:
                log.warning("the gateway's registration was not renewed: %s", error)

    async def _renew(self, own: Peer) -> None:
        """A lease that was over gets another number; the sessions keep the process ids that they have."""
        if not await self._gateways.renew(own):
            self._keyring.number = await self._gateways.register(own.replica)
            await self._gateways.renew(own)


def _unverified() -> ssl.SSLContext:
    """Who is there is told by the registered certificate, whoever has signed it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
