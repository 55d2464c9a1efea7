"""A server that is reached over TCP, as RDS is: SCRAM and TLS.

The wheel's PostgreSQL is built without TLS, so a terminator stands before it.
"""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from catalog.endpoint import Endpoint
from catalog.errors import InvalidPassword
from gateway.config import Config, Warehouse
from gateway.pgwire.codec import encode
from gateway.pgwire.messages import SSLRequest
from gateway.relay import Relay, RelayLimits, RelayUnavailable, StatementTimeout
from gateway.tls import make_appearance
from tests.conformance.relay.reading import value
from tests.fix_oracle import running_postgres

SSL_REQUEST = encode(SSLRequest())


@pytest.fixture(scope="session")
def plain() -> Iterator[Endpoint]:
    """PostgreSQL over TCP, with SCRAM, without TLS."""
    with running_postgres() as target:
        yield Endpoint("127.0.0.1", target.port, target.user, target.database, target.password)


class Terminator:
    """Answers SSLRequest, ends TLS, and pipes what is inside to `server`. `connections` counts the encrypted ones."""

    def __init__(self, server: Endpoint, context: ssl.SSLContext) -> None:
        self.connections = 0
        self._server = server
        self._context = context

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert await reader.readexactly(len(SSL_REQUEST)) == SSL_REQUEST
        writer.write(b"S")
        with contextlib.suppress(ssl.SSLError, ConnectionError):
            await writer.start_tls(self._context)
            self.connections += 1
            inner_reader, inner_writer = await asyncio.open_connection(self._server.host, self._server.port)
            await asyncio.gather(self._pipe(reader, inner_writer), self._pipe(inner_reader, writer))
        writer.transport.abort()

    async def _pipe(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            while content := await reader.read(65536):
                writer.write(content)
                await writer.drain()
        writer.close()


@pytest.fixture
async def terminator(plain: Endpoint, tmp_path: Path) -> AsyncIterator[tuple[Terminator, Endpoint]]:
    """With a certificate that no authority has signed."""
    terminator = Terminator(plain, make_appearance(Config.load(tmp_path, "127.0.0.1:0", Warehouse())).context)
    server = await asyncio.start_server(terminator.serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    yield terminator, replace(plain, port=port, sslmode="require")
    server.close()
    running = asyncio.all_tasks() - {asyncio.current_task()}
    await asyncio.wait(running) if running else None


async def read(endpoint: Endpoint, sql: str, limits: RelayLimits | None = None) -> str | None:
    async def found(role: str, workspace: str) -> Endpoint:
        return endpoint

    relay = Relay(found, limits or RelayLimits(), lambda workspace: 1)
    try:
        return await value(relay.open(endpoint.user, endpoint.database), sql)
    finally:
        await relay.close()


async def test_scram(plain: Endpoint) -> None:
    assert await read(plain, "SELECT session_user") == plain.user
    assert await read(replace(plain, sslmode="prefer"), "SELECT session_user") == plain.user


async def test_wrong_password(plain: Endpoint) -> None:
    with pytest.raises(InvalidPassword):
        await read(replace(plain, password="wrong"), "SELECT 1")


async def test_no_password_where_one_is_asked_for(plain: Endpoint) -> None:
    with pytest.raises(RelayUnavailable, match="asks for a login"):
        await read(replace(plain, password=None), "SELECT 1")


async def test_server_without_tls_where_it_is_required(plain: Endpoint) -> None:
    with pytest.raises(RelayUnavailable, match="does not offer TLS"):
        await read(replace(plain, sslmode="require"), "SELECT 1")


async def test_tls(terminator: tuple[Terminator, Endpoint]) -> None:
    counting, endpoint = terminator
    assert await read(endpoint, "SELECT session_user") == endpoint.user
    assert counting.connections == 1


async def test_cancel_over_tls(terminator: tuple[Terminator, Endpoint]) -> None:
    """A cancel that has not ended the statement soon is sent again, over a connection of its own too."""
    counting, endpoint = terminator
    with pytest.raises(StatementTimeout):
        await read(endpoint, "SELECT pg_sleep(100)", RelayLimits(statement_seconds=1.0))
    assert counting.connections >= 2


async def test_certificate_of_no_authority(terminator: tuple[Terminator, Endpoint]) -> None:
    counting, endpoint = terminator
    with pytest.raises(RelayUnavailable, match="cannot be reached"):
        await read(replace(endpoint, sslmode="verify-full"), "SELECT 1")
    assert counting.connections == 0
