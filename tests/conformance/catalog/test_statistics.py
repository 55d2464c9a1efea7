"""Rows and sizes from the Delta log, where PostgreSQL has its own: refreshed by reads and writes, without a change."""

import json

import pyarrow as pa
import pytest

from catalog.changes import CreateSchema, DropTable, RegisterTable
from catalog.names import TableName, TableReference
from tests.fix_metastore import Metastore
from tests.lakes import data_file, field, write_log, write_table

TABLE, REFERENCE = TableName("sales", "orders"), TableReference("orders", "sales")
ROWS = "SELECT reltuples::bigint, relpages FROM pg_class WHERE oid = 'sales.orders'::regclass"
SIZES = """SELECT lakegate.pg_table_size('sales.orders'), lakegate.pg_total_relation_size('sales.orders'),
                  lakegate.pg_relation_size('sales.orders'), lakegate.pg_relation_size('sales.orders', 'vm'),
                  lakegate.pg_indexes_size('sales.orders'), lakegate.pg_database_size(current_database())"""


@pytest.fixture
async def sales(metastore: Metastore) -> Metastore:
    await metastore.apply(CreateSchema("sales"))
    location = write_table(metastore.warehouse / "t", {"id": list(range(1000)), "b": ["x"] * 1000}, partition_by=["b"])
    await metastore.apply(RegisterTable(TABLE, location))
    return metastore


def size(metastore: Metastore) -> int:
    return sum(file.stat().st_size for file in (metastore.warehouse / "t").rglob("*.parquet"))


async def publish(metastore: Metastore) -> None:
    await metastore.catalog.publish_statistics(metastore.workspace)


async def test_a_new_table(sales: Metastore) -> None:
    bytes_ = size(sales)
    assert await sales.query(ROWS) == [(1000, -(-bytes_ // 8192))]
    assert await sales.query(SIZES) == [(bytes_, bytes_, bytes_, 0, 0, bytes_)]


async def test_reads_bring_them_up_without_a_change(sales: Metastore) -> None:
    before = sales.catalog.version(sales.workspace)
    write_table(sales.warehouse / "t", {"id": [1], "b": ["y"]}, mode="append")
    await sales.resolve(REFERENCE)
    await publish(sales)
    assert (await sales.query(ROWS))[0][0] == 1001
    assert (await sales.query(SIZES))[0][0] == size(sales)
    written = await sales.query("SELECT xmin::text FROM lakegate.snapshots")
    await sales.resolve(REFERENCE)
    await publish(sales)
    assert await sales.query("SELECT xmin::text FROM lakegate.snapshots") == written
    assert sales.catalog.version(sales.workspace) == before


async def test_writes_bring_them_up_at_once(sales: Metastore) -> None:
    write_table(sales.warehouse / "t", {"id": [1], "b": ["y"]}, mode="append")
    await sales.catalog.observe(sales.workspace, TABLE)
    assert (await sales.query(ROWS))[0][0] == 1001


async def test_an_older_version_is_no_news(sales: Metastore) -> None:
    write_table(sales.warehouse / "t", {"id": [1], "b": ["y"]}, mode="append")
    await sales.catalog.observe(sales.workspace, TABLE)
    await sales.resolve(TableReference("orders", "sales", version=0))
    await sales.resolve(REFERENCE, pinned={str(sales.warehouse / "t"): 0})
    await publish(sales)
    assert (await sales.query(ROWS))[0][0] == 1001


async def test_what_the_log_does_not_tell(metastore: Metastore) -> None:
    await metastore.apply(CreateSchema("sales"))
    folder = metastore.warehouse / "t"
    file = data_file(folder, "a.parquet", {"id": [1, 2]}, statistics=False)
    await metastore.apply(RegisterTable(TABLE, write_log(folder, [field("id", "long")], [file])))
    assert (await metastore.query(ROWS))[0][0] == -1
    assert (await metastore.query(SIZES))[0][0] == file["size"]


async def test_a_log_that_is_not_read_here_tells_nothing(metastore: Metastore) -> None:
    await metastore.apply(CreateSchema("sales"))
    log = write_log(metastore.warehouse / "t", [field("id", "long")], reader=3, features=["unheardOf"])
    await metastore.apply(RegisterTable(TABLE, log))
    assert await metastore.query(ROWS) == [(-1, 0)]
    assert (await metastore.query(SIZES))[0][:3] == (None, None, None)


async def test_a_schema_change_keeps_them(sales: Metastore) -> None:
    more = pa.table({"id": [1], "b": ["y"], "c": [1.5]})
    write_table(sales.warehouse / "t", more, mode="append", schema_mode="merge")
    await sales.resolve(REFERENCE)
    assert (await sales.query(ROWS))[0][0] == 1001


async def test_they_go_with_the_table(sales: Metastore) -> None:
    await sales.resolve(REFERENCE)
    await sales.apply(DropTable(TABLE))
    await publish(sales)
    assert await sales.query("SELECT FROM lakegate.snapshots") == []


async def test_what_else_is_kept(sales: Metastore) -> None:
    kept = await sales.query(
        "SELECT version, files, partition_columns, properties, reader_version FROM lakegate.snapshots"
    )
    assert json.loads(json.dumps(kept)) == [[0, 1, ["b"], {}, 1]]


async def test_postgresqls_own_relations_keep_their_sizes(sales: Metastore) -> None:
    ours, theirs = "lakegate.pg_table_size('pg_proc')", "pg_catalog.pg_table_size('pg_proc')"
    assert await sales.query(f"SELECT {ours} = {theirs}") == [(True,)]
    assert await sales.query("SELECT lakegate.pg_database_size('lakegate')") == [(None,)]
