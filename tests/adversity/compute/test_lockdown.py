"""Escape attempts of SQL inside the DuckDB machine: each is refused, and the machine still answers."""

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pyarrow as pa
import pytest
import pytest_asyncio

from catalog.errors import SqlError
from catalog.scans import Scan
from compute.lease import Lease
from tests.fix_compute import ask, duckdb_config, running_pool

pytestmark = pytest.mark.asyncio(loop_scope="module")

ATTEMPTS = {
    "read a file of the system": "SELECT * FROM read_text('/etc/passwd')",
    "read this program": "SELECT * FROM read_blob('/proc/self/environ')",
    "read as a table": "SELECT * FROM '/etc/passwd'",
    "read by CSV": "SELECT * FROM read_csv('/etc/hosts')",
    "climb out": "SELECT * FROM read_text('{warehouse}/../../../../etc/passwd')",
    "list files": "SELECT * FROM glob('/*')",
    "sniff": "SELECT * FROM sniff_csv('/etc/passwd')",
    "fetch by http": "SELECT * FROM read_parquet('http://127.0.0.1:1/x.parquet')",
    "fetch from s3": "SELECT * FROM read_parquet('s3://bucket/x.parquet')",
    "write": "COPY (SELECT 1) TO '{warehouse}/stolen.csv'",
    "write elsewhere": "COPY (SELECT 1) TO '/tmp/stolen.csv'",
    "attach a file": "ATTACH '{warehouse}/own.db'",
    "attach memory": "ATTACH ':memory:' AS other",
    "load an extension": "LOAD httpfs",
    "install an extension": "INSTALL httpfs",
    "unlock": "SET enable_external_access = true",
    "unlock by pragma": "PRAGMA enable_external_access = true",
    "unlock by reset": "RESET lock_configuration",
    "more memory": "SET GLOBAL memory_limit = '100GB'",
    "export": "EXPORT DATABASE '{warehouse}/dump'",
    "make a secret": "CREATE SECRET (TYPE s3, KEY_ID 'a', SECRET 'b')",
    "make a table": "CREATE TABLE t AS SELECT 1",
    "make a macro": "CREATE MACRO f() AS 1",
    "replace a scan": "CREATE OR REPLACE TEMP VIEW scan_0 AS SELECT 1 AS id",
    "prepare": "PREPARE p AS COPY (SELECT 1) TO '{warehouse}/stolen.csv'",
    "profile to a file": "PRAGMA profiling_output = '{warehouse}/stolen.json'",
    "call": "CALL enable_logging(storage_path = '{warehouse}')",
    "use another schema": "USE temp",
    "two statements": "SELECT 1; COPY (SELECT 1) TO '{warehouse}/stolen.csv'",
    "hidden in EXPLAIN": "EXPLAIN ANALYZE COPY (SELECT 1) TO '{warehouse}/stolen.csv'",
    "explain quickly": "EXPLAIN COPY (SELECT 1) TO '{warehouse}/stolen.csv'",
    "hidden in options": "EXPLAIN (ANALYZE, FORMAT json) COPY (SELECT 1) TO '{warehouse}/stolen.csv'",
    "read the guest's own variables": "SELECT * FROM parameters",
    "environment": "SELECT getenv('PATH')",
}
PARAMETERS = pa.record_batch({"p1": [1]})


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def locked(warehouse: Path) -> AsyncIterator[Lease]:
    async with running_pool(warehouse, duckdb_config()) as pool:
        taken = await pool.lease("duckdb", workspace="demo", principal="mallory")
        yield taken
        await taken.release()


@pytest.mark.parametrize("attempt", ATTEMPTS)
async def test_escapes_are_refused(locked: Lease, warehouse: Path, points: Scan, attempt: str) -> None:
    with pytest.raises(SqlError) as caught:
        await ask(locked, ATTEMPTS[attempt].format(warehouse=warehouse), scans=[points], parameters=PARAMETERS)
    assert caught.value.sqlstate != "XX000", caught.value
    assert await ask(locked, "SELECT min(id) AS id FROM scan_0", scans=[points]) == [{"id": 0}]
    assert [name for name in os.listdir(warehouse) if "stolen" in name] == []


async def test_a_writable_warehouse_is_not_there(locked: Lease, warehouse: Path) -> None:
    """The mount itself is read-only: the engine's refusal is the second fence."""
    settings = await ask(locked, "SELECT value FROM duckdb_settings() WHERE name = 'allowed_directories'")
    assert str(warehouse) in str(settings)


@pytest.mark.parametrize(
    "prefix", ["EXPLAIN", "explain analyze", "EXPLAIN (FORMAT json)", "EXPLAIN ANALYZE (", "EXPLAIN ("]
)
async def test_reads_may_be_explained(locked: Lease, points: Scan, prefix: str) -> None:
    closing = ")" if prefix.endswith("(") else ""
    assert await ask(locked, f"{prefix} SELECT * FROM scan_0{closing}", scans=[points]) != []
