"""Reading a table's files: by the machine itself, by the range server from a disk, and from an object store; by a
microVM also over a network of its own to that store."""

import asyncio
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import uvloop

from benchmarks.compare import Measurement, Round, interleave
from benchmarks.laboratory import Laboratory, cpu_seconds
from benchmarks.suites.microvms import REHEARSAL_SECONDS
from catalog.credentials import CredentialProvider
from catalog.names import TableName
from catalog.scans import Scan
from compute.config import PoolConfig
from compute.lease import Lease
from compute.objects import ObjectReader
from compute.pool import Pool
from compute.ranges import RangeServer
from compute.spawners.qemu.machine import QemuMachine
from deploy.guest.image import build
from gateway.starts import until_spare
from tests.fix_compute import duckdb_config, rows, running_pool, scan
from tests.fix_machines import CACHE, MICROVM, NETWORKED, make_spawner
from tests.objectstore.server import Store, running_store

QUESTION = "SELECT max(COLUMNS(*)) FROM scan_0"
"""Every byte of these columns."""
COLUMNS = {
    "l_orderkey": "long",
    "l_partkey": "long",
    "l_quantity": "decimal(15,2)",
    "l_extendedprice": "decimal(15,2)",
    "l_shipdate": "date",
    "l_comment": "string",
}
LONGEST = {"l_comment": "string"}
"""Where it is bytes that cost, and not what an emulated processor makes of them."""
MEBIBYTE = 1 << 20


@dataclass(frozen=True, slots=True)
class _Way:
    """`reader` replaces the one of the pool, if there is one."""

    pool: Pool
    scan: Scan
    reader: "partial[RangeServer] | None" = None


def reading_files(laboratory: Laboratory) -> Iterator[Measurement]:
    """A fresh machine a round, which has read nothing yet. The store's own processor time is somebody else's."""
    folder = laboratory.tables[TableName("tpch", "lineitem")]
    with (
        tempfile.TemporaryDirectory() as scratch,
        running_store(Path(scratch)) as store,
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
    ):
        for name, open_ways in (("reading files", _by_processes), ("reading files in a microVM", _by_microvms)):
            stack = AsyncExitStack()
            try:
                ways = runner.run(open_ways(stack, folder, store))
                subjects: Mapping[str, Round] = {each: partial(_run, runner, way) for each, way in ways.items()}
                yield from interleave(f"{name}, TPC-H scale {laboratory.scale:g}", subjects, laboratory.rounds)
            finally:
                runner.run(stack.aclose())


async def _by_processes(stack: AsyncExitStack, folder: Path, store: Store) -> Mapping[str, _Way]:
    """The same files in three ways."""
    root = folder.parents[1]
    pool = await stack.enter_async_context(running_pool(root, duckdb_config(memory_bytes=1 << 30)))
    local, stored = _scans(folder, store, COLUMNS)
    reader = partial(
        RangeServer, workspace="bench", root=str(root), objects=ObjectReader(CredentialProvider(store.settings()))
    )
    return {
        "machine itself": _Way(pool, local, partial(reader, remote=False)),
        "range server, disk": _Way(pool, local, reader),
        "range server, object store": _Way(pool, stored, reader),
    }


async def _by_microvms(stack: AsyncExitStack, folder: Path, store: Store) -> Mapping[str, _Way]:
    """Over the channel, and over a network."""
    image, objects = await asyncio.to_thread(build, CACHE), ObjectReader(CredentialProvider(store.settings()))
    pools = []
    for engine in (replace(each, max_machines=1) for each in (MICROVM, NETWORKED)):
        spawner = make_spawner(image, engine, store)
        pools.append(Pool(spawner, PoolConfig((engine,)), lambda _workspace: str(folder.parents[1]), objects))
        stack.push_async_callback(pools[-1].close)
        await pools[-1].start()
    plain, networked = pools
    local, stored = _scans(folder, store, LONGEST)
    return {
        "network, object store": _Way(networked, stored),
        "channel, object store": _Way(plain, stored),
        "channel, disk": _Way(plain, local),
    }


def _scans(folder: Path, store: Store, columns: dict[str, str]) -> tuple[Scan, Scan]:
    """On the disk and in the store."""
    local, location = scan(folder, columns), store.upload(folder, "lineitem")
    moved = tuple(replace(file, path=f"{location}/{Path(file.path).name}") for file in local.files)
    return local, replace(local, location=location, files=moved, digest="stored")


def _run(runner: asyncio.Runner, way: _Way) -> Mapping[str, float]:
    return runner.run(_ask(way))


async def _ask(way: _Way) -> Mapping[str, float]:
    """Milliseconds and processor time, of the machine and of this process, for each MiB that the files have."""
    lease = await _lease(way)
    used, own, begun = await _machine_seconds(way, lease), time.process_time(), time.perf_counter()
    await rows(await lease.execute(QUESTION, scans=[way.scan]))
    seconds, own = time.perf_counter() - begun, time.process_time() - own
    machine = await _machine_seconds(way, lease) - used
    await lease.release()
    size = sum(file.size for file in way.scan.files) / MEBIBYTE
    return {
        "ms": seconds * 1000,
        "ms a MiB": seconds * 1000 / size,
        "machine CPU ms a MiB": machine * 1000 / size,
        "gateway CPU ms a MiB": own * 1000 / size,
        "CPU ms a MiB": (machine + own) * 1000 / size,
    }


async def _lease(way: _Way) -> Lease:
    """Of a machine that is done with warming itself."""
    await until_spare(way.pool, "duckdb")
    if way.reader is None:
        await asyncio.sleep(REHEARSAL_SECONDS)
    lease = await way.pool.lease("duckdb", workspace="bench", principal="bench")
    if way.reader is not None:
        lease._ranges = way.reader(lease._connection)
    return lease


async def _machine_seconds(way: _Way, lease: Lease) -> float:
    """Processor time; a microVM's with all that QEMU does for it."""
    machine = next(member.machine for member in way.pool._members.values() if lease in member.leases)
    if isinstance(machine, QemuMachine):
        return cpu_seconds(machine.process.child.pid)
    return (await lease.usage())["cpu_seconds"]
