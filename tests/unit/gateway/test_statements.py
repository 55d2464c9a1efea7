"""The prepared statements of a session: names, what is counted of their plans, and what is dropped."""

from dataclasses import replace

import pytest

from catalog.errors import DuplicatePreparedStatement, InvalidSqlStatementName, ProgramLimitExceeded
from catalog.types import Description, Oid
from gateway.portal import PreparedStatement
from gateway.statements import Statements

PLAIN = PreparedStatement(None)
TYPED = PreparedStatement(None, (), Description((Oid.INT4,), None))


def counts(statements: Statements) -> dict[str, tuple[int, int]]:
    return {name: (named.generic_plans, named.custom_plans) for name, named in statements.named()}


def test_names_are_new_and_not_too_many() -> None:
    statements = Statements(2)
    statements.store("a", PLAIN)
    with pytest.raises(DuplicatePreparedStatement, match='"a" already exists'):
        statements.store("a", TYPED, from_sql=True)
    statements.store("b", TYPED, from_sql=True)
    with pytest.raises(ProgramLimitExceeded):
        statements.store("c", PLAIN)
    statements.store("", PLAIN)
    statements.store("", TYPED)
    named = [replace(each, named=True) for each in (PLAIN, TYPED)]
    assert [statements.get(name) for name in ("a", "b", "")] == [*named, TYPED]


def test_what_is_dropped_is_gone() -> None:
    statements = Statements(9)
    for name in ("", "a", "b"):
        statements.store(name, PLAIN)
    before = statements.changes
    assert (statements.forget("a"), statements.forget("a")) == (True, False)
    statements.clear()
    assert statements.find("b") is None
    assert statements.get("") is PLAIN
    assert statements.changes == 0
    statements.store("b", PLAIN)
    assert statements.changes > before
    assert statements.forget("")
    with pytest.raises(InvalidSqlStatementName, match="unnamed prepared statement does not exist"):
        statements.get("")


def test_plans_are_counted_as_postgresql_makes_them() -> None:
    statements = Statements(9)
    statements.store("plain", PLAIN)
    statements.store("typed", TYPED)
    for _ in range(7):
        statements.count("plain", "auto")
        statements.count("typed", "auto")
    assert counts(statements) == {"plain": (7, 0), "typed": (2, 5)}
    statements.count("typed", "force_custom_plan")
    statements.count("typed", "force_generic_plan")
    statements.count("plain", "force_custom_plan")
    statements.count("", "auto")
    assert counts(statements) == {"plain": (8, 0), "typed": (3, 6)}
