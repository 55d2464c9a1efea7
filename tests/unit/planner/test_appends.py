"""Which writes the gateway carries out itself, and which it leaves to Spark."""

from dataclasses import replace
from typing import Any

import pytest

from catalog.changes import RegisterTable
from catalog.errors import FeatureNotSupported, UndefinedColumn
from catalog.names import TableName
from catalog.snapshots import Log, Snapshot, SnapshotColumn
from planner.newtables import NEW
from planner.plan import Lane, Query, Settings
from planner.puts import Put
from tests.unit.planner.warehouse import ITEMS, SNAPSHOTS, changed, planned

PLAIN = SNAPSHOTS["items"]
ID = PLAIN.columns[0]


def write(text: str, settings: Settings | None = None, **tables: Any) -> Query:
    query = planned(text, settings=settings, **tables)
    assert isinstance(query, Query)
    return query


def with_log(**fields: Any) -> Snapshot:
    return changed("items", log=Log(**fields))


def test_an_insert_gives_all_columns_in_their_order() -> None:
    query = write("INSERT INTO items (amount) VALUES ('2.5'), (NULL)")
    assert (query.lane, query.tag, query.writes) == (Lane.DUCKDB, "INSERT 0", ITEMS)
    assert query.put == Put(PLAIN)
    assert query.sql == (
        'SELECT CAST(NULL AS BIGINT) AS "id", q.c0 AS "amount" FROM '
        '(SELECT CAST(2.5 AS DECIMAL(15,2)) AS "c0" UNION ALL SELECT CAST(NULL AS DECIMAL(15,2)) AS "c0") AS q'
    )


def test_an_insert_of_a_query_scans_its_tables() -> None:
    query = write("INSERT INTO items SELECT id, amount FROM orders WHERE id < 100")
    (scan,) = query.scans
    assert [file.path for file in scan.files] == ["/lake/orders/0.parquet"]


@pytest.mark.parametrize(
    "table",
    [
        changed("items", partition_columns=("id",)),
        changed("items", location="s3://lake/items"),
        changed("items", columns=(replace(ID, generation="1 + 1"),)),
        changed("items", columns=(replace(ID, has_invariant=True),)),
        changed("items", columns=(SnapshotColumn("id", "id", "byte", True),)),
        changed("items", columns=(SnapshotColumn("id", "id", "char(3)", True),)),
        changed("items", columns=(SnapshotColumn("id", "id", '{"type":"struct","fields":[]}', True),)),
        with_log(features=frozenset({"rowTracking"})),
        with_log(writer_version=8),
        with_log(properties={"delta.constraints.positive": "id > 0"}),
        with_log(properties={"delta.columnMapping.mode": "name"}),
        with_log(properties={"delta.enableInCommitTimestamps": "true"}),
    ],
)
def test_tables_that_ask_more_of_a_writer(table: Snapshot) -> None:
    with pytest.raises(FeatureNotSupported, match="the DuckDB lane cannot run this statement"):
        write("INSERT INTO items (id) VALUES (1)", Settings(lane=Lane.DUCKDB), items=table)


def test_features_that_are_not_in_use() -> None:
    table = with_log(
        writer_version=7,
        features=frozenset({"appendOnly", "invariants", "changeDataFeed", "deletionVectors", "columnMapping"}),
        properties={"delta.enableRowTracking": "false", "delta.enableChangeDataFeed": "true"},
    )
    assert write("INSERT INTO items VALUES (1)", items=table).lane is Lane.DUCKDB


def test_a_table_that_is_read_is_written_for_what_it_is_then() -> None:
    query = write("INSERT INTO items SELECT id + 1, amount FROM items")
    assert (query.put, query.reads) == (Put(PLAIN, takes=()), ((ITEMS, PLAIN.version),))
    assert query.sql.startswith("SELECT *, TRUE FROM (")


def test_what_is_sparks() -> None:
    assert write("INSERT INTO items VALUES (1, 2)", Settings(lane=Lane.SPARK)).lane is Lane.SPARK
    large = changed("orders", files=SNAPSHOTS["orders"].files.set_column(1, "size_bytes", [[2**30] * 4]))
    assert write("INSERT INTO items SELECT id, amount FROM orders", orders=large).lane is Lane.SPARK


def test_what_no_lane_takes() -> None:
    with pytest.raises(FeatureNotSupported, match="RETURNING"):
        write("INSERT INTO items VALUES (1, 2) RETURNING id")
    with pytest.raises(UndefinedColumn):
        write("INSERT INTO items (nothing) VALUES (1)")


def test_a_table_is_made() -> None:
    query = write("CREATE TABLE t (a int NOT NULL, b varchar(5), c timestamp[]) USING delta PARTITIONED BY (a)")
    assert query.put is not None
    made = query.put.table
    assert (made.version, made.location, made.partition_columns) == (NEW, "/lake/fresh", ("a",))
    array = '{"type": "array", "elementType": "timestamp_ntz", "containsNull": true}'
    assert [(column.name, column.delta_type, column.nullable) for column in made.columns] == [
        ("a", "integer", False),
        ("b", "varchar(5)", True),
        ("c", array, True),
    ]
    assert (query.sql, query.tag) == ("", "CREATE TABLE")
    assert query.then == RegisterTable(TableName("shop", "t"), "/lake/fresh")


def test_a_table_is_made_of_rows() -> None:
    query = write("CREATE TABLE t USING delta AS SELECT id, note AS word, amount * 2 AS twice, 'x' AS x FROM orders")
    assert query.put is not None
    made = query.put.table
    assert [(column.name, column.delta_type) for column in made.columns] == [
        ("id", "long"),
        ("word", "string"),
        ("twice", "decimal(25,2)"),
        ("x", "string"),
    ]
    assert (query.tag, query.location, query.lane) == ("SELECT", "/lake/fresh", Lane.DUCKDB)


@pytest.mark.parametrize(
    "text",
    [
        "CREATE TABLE t (a int, b text) USING delta TBLPROPERTIES ('delta.appendOnly' = 'true')",
        "CREATE TABLE t (a int) USING delta PARTITIONED BY (a)",
        'CREATE TABLE t (a int, "A" int)',
        'CREATE TABLE t ("a b" int)',
        "CREATE TABLE t USING delta PARTITIONED BY (id) AS SELECT id, note FROM orders",
    ],
)
def test_tables_that_spark_makes(text: str) -> None:
    assert write(text).lane is Lane.SPARK
    with pytest.raises(FeatureNotSupported):
        write(text, Settings(lane=Lane.DUCKDB))
