"""ALTER TABLE of columns, from its text to its plan."""

from dataclasses import replace

import pytest

from catalog.alteration import Alteration
from catalog.changes import SyncTable
from catalog.errors import DuplicateColumn, FeatureNotSupported, ProgramLimitExceeded, SqlError, UndefinedColumn
from catalog.snapshots import Log, SnapshotColumn
from planner.plan import Constant, Lane, Query
from planner.puts import Put
from tests.unit.planner.warehouse import ITEMS, ORDERS, SNAPSHOTS, planned

ALTERED = {
    "ADD COLUMN x bigint": "ADD COLUMNS (`x` BIGINT)",
    "ADD x int, ADD COLUMN IF NOT EXISTS y varchar(5)": "ADD COLUMNS (`x` INT, `y` VARCHAR(5))",
    "DROP COLUMN id, DROP COLUMN IF EXISTS note CASCADE": "DROP COLUMNS (`id`, `note`)",
    "RENAME id TO number": "RENAME COLUMN `id` TO `number`",
}
SKIPPED = {
    "ADD COLUMN IF NOT EXISTS id int": [("42701", 'column "id" of relation "orders" already exists, skipping')],
    "DROP COLUMN IF EXISTS a, DROP IF EXISTS b": [
        ("00000", f'column "{name}" of relation "orders" does not exist, skipping') for name in "ab"
    ],
}
_NAMED = Log(properties={"delta.columnMapping.mode": "name"}, features=frozenset({"columnMapping"}))
MAPPED = replace(SNAPSHOTS["orders"], reader_features=frozenset({"columnMapping"}), log=_NAMED)
HERE = {
    "ADD COLUMN a int, ADD b varchar(3)": Alteration(
        added=(SnapshotColumn("a", "a", "integer", True), SnapshotColumn("b", "b", "varchar(3)", True))
    ),
    "DROP COLUMN amount": Alteration(dropped=("amount",)),
    "RENAME amount TO price": Alteration(renamed=("amount", "price")),
}
REFUSED: dict[str, type[SqlError]] = {
    "ADD COLUMN id int": DuplicateColumn,
    "ADD COLUMN x int, ADD COLUMN x int": DuplicateColumn,
    "ADD COLUMN xmin int": DuplicateColumn,
    "RENAME COLUMN id TO note": DuplicateColumn,
    "RENAME COLUMN id TO tableoid": DuplicateColumn,
    "RENAME COLUMN x TO y": UndefinedColumn,
    "DROP COLUMN x": UndefinedColumn,
    "DROP COLUMN id, DROP COLUMN id": UndefinedColumn,
    "DROP COLUMN id": FeatureNotSupported,
    "RENAME COLUMN id TO x": FeatureNotSupported,
    "ADD COLUMN x int, DROP COLUMN id": FeatureNotSupported,
    "ADD COLUMN x int NOT NULL": FeatureNotSupported,
    ", ".join(f"ADD COLUMN x{number} int" for number in range(1600)): ProgramLimitExceeded,
}


@pytest.mark.parametrize("action", ALTERED)
def test_columns_are_changed_by_spark_by_path(action: str) -> None:
    query = planned(f"ALTER TABLE orders {action}", orders=MAPPED)
    assert isinstance(query, Query)
    assert query.sql == f"ALTER TABLE delta.`/lake/orders` {ALTERED[action]}"
    assert (query.writes, query.then, query.location, query.tag) == (ORDERS, SyncTable(ORDERS), None, "ALTER TABLE")


def test_a_table_is_made_ready_for_local_timestamps() -> None:
    query = planned("ALTER TABLE orders ADD COLUMN a timestamp[], ADD COLUMN b int")
    assert isinstance(query, Query)
    assert (
        query.before
        == "ALTER TABLE delta.`/lake/orders` SET TBLPROPERTIES ('delta.feature.timestampNtz' = 'supported')"
    )
    ready = replace(SNAPSHOTS["orders"], reader_features=frozenset({"timestampNtz"}))
    query = planned("ALTER TABLE orders ADD COLUMN a timestamp", orders=ready)
    assert isinstance(query, Query)
    assert query.before is None


@pytest.mark.parametrize("action", HERE)
def test_columns_of_plain_tables_are_changed_by_the_gateway(action: str) -> None:
    plain = SNAPSHOTS["items"] if HERE[action].added else replace(SNAPSHOTS["items"], log=_NAMED)
    query = planned(f"ALTER TABLE items {action}", items=plain)
    assert isinstance(query, Query)
    assert (query.lane, query.put, query.then) == (Lane.DUCKDB, Put(plain, alters=HERE[action]), SyncTable(ITEMS))


@pytest.mark.parametrize("action", ["ADD COLUMN a int", "DROP COLUMN amount", "RENAME amount TO price"])
def test_what_a_mapped_table_asks_more_is_sparks(action: str) -> None:
    properties = {**_NAMED.properties, "delta.dataSkippingStatsColumns": "amount"}
    mapped = replace(SNAPSHOTS["items"], log=replace(_NAMED, properties=properties))
    query = planned(f"ALTER TABLE items {action}", items=mapped)
    assert isinstance(query, Query)
    assert query.lane is Lane.SPARK


@pytest.mark.parametrize("action", ["DROP COLUMN amount", "RENAME amount TO price"])
def test_a_table_that_maps_nothing_any_more(action: str) -> None:
    log = replace(_NAMED, properties={"delta.columnMapping.mode": "none"})
    table = replace(SNAPSHOTS["items"], reader_features=frozenset({"columnMapping"}), log=log)
    with pytest.raises(FeatureNotSupported, match="it has no column mapping"):
        planned(f"ALTER TABLE items {action}", items=table)


@pytest.mark.parametrize("action", SKIPPED)
def test_what_is_so_already_is_said(action: str) -> None:
    answer = planned(f"ALTER TABLE orders {action}")
    assert isinstance(answer, Constant)
    assert [(remark.sqlstate, remark.message) for remark in answer.remarks] == SKIPPED[action]


@pytest.mark.parametrize("action", REFUSED)
def test_refusals(action: str) -> None:
    with pytest.raises(REFUSED[action]):
        planned(f"ALTER TABLE orders {action}")
