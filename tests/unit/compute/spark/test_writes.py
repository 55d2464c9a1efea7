"""What a statement does, from its text, and what it says it did."""

import pyarrow as pa
import pytest

from compute.engines.spark.writes import counts_rows, is_read, metric_rows, target, told_rows, verb


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("select 1", "SELECT"),
        ("(SELECT 1) UNION ALL (SELECT 2)", "SELECT"),
        ("WITH a AS (SELECT 1) SELECT * FROM a", "SELECT"),
        ("WITH a AS (SELECT 1) INSERT INTO delta.`/t` SELECT * FROM a", "INSERT"),
        ("/* SELECT */ -- UPDATE\n DELETE FROM delta.`/t`", "DELETE"),
        ("MERGE INTO delta.`/t` t USING (SELECT 1 id) s ON t.id = s.id", "MERGE"),
        ("CREATE TABLE delta.`/t` USING delta AS SELECT 1 AS a", "CREATE"),
        ("DESCRIBE HISTORY delta.`/t`", "DESCRIBE"),
        ("ALTER TABLE delta.`/t` ADD COLUMN c INT", "ALTER"),
        ("'SELECT'", ""),
    ],
)
def test_the_main_verb(sql: str, expected: str) -> None:
    assert verb(sql) == expected


def test_reads_stream_and_writes_count() -> None:
    assert is_read("WITH a AS (SELECT 1) SELECT * FROM a")
    assert not is_read("INSERT INTO delta.`/t` SELECT 1")
    assert counts_rows("CREATE TABLE delta.`/t` USING delta AS SELECT 1 a")
    assert not counts_rows("ALTER TABLE delta.`/t` DROP COLUMN c")


def test_the_written_table_is_the_first_named() -> None:
    assert target("INSERT INTO delta.`/a``b` SELECT * FROM delta.`/c`") == "`/a``b`"
    assert target("INSERT INTO t SELECT 1") is None


def test_counts_that_delta_tells_or_does_not_know() -> None:
    assert told_rows(pa.table({"num_affected_rows": [3], "num_updated_rows": [1]})) == 3
    assert told_rows(pa.table({"num_affected_rows": [-1]})) is None
    assert told_rows(pa.table({"id": [3]})) is None
    assert metric_rows({"numFiles": "2", "numOutputRows": "10"}) == 10
    assert metric_rows({"numFiles": "2"}) is None
