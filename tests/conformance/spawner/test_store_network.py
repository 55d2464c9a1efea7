"""MicroVMs with a network to the object store: tables are read by it, whatever the neighbours' addresses are."""

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from compute.lease import Lease
from compute.pool import Pool
from tests.conformance.objectstore.test_reads import ALL, SUM, put, scan
from tests.fix_compute import ask
from tests.fix_machines import NETWORKED, running_microvms
from tests.objectstore.server import Store

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.skipif(os.geteuid() != 0, reason="networks are made by root"),
]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def pool(guest_image: Path, warehouse: Path, store: Store) -> AsyncIterator[Pool]:
    async with running_microvms(guest_image, warehouse, NETWORKED, store) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="module")
async def lease(pool: Pool) -> AsyncIterator[Lease]:
    taken = await pool.lease("duckdb", workspace="demo", principal="ada")
    yield taken
    await taken.release()


async def test_a_table_is_read_by_the_network(store: Store, lease: Lease) -> None:
    """Not through the gateway, which would know the objects' tags. What has changed since is an error as ever."""
    assert await ask(lease, SUM, scans=[scan("near", put(store, "near/a"), put(store, "near/b", first=1000))]) == [
        {"n": 2000, "total": 2000 * 1999 // 2}
    ]
    assert lease._ranges is not None
    assert not lease._ranges._tags


async def test_two_machines_with_the_same_addresses(store: Store, pool: Pool, lease: Lease) -> None:
    other = await pool.lease("duckdb", workspace="demo", principal="bob")
    tables = [scan("left", put(store, "left/a")), scan("right", put(store, "right/a"))]
    for each, table in zip((lease, other), tables, strict=True):
        assert await ask(each, SUM, scans=[table]) == ALL
        assert each._ranges is not None
        assert not each._ranges._tags
    await other.release()
