"""MicroVMs of this host: the guest image, built once, and a spawner whose template is in the cache."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import psutil
import pytest

from compute.config import EngineConfig, PoolConfig
from compute.pool import Pool
from compute.spark.cache import cache_folder
from compute.spawners.qemu import QemuSpawner
from compute.spawners.qemu.command import PROGRAM
from deploy.guest import host
from deploy.guest.image import build
from tests.fix_compute import WAIT_SECONDS, duckdb_config
from tests.processes import named

CACHE = cache_folder(os.environ)
MICROVM = duckdb_config(threads=1, max_machines=3, memory_bytes=128 << 20)
"""One template for all tests."""
DISK_BYTES = 96 << 20


@pytest.fixture(scope="session")
def guest_image() -> Path:
    """Its folder."""
    host.require(PROGRAM)
    return build(CACHE)


@pytest.fixture(scope="session")
def hostile_image() -> Path:
    """One in which a machine may open the engine that a stranger has taken over."""
    host.require(PROGRAM)
    return build(CACHE, more=["tests/hostile.py"])


def make_spawner(image: Path, engine: EngineConfig = MICROVM) -> QemuSpawner:
    """Of machines that may spill `DISK_BYTES`."""
    return QemuSpawner(templates={engine.engine: engine.spec}, cache=CACHE, image=image, disk_bytes=DISK_BYTES)


@asynccontextmanager
async def running_microvms(image: Path, warehouse: Path, engine: EngineConfig = MICROVM) -> AsyncIterator[Pool]:
    """A started pool of microVMs. Leaving closes it, and asserts that none is left."""
    spawner = make_spawner(image, engine)
    pool = Pool(spawner, PoolConfig((engine,), wait_seconds=WAIT_SECONDS), lambda _workspace: str(warehouse))
    try:
        await pool.start()
        yield pool
    finally:
        await pool.close()
    assert microvms() == []


def microvms(owner: int | None = None) -> list[psutil.Process]:
    """The microVMs that a process (this one, if none is named) runs."""
    return named(PROGRAM[:15], owner)
