"""What EXPLAIN is asked for, and what an EXECUTE that stands in another statement is."""

import pytest

from catalog.errors import FeatureNotSupported
from planner.plan import Execute, Explain, Metadata
from tests.unit.planner.warehouse import planned


def explained(text: str) -> Explain:
    plan = planned(text)
    assert isinstance(plan, Explain)
    return plan


def test_options_say_what_is_told() -> None:
    plain = explained("EXPLAIN SELECT * FROM orders")
    assert (plain.prefix, plain.query.text) == ("EXPLAIN ", "SELECT * FROM orders")
    assert (plain.costs, plain.analyze, plain.timing, plain.summary, plain.json) == (True, False, False, False, False)
    old = explained("EXPLAIN ANALYZE VERBOSE (SELECT * FROM orders)")
    assert (old.analyze, old.verbose, old.timing, old.summary) == (True, True, True, True)
    assert old.query.text.strip() == "(SELECT * FROM orders)"
    listed = explained("EXPLAIN (ANALYZE, COSTS off, TIMING 0, SUMMARY false, FORMAT json, SERIALIZE) TABLE orders")
    assert (listed.costs, listed.timing, listed.summary, listed.json, listed.serialize) == (
        False,
        False,
        False,
        True,
        "text",
    )
    assert explained("EXPLAIN (ANALYZE, ANALYZE off) TABLE orders").analyze is False


@pytest.mark.parametrize("text", ["FORMAT xml", "FORMAT yaml", "MEMORY", "GENERIC_PLAN"])
def test_what_cannot_be_told_is_refused(text: str) -> None:
    with pytest.raises(FeatureNotSupported, match=r"(?i)explain"):
        planned(f"EXPLAIN ({text}) SELECT * FROM orders")


def test_postgresql_explains_the_rest() -> None:
    assert planned("EXPLAIN (FORMAT xml) SELECT 1") == Metadata("EXPLAIN (FORMAT xml) SELECT 1")
    assert planned("EXPLAIN (SELECT 1)") == Metadata("EXPLAIN (SELECT 1)")


def test_tables_are_created_from_what_an_execute_stands_for() -> None:
    plan = planned("CREATE TEMP TABLE execute AS EXECUTE p (1, (2)) WITH NO DATA")
    around = ("CREATE TEMP TABLE execute AS ", " WITH NO DATA")
    assert plan == Execute("p", 2, Metadata("(1, (2))"), 39, around)
    plan = planned("CREATE TABLE t AS EXECUTE p")
    assert isinstance(plan, Execute)
    assert plan.around == ("CREATE TABLE t AS ", "")
