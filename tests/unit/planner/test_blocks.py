"""Ranges of `ctid`, by which clients split a table."""

import pytest

from catalog.errors import FeatureNotSupported
from planner.plan import Query
from tests.unit.planner.warehouse import ORDER_COLUMNS, planned


def query(condition: str, table: str = "orders o") -> str:
    found = planned(f"SELECT id, amount FROM {table} WHERE {condition}", ORDER_COLUMNS)
    assert isinstance(found, Query)
    return found.sql


def between(first: str, last: str) -> str:
    return f"ctid BETWEEN '({first})'::tid AND '({last})'::tid"


def test_every_row_is_in_one_of_the_ranges_that_make_up_a_table() -> None:
    assert query(between("0,0", "4294967295,0")).endswith("WHERE TRUE")
    ranges = [("0,0", "10,0"), ("10,0", "20,0"), ("20,0", "4294967295,0")]
    assert [query(between(*each)).rpartition(" ")[2] for each in ranges] == ["TRUE", "FALSE", "FALSE"]
    assert "(TRUE AND " in query(between("0,0", "1,0") + " AND id = 3")


@pytest.mark.parametrize(
    ("condition", "table"),
    [
        ("ctid = '(0,0)'::tid", "orders"),
        ("ctid > '(0,0)'::tid", "orders"),
        (between("0,1", "9,0"), "orders"),
        (between("0,0", "9,5"), "orders"),
        (f"o.{between('0,0', '9,0')}", "orders o"),
        (between("0,0", "9,0").replace("::tid", "::text"), "orders"),
        (between("0,0", "9,0"), "orders o JOIN items i USING (id, amount)"),
    ],
)
def test_nothing_else_is_known_of_it(condition: str, table: str) -> None:
    with pytest.raises(FeatureNotSupported, match='system column "ctid"'):
        query(condition, table)


def test_no_row_is_written_by_it() -> None:
    with pytest.raises(FeatureNotSupported, match='system column "ctid"'):
        planned(f"DELETE FROM orders WHERE {between('0,0', '9,0')}")
