"""Keys of tables, and SELECTs of set_config(), from their text to their plan."""

import pytest

from catalog.changes import AddKey, DropKey, Key, RegisterTable
from catalog.errors import FeatureNotSupported, InsufficientPrivilege
from catalog.names import TableName
from planner.elements import NOT_ENFORCED
from planner.plan import Assignment, CatalogChange, Metadata, Plan, Query
from tests.unit.planner.warehouse import ITEMS, ORDERS, planned

PLANS: dict[str, Plan] = {
    "ALTER TABLE orders ADD PRIMARY KEY (id, day)": CatalogChange(
        AddKey(ORDERS, Key(None, ("id", "day"))), "ALTER TABLE", (NOT_ENFORCED,)
    ),
    "ALTER TABLE orders ADD CONSTRAINT i FOREIGN KEY (id) REFERENCES shop.items (id)": CatalogChange(
        AddKey(ORDERS, Key("i", ("id",), ITEMS, ("id",))), "ALTER TABLE", (NOT_ENFORCED,)
    ),
    "ALTER TABLE orders ADD FOREIGN KEY (id) REFERENCES items": CatalogChange(
        AddKey(ORDERS, Key(None, ("id",), ITEMS)), "ALTER TABLE", (NOT_ENFORCED,)
    ),
    "ALTER TABLE orders ADD FOREIGN KEY (id) REFERENCES other.absent": CatalogChange(
        AddKey(ORDERS, Key(None, ("id",), TableName("other", "absent"))), "ALTER TABLE", (NOT_ENFORCED,)
    ),
    "ALTER TABLE orders DROP CONSTRAINT IF EXISTS i CASCADE": CatalogChange(
        DropKey(ORDERS, "i", True, True), "ALTER TABLE"
    ),
}
ASSIGNED = {
    "SELECT set_config('DateStyle', 'ISO', false)": (Assignment("DateStyle", False),),
    "SELECT pg_catalog.set_config('work_mem', '4MB', true) AS name": (Assignment("work_mem", True),),
    "SELECT set_config('work_mem', '1MB', false), set_config('jit', 'off', true)": (
        Assignment("work_mem", False),
        Assignment("jit", True),
    ),
    "SELECT set_config('bytea_output', 'hex', false) FROM pg_show_all_settings() WHERE name = 'bytea_output'": (
        Assignment("bytea_output", False),
    ),
    "WITH w AS (SELECT 1) SELECT set_config('work_mem', '1MB', false) FROM w LIMIT 0": (Assignment("work_mem", False),),
    "SELECT current_setting('jit') AS cur, set_config('jit', 'off', false) AS new": (Assignment("jit", False),),
}
REFUSED = (
    "ALTER TABLE orders ADD UNIQUE (id)",
    "ALTER TABLE orders ADD CHECK (id > 0)",
    "ALTER TABLE orders ADD FOREIGN KEY (id) REFERENCES items ON UPDATE CASCADE",
    "ALTER TABLE orders ADD PRIMARY KEY (id) INCLUDE (day)",
    "ALTER TABLE orders ADD PRIMARY KEY (id) DEFERRABLE",
    "ALTER TABLE orders ADD PRIMARY KEY USING INDEX i",
    "ALTER TABLE orders ADD COLUMN n bigint NOT NULL",
    "CREATE TABLE t (a int UNIQUE)",
    "CREATE TABLE t (a int DEFAULT 1)",
    "CREATE TABLE t (a int, EXCLUDE (a WITH =))",
    "CREATE TABLE t (LIKE orders)",
    "SELECT set_config(lower('A'), '1MB', false)",
)


@pytest.mark.parametrize("text", PLANS)
def test_plan(text: str) -> None:
    assert planned(text) == PLANS[text]


@pytest.mark.parametrize("text", ASSIGNED)
def test_settings_that_postgresql_sets(text: str) -> None:
    relayed = planned(text)
    assert isinstance(relayed, Metadata)
    assert relayed.assigns == ASSIGNED[text]


@pytest.mark.parametrize("text", REFUSED)
def test_refused(text: str) -> None:
    with pytest.raises(FeatureNotSupported):
        planned(text)


def test_keys_of_a_new_table() -> None:
    made = planned(
        "CREATE TABLE t (a int PRIMARY KEY, b int REFERENCES items, c text, FOREIGN KEY (c) REFERENCES items)"
    )
    assert isinstance(made, Query)
    assert made.put is not None
    assert [(column.name, column.nullable) for column in made.put.table.columns] == [
        ("a", False),
        ("b", True),
        ("c", True),
    ]
    keys = (Key(None, ("a",)), Key(None, ("b",), ITEMS), Key(None, ("c",), ITEMS))
    assert made.then == RegisterTable(TableName("shop", "t"), "/lake/fresh", keys)
    assert made.remarks == (NOT_ENFORCED,)


def test_only_owners_make_keys() -> None:
    with pytest.raises(InsufficientPrivilege):
        planned("ALTER TABLE orders ADD PRIMARY KEY (id)", admin=False)
