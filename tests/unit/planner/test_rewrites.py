"""Which UPDATEs, DELETEs and TRUNCATEs the gateway carries out itself, and which it leaves to Spark."""

import pytest

from catalog.errors import FeatureNotSupported
from catalog.snapshots import Log
from planner.plan import Lane, Settings
from planner.puts import Put
from tests.unit.planner.test_appends import PLAIN, write
from tests.unit.planner.warehouse import ITEMS, SNAPSHOTS, changed

FILES = tuple(SNAPSHOTS["items"].files.column("path").to_pylist())
HERE = Settings(lane=Lane.DUCKDB)


def test_an_update_gives_all_rows_and_which_were_met() -> None:
    query = write("UPDATE items AS i SET amount = amount * 2 WHERE i.id = 1 OR amount IS NULL")
    assert (query.lane, query.tag, query.writes, query.reads) == (Lane.DUCKDB, "UPDATE", ITEMS, ())
    assert query.put == Put(PLAIN, FILES)
    changed_amount = 'CASE WHEN t1.met THEN CAST((t1."amount" * 2) AS DECIMAL(15,2)) ELSE t1."amount" END AS "amount"'
    met = 'coalesce(((t1."id" = 1) OR (t1."amount" IS NULL)), FALSE) AS met'
    assert query.sql == (
        f'SELECT t1."id" AS "id", {changed_amount}, t1.met FROM (SELECT *, {met} FROM scan_0 AS t1) AS t1'
    )


def test_a_delete_keeps_the_others() -> None:
    query = write("DELETE FROM items")
    assert query.put == Put(PLAIN, FILES, keeps=False)
    assert "coalesce(TRUE, FALSE) AS met" in query.sql


def test_sub_selects_in_set_are_for_rows_that_are_met() -> None:
    query = write("UPDATE items SET amount = (SELECT max(id) FROM orders) WHERE id = 1")
    assert query.sql.startswith("WITH seen AS MATERIALIZED (SELECT *, coalesce(")
    assert query.sql.endswith("FROM seen AS t1 WHERE t1.met UNION ALL SELECT * FROM seen WHERE NOT met")


def test_files_without_such_rows_stay() -> None:
    orders = changed("orders", partition_columns=())
    some, none = (write(f"DELETE FROM orders WHERE id = {number}", orders=orders).put for number in (150, -5))
    assert some is not None
    assert some.takes == ("/lake/orders/1.parquet",)
    assert none is not None
    assert none.takes == ()
    assert write("DELETE FROM orders WHERE id = -5", orders=orders).sql == ""


def test_sub_selects_read_other_tables() -> None:
    query = write("DELETE FROM items WHERE id IN (SELECT id FROM orders) OR id = (SELECT max(id) FROM items)")
    assert query.lane is Lane.DUCKDB
    assert [scan.relation for scan in query.scans] == ["scan_0", "scan_1", "scan_2"]
    assert [name.name for name, _ in query.reads] == ["orders", "items"]


def test_a_column_may_have_any_name() -> None:
    columns = (*PLAIN.columns, type(PLAIN.columns[0])("MET", "MET", "string", True))
    query = write("DELETE FROM items WHERE id = 1", items=changed("items", columns=columns))
    assert "AS met_ FROM" in query.sql


def test_truncate_sees_nothing() -> None:
    query = write("TRUNCATE items")
    assert (query.sql, query.tag, query.put) == ("", "TRUNCATE TABLE", Put(PLAIN, FILES, keeps=False))


@pytest.mark.parametrize(
    "properties",
    [
        {"delta.appendOnly": "true"},
        {"delta.enableChangeDataFeed": "true"},
        {"delta.enableDeletionVectors": "true"},
        {"delta.constraints.c": "id > 0"},
    ],
)
def test_tables_that_ask_more_of_who_changes_rows(properties: dict[str, str]) -> None:
    table = changed("items", log=Log(properties=properties))
    for text in ("UPDATE items SET id = 1", "DELETE FROM items WHERE id = 1", "TRUNCATE items"):
        assert write(text, items=table).lane is Lane.SPARK
        with pytest.raises(FeatureNotSupported, match="the DuckDB lane cannot run this statement: table items has"):
            write(text, HERE, items=table)


def test_rows_that_vectors_delete_are_sparks_to_leave_out() -> None:
    table = changed("items", has_deletion_vectors=True)
    for text in ("UPDATE items SET id = 1", "DELETE FROM items", "TRUNCATE items"):
        assert write(text, items=table).lane is Lane.SPARK


@pytest.mark.parametrize(
    "text",
    [
        "UPDATE items SET amount = o.amount FROM orders o WHERE o.id = items.id",
        "DELETE FROM items USING orders o WHERE o.id = items.id",
        "MERGE INTO items USING orders o ON o.id = items.id WHEN MATCHED THEN DELETE",
    ],
)
def test_what_is_matched_is_sparks(text: str) -> None:
    assert write(text).lane is Lane.SPARK


def test_large_tables_are_sparks() -> None:
    large = changed("items", files=PLAIN.files.set_column(1, "size_bytes", [[2**25]]))
    assert write("DELETE FROM items WHERE id = 1", items=large).lane is Lane.SPARK
    forced = write("DELETE FROM items WHERE id = 1", HERE, items=large)
    assert forced.put is not None
