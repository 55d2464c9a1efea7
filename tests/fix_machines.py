"""MicroVMs of this host: the guest images, built once, and spawners whose templates are in the cache."""

import asyncio
import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import cache
from pathlib import Path

import psutil
import pytest

from catalog.credentials import CredentialProvider
from catalog.errors import MachineLost
from compute.config import EngineConfig, PoolConfig
from compute.lease import Lease
from compute.objects import ObjectReader
from compute.pool import Pool
from compute.spark.cache import cache_folder
from compute.spawners.qemu import QemuSpawner
from compute.spawners.qemu.command import PROGRAM
from compute.spawners.qemu.host import examine_host
from compute.spawners.qemu.network import StoreAddress
from compute.spawners.qemu.process import KVM
from deploy.guest import host
from deploy.guest.image import build
from deploy.spark.image import build_microvm
from gateway.config import Config, Warehouse
from gateway.warehouse import pool_config
from tests.fix_compute import WAIT_SECONDS, ask, duckdb_config, rows
from tests.objectstore.server import HOST, Store
from tests.processes import kill, named

CACHE = cache_folder(os.environ)
MICROVM = duckdb_config(threads=1, max_machines=3, memory_bytes=128 << 20)
"""One template for all tests."""
NETWORKED = replace(MICROVM, reaches_store=True)
"""One that reads an object store itself."""
DISK_BYTES = 96 << 20
CLONES = 50
"""As many are compared where no two may be alike."""
_SPARK = pool_config(Config(Path(), warehouse=Warehouse(spawner="qemu", spark_spawner="qemu"))).engines[1]
SPARK_MICROVM = replace(_SPARK, max_machines=3, start_seconds=WAIT_SECONDS)
"""As a gateway's, whose template it shares."""


@cache
def kvm_works() -> bool:
    """Whether machines get real processors here, by the spawner's own trial."""
    if not KVM.exists() or shutil.which(PROGRAM) is None:
        return False
    return asyncio.run(examine_host(build(CACHE), None)).accelerator == "kvm"


@pytest.fixture(scope="session")
def guest_image() -> Path:
    """Its folder."""
    host.require(PROGRAM)
    return build(CACHE)


@pytest.fixture(scope="session")
def spark_image() -> Path:
    """That of Spark's machines."""
    host.require(PROGRAM)
    return build_microvm(CACHE)


@pytest.fixture(scope="session")
def hostile_image() -> Path:
    """One in which a machine may open the engine that a stranger has taken over."""
    host.require(PROGRAM)
    return build(CACHE, more=["tests/hostile.py"])


def make_spawner(
    image: Path, engine: EngineConfig = MICROVM, store: Store | None = None, folder: str | None = None
) -> QemuSpawner:
    """Of machines that may spill `DISK_BYTES`."""
    address = None if store is None else StoreAddress(HOST, store.port)
    return QemuSpawner(
        templates=[engine.spec], cache=CACHE, image=image, folder=folder, disk_bytes=DISK_BYTES, store=address
    )


@asynccontextmanager
async def running_microvms(
    image: Path, warehouse: Path, engine: EngineConfig = MICROVM, store: Store | None = None
) -> AsyncIterator[Pool]:
    """A started pool of microVMs, whose network, if they have one, leads to that store. Leaving closes it, and asserts
    that none is left."""
    spawner, config = make_spawner(image, engine, store), PoolConfig((engine,), wait_seconds=WAIT_SECONDS)
    objects = None if store is None else ObjectReader(CredentialProvider(store.settings()))
    pool = Pool(spawner, config, lambda _workspace: str(warehouse), objects)
    try:
        await pool.start()
        yield pool
    finally:
        await pool.close()
    assert microvms() == []


async def outlive_machines(pool: Pool, lease: Lease, engine: str, many_rows: str) -> None:
    """Kills every microVM in the middle of a statement; it ends as lost, and a new machine answers the next."""
    answer = await lease.execute(many_rows)
    await anext(aiter(answer))
    kill(microvms())
    with pytest.raises(MachineLost):
        await rows(answer)
    fresh = await pool.lease(engine, workspace="demo", principal="ada")
    assert await ask(fresh, "SELECT 1 AS one") == [{"one": 1}]
    await fresh.release()


def microvms(owner: int | None = None) -> list[psutil.Process]:
    """The microVMs that a process (this one, if none is named) runs."""
    return named(PROGRAM[:15], owner)
