"""Reading a table's files: by the machine itself, by the range server from a disk, and from an object store."""

import asyncio
import tempfile
import time
from collections.abc import Coroutine, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import uvloop

from benchmarks.compare import Measurement, Round, interleave
from benchmarks.laboratory import Laboratory
from catalog.credentials import CredentialProvider
from catalog.names import TableName
from catalog.scans import Scan
from compute.objects import ObjectReader
from compute.pool import Pool
from compute.ranges import RangeServer
from gateway.starts import until_spare
from tests.fix_compute import duckdb_config, rows, running_pool, scan
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
MEBIBYTE = 1 << 20


@dataclass(frozen=True, slots=True)
class _Way:
    """`remote`: the machine opens no file itself."""

    scan: Scan
    remote: bool


def reading_files(laboratory: Laboratory) -> Iterator[Measurement]:
    """A fresh machine a round, which has read nothing yet. The store's own processor time is somebody else's."""
    folder = laboratory.tables[TableName("tpch", "lineitem")]
    with (
        tempfile.TemporaryDirectory() as scratch,
        running_store(Path(scratch)) as store,
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
    ):
        machines = running_pool(folder.parents[1], duckdb_config(memory_bytes=1 << 30))
        pool = runner.run(machines.__aenter__())
        try:
            objects = ObjectReader(CredentialProvider(store.settings()))
            ask = partial(_ask, pool, folder.parents[1], objects)
            subjects: Mapping[str, Round] = {
                name: partial(_run, runner, partial(ask, way)) for name, way in _ways(folder, store).items()
            }
            yield from interleave(f"reading files, TPC-H scale {laboratory.scale:g}", subjects, laboratory.rounds)
        finally:
            runner.run(machines.__aexit__(None, None, None))


def _ways(folder: Path, store: Store) -> Mapping[str, _Way]:
    """The same files in three ways."""
    local, location = scan(folder, COLUMNS), store.upload(folder, "lineitem")
    moved = tuple(replace(file, path=f"{location}/{Path(file.path).name}") for file in local.files)
    stored = replace(local, location=location, files=moved, digest="stored")
    return {
        "machine itself": _Way(local, remote=False),
        "range server, disk": _Way(local, remote=True),
        "range server, object store": _Way(stored, remote=True),
    }


def _run(runner: asyncio.Runner, ask: "partial[Coroutine[Any, Any, Mapping[str, float]]]") -> Mapping[str, float]:
    return runner.run(ask())


async def _ask(pool: Pool, root: Path, objects: ObjectReader, way: _Way) -> Mapping[str, float]:
    """Milliseconds and processor time, of the machine and of this process, for each MiB that the files have."""
    await until_spare(pool, "duckdb")
    lease = await pool.lease("duckdb", workspace="bench", principal="bench")
    lease._ranges = RangeServer(lease._connection, "demo", str(root), objects, remote=way.remote)
    used, own, begun = await lease.usage(), time.process_time(), time.perf_counter()
    await rows(await lease.execute(QUESTION, scans=[way.scan]))
    seconds, own = time.perf_counter() - begun, time.process_time() - own
    machine = (await lease.usage())["cpu_seconds"] - used["cpu_seconds"]
    await lease.release()
    size = sum(file.size for file in way.scan.files) / MEBIBYTE
    return {
        "ms": seconds * 1000,
        "ms a MiB": seconds * 1000 / size,
        "machine CPU ms a MiB": machine * 1000 / size,
        "gateway CPU ms a MiB": own * 1000 / size,
        "CPU ms a MiB": (machine + own) * 1000 / size,
    }
