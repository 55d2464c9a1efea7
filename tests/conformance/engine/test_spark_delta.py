"""Writing and reading Delta tables by path: counts, deletion vectors, time travel, damage."""

import json
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import DeltaTable

from catalog.errors import (
    CheckViolation,
    DuplicateTable,
    InvalidParameterValue,
    NotNullViolation,
    SqlError,
    UnreadableTable,
)
from compute.engines.spark.session import SparkSession
from tests.fix_spark import affected, rows, table_at

pytestmark = pytest.mark.spark


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "a table`s folder"


@pytest.fixture
def table(spark_session: SparkSession, folder: Path) -> str:
    """Ten rows with deletion vectors on: id 0..9, name 'n<id>'."""
    name = f"delta.`{str(folder).replace('`', '``')}`"
    options = "USING delta TBLPROPERTIES ('delta.enableDeletionVectors' = 'true', 'delta.columnMapping.mode' = 'name')"
    affected(spark_session, f"CREATE TABLE {name} (id BIGINT NOT NULL, name STRING) {options}")
    assert affected(spark_session, f"INSERT INTO {name} SELECT id, concat('n', id) FROM range(10)") == 10
    return name


def test_every_write_tells_its_rows(spark_session: SparkSession, table: str) -> None:
    assert affected(spark_session, f"INSERT INTO {table} VALUES (10, 'x'), (11, NULL)") == 2
    assert affected(spark_session, f"INSERT INTO {table} SELECT id, name FROM {table} WHERE id < 0") == 0
    assert affected(spark_session, f"WITH more AS (SELECT 12L AS id) INSERT INTO {table} SELECT id, 'y' FROM more") == 1
    assert affected(spark_session, f"UPDATE {table} SET name = 'z' WHERE id < 3") == 3
    assert affected(spark_session, f"UPDATE {table} SET name = 'z' WHERE id < 0") == 0
    assert affected(spark_session, f"DELETE FROM {table} WHERE id IN (4, 5)") == 2
    merge = (
        f"MERGE INTO {table} t USING (SELECT id FROM range(8, 15)) s ON t.id = s.id"
        " WHEN MATCHED THEN UPDATE SET name = 'm' WHEN NOT MATCHED THEN INSERT (id, name) VALUES (s.id, 'new')"
    )
    assert affected(spark_session, merge) == 7
    assert affected(spark_session, f"DELETE FROM {table}") == 13
    assert affected(spark_session, f"ALTER TABLE {table} ADD COLUMN extra DOUBLE") is None


def test_create_table_as_tells_its_rows(spark_session: SparkSession, tmp_path: Path) -> None:
    name = table_at(tmp_path / "copy")
    assert affected(spark_session, f"CREATE TABLE {name} USING delta AS SELECT * FROM range(77)") == 77
    with pytest.raises(DuplicateTable):
        affected(spark_session, f"CREATE TABLE {name} USING delta AS SELECT 1 AS a")


def test_parameters_write_too(spark_session: SparkSession, table: str) -> None:
    parameters = pa.record_batch({"p1": pa.array([3], pa.int64()), "p2": pa.array(["'); DROP"])})
    assert affected(spark_session, f"UPDATE {table} SET name = :p2 WHERE id = :p1", parameters) == 1
    assert rows(spark_session, f"SELECT name FROM {table} WHERE id = 3") == [{"name": "'); DROP"}]


def test_a_delete_marks_rows_instead_of_rewriting(spark_session: SparkSession, table: str, folder: Path) -> None:
    assert affected(spark_session, f"DELETE FROM {table} WHERE id = 7") == 1
    commit = folder / "_delta_log" / f"{DeltaTable(folder).version():020}.json"
    actions = [json.loads(line) for line in commit.read_text().splitlines()]
    assert any(action.get("add", {}).get("deletionVector") for action in actions)
    assert rows(spark_session, f"SELECT count(*) AS n, sum(id) AS s FROM {table}") == [{"n": 9, "s": 38}]


def test_versions_and_history(spark_session: SparkSession, table: str) -> None:
    affected(spark_session, f"INSERT INTO {table} VALUES (10, 'x')")
    assert rows(spark_session, f"SELECT count(*) AS n FROM {table} VERSION AS OF 1 AS old") == [{"n": 10}]
    assert [row["operation"] for row in rows(spark_session, f"DESCRIBE HISTORY {table}")] == [
        "WRITE",
        "WRITE",
        "CREATE TABLE",
    ]
    with pytest.raises(InvalidParameterValue, match="version 99"):
        rows(spark_session, f"SELECT * FROM {table} VERSION AS OF 99")


def test_columns_can_be_renamed_and_dropped(spark_session: SparkSession, table: str) -> None:
    affected(spark_session, f"ALTER TABLE {table} RENAME COLUMN name TO title")
    affected(spark_session, f"ALTER TABLE {table} ADD COLUMNS (a DATE COMMENT 'when', b STRING)")
    affected(spark_session, f"ALTER TABLE {table} DROP COLUMN b")
    assert rows(spark_session, f"SELECT * FROM {table} WHERE id = 1") == [{"id": 1, "title": "n1", "a": None}]


def test_constraints_hold(spark_session: SparkSession, table: str) -> None:
    with pytest.raises(NotNullViolation):
        affected(spark_session, f"INSERT INTO {table} VALUES (NULL, 'x')")
    affected(spark_session, f"ALTER TABLE {table} ADD CONSTRAINT positive CHECK (id >= 0)")
    with pytest.raises(CheckViolation):
        affected(spark_session, f"INSERT INTO {table} VALUES (-1, 'x')")


@pytest.mark.parametrize(
    ("value", "sqlstate", "message"),
    [("1 div id", "22012", "division by zero"), ("int(concat('n', id))", "22P02", "cannot be cast")],
)
def test_why_rows_could_not_be_written(
    spark_session: SparkSession, table: str, tmp_path: Path, value: str, sqlstate: str, message: str
) -> None:
    """Not where they were to be."""
    new = table_at(tmp_path / "new")
    for write in (f"CREATE TABLE {new} USING delta AS", f"INSERT INTO {table} (id)"):
        with pytest.raises(SqlError, match=message) as caught:
            affected(spark_session, f"{write} SELECT {value} AS x FROM range(3)")
        assert (caught.value.sqlstate, str(tmp_path) in str(caught.value)) == (sqlstate, False)


def test_a_table_whose_files_are_gone_is_unreadable(spark_session: SparkSession, table: str, folder: Path) -> None:
    for file in folder.rglob("*.parquet"):
        file.unlink()
    with pytest.raises(UnreadableTable):
        rows(spark_session, f"SELECT sum(id) FROM {table}")


def test_a_table_whose_log_has_a_hole_is_unreadable(spark_session: SparkSession, table: str, folder: Path) -> None:
    affected(spark_session, f"INSERT INTO {table} VALUES (10, 'x')")
    (folder / "_delta_log" / f"{1:020}.json").unlink()
    with pytest.raises(UnreadableTable):
        rows(spark_session, f"SELECT sum(id) FROM {table}")
