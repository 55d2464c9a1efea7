"""A real metastore server with two roles and a shadow, and relays before it."""

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
import pytest
import uvloop

from catalog.endpoint import Endpoint
from catalog.postgres import EmbeddedPostgres
from gateway.relay import Relay, RelayLimits

DATABASE = "lake"
SET_UP = (
    "CREATE ROLE alice LOGIN",
    "CREATE ROLE bob LOGIN",
    "CREATE ROLE analysts",
    "GRANT analysts TO alice",
    "CREATE SCHEMA sales",
    "GRANT USAGE ON SCHEMA sales TO alice",
    "CREATE TABLE sales.orders (id bigint, price numeric(15,2), note text)",
    "GRANT REFERENCES ON sales.orders TO alice",
)


@dataclass
class Metastore:
    """The server under test. `version` is what the relays take for the catalog's version."""

    server: EmbeddedPostgres
    version: int = 1
    endpoints: list[Endpoint] = field(default_factory=list)

    async def endpoint(self, role: str, workspace: str) -> Endpoint:
        return self.server.role_endpoint(role, workspace)

    def execute(self, *statements: str) -> None:
        """As the server's owner."""
        with psycopg.connect(self.server.owner_endpoint(DATABASE).conninfo(), autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement.encode())

    def fetch(self, query: str) -> list[tuple]:
        with psycopg.connect(self.server.owner_endpoint(DATABASE).conninfo(), autocommit=True) as connection:
            return connection.execute(query.encode()).fetchall()


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Every test on both loops: their transports differ."""
    return {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


@pytest.fixture(scope="session")
def embedded_server() -> Iterator[EmbeddedPostgres]:
    folder = Path(tempfile.mkdtemp(prefix="lakegate-relay-"))
    folder.chmod(0o711)
    server = EmbeddedPostgres(folder / "metastore")
    try:
        asyncio.run(server.start())
        with psycopg.connect(server.owner_endpoint("postgres").conninfo(), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {DATABASE}".encode())
        Metastore(server).execute(*SET_UP)
        yield server
    finally:
        asyncio.run(server.stop())
        shutil.rmtree(folder)


@pytest.fixture
def metastore(embedded_server: EmbeddedPostgres) -> Metastore:
    return Metastore(embedded_server)


Relays = Callable[[RelayLimits], Relay]


@pytest.fixture
async def relays(metastore: Metastore) -> AsyncIterator[Relays]:
    """Makes relays with chosen limits."""
    made: list[Relay] = []

    def make(limits: RelayLimits) -> Relay:
        made.append(Relay(metastore.endpoint, limits, lambda workspace: metastore.version))
        return made[-1]

    yield make
    for relay in made:
        await relay.close()


@pytest.fixture
def relay(relays: Relays) -> Relay:
    return relays(RelayLimits())
