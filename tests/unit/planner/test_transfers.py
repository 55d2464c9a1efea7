"""What of a statement that writes a temporary table is read in the lakehouse, and what is PostgreSQL's."""

import pytest

from catalog.errors import FeatureNotSupported
from planner.plan import Metadata, Pouring, Query, Transfer
from tests.unit.planner.warehouse import planned


def filled(text: str) -> tuple[str, list[str]]:
    """What PostgreSQL is sent, with ``<n>`` where rows are put in, and the queries that give these."""
    plan = planned(text)
    assert isinstance(plan, Transfer)
    sent = plan.text
    for number, pouring in sorted(enumerate(plan.pourings, 1), key=lambda pair: -pair[1].start):
        sent = f"{sent[: pouring.start]}<{number}>{sent[pouring.end :]}"
    return sent, [pouring.select for pouring in plan.pourings]


@pytest.mark.parametrize(
    ("text", "sent", "selects"),
    [
        ("CREATE TEMP TABLE t AS SELECT id FROM orders", "CREATE TEMP TABLE t AS <1>", ["SELECT id FROM orders"]),
        (
            "CREATE TEMP TABLE t (a) WITH (fillfactor = 70) ON COMMIT DROP AS (SELECT 'AS' FROM orders) WITH DATA",
            "CREATE TEMP TABLE t (a) WITH (fillfactor = 70) ON COMMIT DROP AS <1> WITH DATA",
            ["(SELECT 'AS' FROM orders)"],
        ),
        (
            "CREATE TEMP TABLE t AS SELECT id FROM orders FOR VERSION AS OF 3",
            "CREATE TEMP TABLE t AS <1>",
            ["SELECT id FROM orders FOR VERSION AS OF 3"],
        ),
        (
            'SELECT id, (SELECT 1) AS b INTO LOCAL TEMPORARY TABLE "T x" FROM orders',
            'CREATE TEMP TABLE "T x" AS <1>',
            ["SELECT id, (SELECT 1) AS b  FROM orders"],
        ),
        ("INSERT INTO t SELECT * FROM orders", "INSERT INTO t <1>", ["SELECT * FROM orders"]),
        (
            "INSERT INTO pg_temp.t AS x (a, b) OVERRIDING USER VALUE (SELECT id, 1 FROM orders o JOIN items i ON true)"
            " ON CONFLICT (a) DO NOTHING RETURNING a",
            "INSERT INTO pg_temp.t AS x (a, b) OVERRIDING USER VALUE <1> ON CONFLICT (a) DO NOTHING RETURNING a",
            ["(SELECT id, 1 FROM orders o JOIN items i ON true)"],
        ),
        (
            "WITH q AS (SELECT id FROM orders) INSERT INTO t (a) SELECT id FROM q"
            " RETURNING (SELECT max(id) FROM items)",
            "INSERT INTO t (a) <1> RETURNING (SELECT max(id) FROM <2>)",
            ["WITH q AS (SELECT id FROM orders) SELECT id FROM q", 'SELECT "id" FROM items'],
        ),
        (
            "SELECT id INTO TEMP t -- of\nFROM orders -- all",
            "CREATE TEMP TABLE t AS <1>",
            ["SELECT id  -- of\nFROM orders"],
        ),
        (
            "INSERT INTO t VALUES ('x', DEFAULT, (SELECT max(id) FROM orders, items)), (ARRAY(SELECT 1), (SELECT 2))",
            "INSERT INTO t VALUES ('x', DEFAULT, <1>), (ARRAY(SELECT 1), (SELECT 2))",
            ["(SELECT max(id) FROM orders, items)"],
        ),
        (
            "WITH q AS (SELECT id FROM orders) INSERT INTO t VALUES (1, (SELECT max(id) FROM q))",
            "WITH q AS (SELECT id FROM <1>) INSERT INTO t VALUES (1, (SELECT max(id) FROM q))",
            ['SELECT "id" FROM orders'],
        ),
        (
            "WITH q AS (SELECT id FROM orders) INSERT INTO t WITH r AS (SELECT id FROM q) SELECT id FROM r",
            "WITH q AS (SELECT id FROM <1>) INSERT INTO t WITH r AS (SELECT id FROM q) SELECT id FROM r",
            ['SELECT "id" FROM orders'],
        ),
        (
            "WITH q AS (SELECT 1) INSERT INTO t SELECT 1 FROM q RETURNING (SELECT count(*) FROM orders)",
            "WITH q AS (SELECT 1) INSERT INTO t SELECT 1 FROM q RETURNING (SELECT count(*) FROM <1>)",
            ["SELECT 1 FROM orders"],
        ),
        (
            "INSERT INTO t VALUES (1) RETURNING (SELECT count(*) FROM orders)",
            "INSERT INTO t VALUES (1) RETURNING (SELECT count(*) FROM <1>)",
            ["SELECT 1 FROM orders"],
        ),
        (
            "UPDATE t SET a = o.amount FROM shop.orders o WHERE o.id = t.id",
            "UPDATE t SET a = o.amount FROM <1> o WHERE o.id = t.id",
            ['SELECT "id", "amount" FROM shop.orders'],
        ),
        (
            "DELETE FROM t USING orders FOR VERSION AS OF 2 WHERE orders.id = t.id",
            "DELETE FROM t USING <1>                     WHERE orders.id = t.id",
            ['SELECT "id" FROM orders FOR VERSION AS OF 2'],
        ),
    ],
)
def test_sources(text: str, sent: str, selects: list[str]) -> None:
    assert filled(text) == (sent, selects)


def test_constants_stay_where_their_type_is_known() -> None:
    plan = planned("INSERT INTO t SELECT 'a''b', *, NULL, $1, 7 FROM orders")
    assert isinstance(plan, Transfer)
    assert plan.pourings[0].constants == ((0, "'a''b'"), (-3, "NULL"), (-2, "$1"))


def test_aliases() -> None:
    plan = planned("DELETE FROM t USING orders, items i WHERE orders.id = t.id AND i.id = t.id")
    assert isinstance(plan, Transfer)
    assert [pouring.alias for pouring in plan.pourings] == ["orders", ""]
    assert all(isinstance(pouring, Pouring) for pouring in plan.pourings)


def test_a_definition_without_rows_is_postgresqls() -> None:
    text = "CREATE TEMP TABLE orders AS SELECT id FROM shop.orders WITH NO DATA"
    assert planned(text) == Metadata(text)


def test_a_temporary_table_may_be_called_as_one_of_the_lakehouse() -> None:
    text = "CREATE TEMP TABLE orders (id int)"
    assert planned(text) == Metadata(text)


def test_what_writes_the_lakehouse_is_none() -> None:
    assert isinstance(planned("INSERT INTO orders (id) SELECT id FROM items"), Query)


def test_routes_are_told_of_queries_only() -> None:
    with pytest.raises(FeatureNotSupported, match="does not take"):
        pytest.fail(str(planned("EXPLAIN (ROUTE) INSERT INTO t SELECT id FROM orders")))
