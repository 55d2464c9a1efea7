"""Gateways in the metastore: numbers, leases, and a census of the sessions of all that live."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from psycopg import AsyncConnection

from catalog.catalog import Catalog
from catalog.gateways import CHANNEL, Gateways, Peer
from catalog.postgres import EmbeddedPostgres
from catalog.principals import Principal
from catalog.sessions import Signal
from tests.fix_metastore import Metastore


class Named:
    """The sessions of a gateway: one, whose process id tells which gateway's it is."""

    def __init__(self, replica: str, pid: int) -> None:
        self.replica = replica
        self.pid = pid

    def describe(self, workspace: str) -> list[dict[str, Any]]:
        return [{"pid": self.pid, "usename": "admin", "state": "idle"}]

    def signal(self, signal: Signal, asker: Principal | None) -> None:
        raise AssertionError("nobody signals")


@pytest.fixture
def gateways(metastore: Metastore) -> Gateways:
    return metastore.catalog.gateways


async def expire(metastore: Metastore, replica: str) -> None:
    """Its lease, which the others are told of instead of waiting until they ask again."""
    endpoint = metastore.server.owner_endpoint("lakegate")
    async with await AsyncConnection.connect(endpoint.conninfo(), autocommit=True) as connection:
        statement = "UPDATE lakegate.gateways SET expires_at = now() - interval '1 second' WHERE replica = %s"
        await connection.execute(statement, (replica,))
        await connection.execute(f"NOTIFY {CHANNEL}".encode())


async def known(asked: Gateways, *names: str, living: bool) -> None:
    """Waits until it has heard that all of them live, or that none does."""
    async with asyncio.timeout(300):
        while True:
            if set(names) & await asked.living() == (set(names) if living else set()):
                return
            await asyncio.sleep(0)


def peer(replica: str, port: int = 5439) -> Peer:
    return Peer(replica, "gateway.example", port, bytes(32))


async def test_numbers_differ_and_are_given_again(metastore: Metastore, gateways: Gateways) -> None:
    names = [metastore.unique(name) for name in "abcdef"]
    numbers = await asyncio.gather(*map(gateways.register, names))
    assert len(set(numbers)) == len(names)
    assert all(2 <= number <= 1023 for number in numbers)
    await known(gateways, *names, living=True)
    await expire(metastore, names[0])
    await known(gateways, names[0], living=False)
    assert await gateways.renew(peer(names[0])), "nobody has taken its place yet"
    await expire(metastore, names[0])
    later = metastore.unique("later")
    assert await gateways.register(later) <= max(numbers)
    assert not await gateways.renew(peer(names[0]))
    for name in (*names[1:], later):
        await gateways.leave(name)
    await known(gateways, *names, later, living=False)


async def test_a_gateway_is_found_once_it_has_said_where(metastore: Metastore, gateways: Gateways) -> None:
    name = metastore.unique("gateway")
    number = await gateways.register(name)
    assert await gateways.find(replica=name) is await gateways.find(number=number) is None
    assert await gateways.renew(peer(name, 1234))
    assert await gateways.find(replica=name) == await gateways.find(number=number) == peer(name, 1234)
    await expire(metastore, name)
    assert await gateways.find(replica=name) is None
    await gateways.leave(name)


async def shown(metastore: Metastore, asked: Catalog) -> set[int]:
    return {row["pid"] for row in await asked.attendance.list(metastore.workspace)}


@pytest.fixture
async def replicas(metastore: Metastore, metastore_server: EmbeddedPostgres) -> AsyncIterator[list[Catalog]]:
    """Two more, which know the workspace."""
    catalogs = []
    for number in (1, 2):
        sessions = Named(metastore.unique(f"replica{number}"), number)
        catalog = Catalog(metastore_server, warehouse_root=str(metastore.warehouse), sessions=sessions)
        await catalog.open()
        await catalog.gateways.register(sessions.replica)
        await catalog.login("admin", metastore.workspace)
        catalogs.append(catalog)
    yield catalogs
    for number, catalog in enumerate(catalogs, 1):
        await catalog.gateways.leave(metastore.unique(f"replica{number}"))
        await catalog.close()


async def test_a_census_asks_all_that_live(metastore: Metastore, replicas: list[Catalog]) -> None:
    for catalog in replicas:
        for told in await asyncio.gather(*(shown(metastore, catalog) for _ in range(5))):
            assert told == {1, 2}


async def test_who_comes_and_goes_is_heard_of(metastore: Metastore, replicas: list[Catalog]) -> None:
    asked, other = replicas
    name = metastore.unique("replica2")
    assert await shown(metastore, asked) == {1, 2}
    await other.gateways.leave(name)
    await known(asked.gateways, name, living=False)
    assert await shown(metastore, asked) == {1}
    await other.gateways.register(name)
    await known(asked.gateways, name, living=True)
    assert await shown(metastore, asked) == {1, 2}


async def test_who_is_dead_is_forgotten(metastore: Metastore, replicas: list[Catalog]) -> None:
    assert await shown(metastore, replicas[0]) == {1, 2}
    await expire(metastore, metastore.unique("replica2"))
    await known(replicas[0].gateways, metastore.unique("replica2"), living=False)
    assert await shown(metastore, replicas[0]) == {1}


async def test_who_does_not_answer_is_not_waited_for_long(metastore: Metastore, replicas: list[Catalog]) -> None:
    silent = metastore.unique("silent")
    await replicas[0].gateways.register(silent)
    assert await shown(metastore, replicas[1]) == {1, 2}
    await replicas[0].gateways.leave(silent)
