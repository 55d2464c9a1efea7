"""Text to statements: own syntax, positions, errors, what the relay may remember."""

import pytest

from catalog.errors import CharacterNotInRepertoire, SqlSyntaxError, StatementTooComplex
from catalog.names import Role, TableReference
from planner import parse
from planner.plan import Dialect
from planner.syntax import extract


def test_statements_have_their_places() -> None:
    text = "SELECT 1; -- one;\n INSERT INTO s.t SELECT * FROM u;;"
    first, second = parse(text, Dialect.POSTGRES)
    assert (first.text, first.offset, first.verb) == ("SELECT 1", 0, "Select")
    assert text[second.offset :].startswith(second.text)
    assert second.references == (
        TableReference("t", "s", role=Role.WRITE, position=text.index("s.t") + 1),
        TableReference("u", position=text.index("u;;") + 1),
    )


def test_equal_texts_are_parsed_once() -> None:
    assert parse("SELECT 1", Dialect.POSTGRES)[0] is parse("SELECT 1", Dialect.POSTGRES)[0]


def test_time_travel_is_blanked_in_place() -> None:
    text = 'SELECT \'FOR VERSION AS OF 9\' FROM "s"."T" FOR VERSION AS OF 3 x, /* FOR VERSION AS OF 8 */ u'
    (statement,) = parse(text, Dialect.POSTGRES)
    assert statement.describable is not None
    assert len(statement.describable) == len(text)
    assert [(r.name, r.version) for r in statement.references] == [("T", 3), ("u", None)]
    assert "'FOR VERSION AS OF 9'" in statement.describable


def test_table_options_are_cut_out_of_create_table_only() -> None:
    text = (
        "CREATE TABLE t (location text, a int) USING delta PARTITIONED BY (a, \"B\") TBLPROPERTIES ('delta.x' = 'y''z')"
    )
    (statement,) = parse(text, Dialect.POSTGRES)
    assert statement.options is not None
    assert statement.options.partitioned_by == ("a", "B")
    assert statement.options.properties == (("delta.x", "y'z"),)
    assert extract("SELECT a AS location FROM t JOIN u USING (delta)").text.endswith("USING (delta)")


def test_explain_route_belongs_to_the_statement_after_it() -> None:
    first, second = parse("SELECT 1; EXPLAIN (ROUTE) SELECT 2", Dialect.POSTGRES)
    assert (first.explain_route, second.explain_route) == (False, True)
    assert (second.text, second.describable) == ("SELECT 2", None)


@pytest.mark.parametrize(
    ("text", "message", "position"),
    [
        ("selec 1", 'syntax error at or near "selec"', 1),
        ("SELECT 'ü', FROM t", 'syntax error at or near "FROM"', 13),
        ("SELECT 'open", 'unterminated quoted string at or near "\'open"', 8),
        ("SELECT * FROM t FOR VERSION AS OF x", "FOR VERSION AS OF takes a whole number after a table name", 17),
    ],
)
def test_errors_are_postgres_own(text: str, message: str, position: int) -> None:
    with pytest.raises(SqlSyntaxError) as error:
        parse(text, Dialect.POSTGRES)
    assert (error.value.message, error.value.position) == (message, position)


@pytest.mark.parametrize(("text", "shown"), [(r"SELECT E'\xff'", ": 0xff"), ("SELECT '\ud800'", "")])
def test_what_is_no_utf8_is_refused(text: str, shown: str) -> None:
    with pytest.raises(CharacterNotInRepertoire) as error:
        parse(text, Dialect.POSTGRES)
    assert error.value.message == f'invalid byte sequence for encoding "UTF8"{shown}'


def test_deep_nesting_is_refused() -> None:
    with pytest.raises((StatementTooComplex, SqlSyntaxError)):
        parse("SELECT " + "(" * 50_000 + "1" + ")" * 50_000, Dialect.POSTGRES)


@pytest.mark.parametrize(
    ("text", "immutable"),
    [
        ("SELECT 1", True),
        ("SELECT $1::int + 2", True),
        ("SELECT now()", False),
        ("SELECT current_user", False),
        ("SELECT 'now'::timestamp", False),
        ("SELECT 1 FROM t", False),
        ("BEGIN", False),
    ],
)
def test_immutable_statements(text: str, immutable: bool) -> None:
    assert parse(text, Dialect.POSTGRES)[0].immutable is immutable


def test_what_ends_a_block() -> None:
    ends = [s.ends_block for s in parse("COMMIT; ROLLBACK; END; ABORT; ROLLBACK TO a", Dialect.POSTGRES)]
    assert ends == [True] * 5
    others = [s.ends_block for s in parse("BEGIN; SAVEPOINT a; RELEASE a; SELECT 1", Dialect.POSTGRES)]
    assert others == [False] * 4
