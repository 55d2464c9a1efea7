"""Writes of the postgres dialect on Spark leave the rows that they leave in PostgreSQL."""

from dataclasses import replace
from pathlib import Path

import pytest
from deltalake import DeltaTable

from catalog.changes import Privilege
from catalog.deltalog import read_snapshot
from catalog.names import TableName
from catalog.types import Description
from compute.engines.spark.session import SparkSession
from planner import parse, plan
from planner.plan import Dialect, Lane, Query, Settings
from tests.conformance.translation.conftest import Rig

STATEMENTS = (
    "CREATE TABLE samples.w (id int NOT NULL, n numeric(10,2), t varchar(10), d date, at timestamp)",
    "INSERT INTO samples.w VALUES (1, 2.345, 'it''s', '2024-02-29', '2024-01-01 10:00'), (2, '7', NULL, NULL, NULL)",
    "INSERT INTO samples.w (t, id) SELECT u, id + 10 FROM samples.v WHERE id < 4",
    "UPDATE samples.w SET n = id / 2, t = t || '!' WHERE id > 1 AND t IS DISTINCT FROM 'x'",
    "UPDATE samples.w AS w SET d = v.d FROM samples.v WHERE v.id = w.id",
    "DELETE FROM samples.w USING samples.v WHERE v.id + 10 = w.id AND v.b",
    "DELETE FROM samples.w AS x WHERE x.id > 10 AND (id) IN (SELECT id + 11 FROM samples.v)",
    "MERGE INTO samples.w USING (SELECT id, i2 FROM samples.v WHERE i2 IS NOT NULL) v ON v.id = w.id"
    " WHEN MATCHED AND v.i2 = 2 THEN DELETE WHEN MATCHED THEN UPDATE SET n = v.i2"
    " WHEN NOT MATCHED THEN INSERT (id, n) VALUES (v.id, v.i2 + 0.5)",
)
CONTENT = "SELECT * FROM samples.w ORDER BY id"


def run(rig: Rig, text: str, location: Path) -> None:
    """The statement on PostgreSQL, then on Spark, then the table's new snapshot."""
    rig.oracle.execute(text.encode())
    (statement,) = parse(text, Dialect.POSTGRES)
    resolution = replace(
        rig.resolve(statement), schemas={"samples": frozenset({Privilege.CREATE})}, new_location=str(location)
    )
    query = plan(statement, resolution, Settings(lane=Lane.SPARK), Description((), None))
    assert isinstance(query, Query)
    assert rig.spark is not None
    for _ in rig.spark.execute(query.sql, None, [], {}).reader:
        pass
    name = TableName("samples", "w")
    rig.snapshots[name] = read_snapshot(DeltaTable(location), name, str(location))


@pytest.mark.spark
def test_writes_leave_postgres_rows(rig: Rig, spark_session: SparkSession, tmp_path: Path) -> None:
    rig.spark = spark_session
    location = tmp_path / "w"
    for text in STATEMENTS:
        run(rig, text, location)
        columns = rig.oracle.execute(CONTENT.encode()).fetchall()
        files = [file for file in DeltaTable(location).file_uris()]
        have = rig.duckdb.read_parquet(files).order("id").fetchall() if files else []
        assert have == columns, text
