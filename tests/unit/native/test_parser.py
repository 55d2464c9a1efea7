"""PostgreSQL's parser as the planner sees it: statements, what they name, errors, and input that means harm."""

import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from lakegate_native import SqlParseError, parse_statements, split_statements


def relations(sql: str) -> list[tuple[str, str]]:
    """(role, dotted name) of every relation of a text's statements."""
    return [
        (relation.role, ".".join(part for part in (relation.catalog, relation.schema, relation.name) if part))
        for statement in parse_statements(sql)
        for relation in statement.relations
    ]


@pytest.mark.parametrize(
    ("sql", "node", "expected"),
    [
        ("SELECT * FROM a.b c, (SELECT 1 FROM d) e", "SelectStmt", [("read", "a.b"), ("read", "d")]),
        ("SELECT * FROM x.y.z JOIN w ON true", "SelectStmt", [("read", "x.y.z"), ("read", "w")]),
        ("SELECT (SELECT 1 FROM t) FROM u WHERE EXISTS (SELECT 1 FROM v)", "SelectStmt", [("read", n) for n in "tuv"]),
        ("TABLE t", "SelectStmt", [("read", "t")]),
        ("SELECT * FROM ONLY (t) TABLESAMPLE system (1)", "SelectStmt", [("read", "t")]),
        ("SELECT * FROM a UNION SELECT * FROM b EXCEPT SELECT * FROM c", "SelectStmt", [("read", n) for n in "abc"]),
        ("SELECT 1 FROM t FOR UPDATE OF t", "SelectStmt", [("read", "t")]),
        ("SELECT * INTO n FROM m", "SelectStmt", [("create", "n"), ("read", "m")]),
        ("INSERT INTO t SELECT * FROM u", "InsertStmt", [("write", "t"), ("read", "u")]),
        ("UPDATE t SET a = (SELECT 1 FROM v) FROM u", "UpdateStmt", [("write", "t"), ("read", "v"), ("read", "u")]),
        ("DELETE FROM t USING u", "DeleteStmt", [("write", "t"), ("read", "u")]),
        ("MERGE INTO t USING s ON true WHEN MATCHED THEN DELETE", "MergeStmt", [("write", "t"), ("read", "s")]),
        ("TRUNCATE a, b", "TruncateStmt", [("write", "a"), ("write", "b")]),
        ("COPY t FROM STDIN", "CopyStmt", [("write", "t")]),
        ("COPY t TO STDOUT", "CopyStmt", [("read", "t")]),
        ("COPY (SELECT * FROM t) TO STDOUT", "CopyStmt", [("read", "t")]),
        ("EXPLAIN ANALYZE SELECT * FROM t", "ExplainStmt", [("read", "t")]),
        ("PREPARE p AS DELETE FROM t USING u", "PrepareStmt", [("write", "t"), ("read", "u")]),
        ("DECLARE c CURSOR FOR SELECT * FROM t", "DeclareCursorStmt", [("read", "t")]),
        ("CREATE TEMP TABLE z ON COMMIT DROP AS TABLE q", "CreateTableAsStmt", [("create", "z"), ("read", "q")]),
        ("CREATE TABLE x (LIKE y)", "CreateStmt", [("create", "x"), ("object", "y")]),
        ("CREATE VIEW v AS SELECT * FROM t", "ViewStmt", [("create", "v"), ("read", "t")]),
        ("CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT a FROM t; END", "CreateFunctionStmt", [("read", "t")]),
        ("DROP TABLE a.b, c", "DropStmt", [("object", "a.b"), ("object", "c")]),
        ("DROP SCHEMA s", "DropStmt", []),
        ("COMMENT ON COLUMN a.b.c IS 'x'", "CommentStmt", [("object", "a.b")]),
        ("ALTER TABLE s.t ADD c int", "AlterTableStmt", [("object", "s.t")]),
        ("GRANT SELECT ON t, s.u TO r", "GrantStmt", [("object", "t"), ("object", "s.u")]),
        ("LOCK TABLE t", "LockStmt", [("object", "t")]),
        ("SHOW TimeZone", "VariableShowStmt", []),
        ('SELECT * FROM "Ä b"."c.d"', "SelectStmt", [("read", "Ä b.c.d")]),
        ('SELECT * FROM U&"\\0061bc"', "SelectStmt", [("read", "abc")]),
    ],
)
def test_relations_are_found_wherever_they_hide(sql: str, node: str, expected: list[tuple[str, str]]) -> None:
    (statement,) = parse_statements(sql)
    assert statement.node == node
    assert sorted(relations(sql)) == sorted(expected)


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("WITH x AS (SELECT * FROM y) SELECT * FROM x", ["y"]),
        ("WITH x AS (SELECT * FROM x) SELECT * FROM x", ["x"]),
        ("WITH RECURSIVE x AS (SELECT * FROM x) SELECT * FROM x", []),
        ("WITH x AS (SELECT * FROM y), y AS (SELECT * FROM x) SELECT * FROM y", ["y"]),
        ("WITH RECURSIVE x AS (SELECT * FROM y), y AS (SELECT 1) SELECT * FROM x, y", []),
        ("WITH x AS (SELECT 1) SELECT * FROM s.x, x", ["s.x"]),
        ("SELECT * FROM (WITH x AS (SELECT 1) SELECT * FROM x) q, x", ["x"]),
        ("WITH x AS (SELECT 1) SELECT (SELECT count(*) FROM x) FROM (SELECT * FROM x) q", []),
        ("WITH x AS (SELECT 1) SELECT * FROM x UNION SELECT * FROM x", []),
        ("WITH x AS (WITH y AS (SELECT 1) SELECT * FROM y, z) SELECT * FROM x, y", ["z", "y"]),
        ("WITH x AS (SELECT 1) INSERT INTO x SELECT * FROM x", ["x"]),
        ("WITH x AS (SELECT 1) UPDATE x SET a = 1 FROM x AS z", ["x"]),
        ("WITH x AS (DELETE FROM t RETURNING *) SELECT * FROM x", ["t"]),
        ("WITH x AS (SELECT 1) MERGE INTO x USING x AS s ON true WHEN MATCHED THEN DELETE", ["x"]),
        ("PREPARE p AS WITH x AS (SELECT 1) SELECT * FROM x, t", ["t"]),
    ],
)
def test_ctes_hide_relations_only_in_their_scope(sql: str, expected: list[str]) -> None:
    assert sorted(name for _, name in relations(sql)) == sorted(expected)


def test_statements_know_where_they_are() -> None:
    sql = "  select 'é;' ; /* ; */\n insert into ü.t select f(1), s.g(2) -- end"
    first, second = parse_statements(sql)
    assert (first.text, first.offset) == ("select 'é;'", 2)
    assert sql[second.offset :].startswith("insert into ü.t")
    assert second.functions == [(None, "f"), ("s", "g")]
    (target,) = second.relations
    assert target.position is not None
    assert sql[target.position - 1 :].startswith("ü.t")
    assert [sql[start:end] for start, end in split_statements(sql)] == [
        "select 'é;'",
        "insert into ü.t select f(1), s.g(2)",
    ]


def test_positions_hold_beyond_a_thousand_wide_characters() -> None:
    sql = f"select '{'é' * 5000}'; select * from t"
    statement = parse_statements(sql)[1]
    assert sql[statement.offset :] == "select * from t"
    assert sql[(statement.relations[0].position or 0) - 1 :] == "t"


@pytest.mark.parametrize("sql", ["", " ", ";", " ; -- c\n ;/**/"])
def test_nothing_is_no_statement(sql: str) -> None:
    assert parse_statements(sql) == []
    assert split_statements(sql) == []


def test_splitting_needs_no_grammar() -> None:
    sql = "select * from t version as of 3; create function f() begin atomic select 1; end; x (a; b); $$;$$"
    pieces = [sql[start:end] for start, end in split_statements(sql)]
    assert pieces == [
        "select * from t version as of 3",
        "create function f() begin atomic select 1; end",
        "x (a; b)",
        "$$;$$",
    ]
    with pytest.raises(SqlParseError, match="unterminated quoted string"):
        split_statements("select 'x")


def test_the_tree_is_json_of_that_statement_alone() -> None:
    statement = parse_statements("select 1; select a from t")[1]
    tree = json.loads(statement.tree)
    assert list(tree) == ["SelectStmt"]
    location = tree["SelectStmt"]["fromClause"][0]["RangeVar"]["location"]
    assert statement.text[location:] == "t"


@pytest.mark.parametrize(
    ("sql", "message", "position"),
    [
        ("select foo bar baz", 'syntax error at or near "baz"', 16),
        ("select 'é' fro m x", 'syntax error at or near "m"', 16),
        ("select '", 'unterminated quoted string at or near "\'"', 8),
        ("select 1 +", "syntax error at end of input", 11),
        ("select 1; selec", 'syntax error at or near "selec"', 11),
        ("select 1 order by 1 order by 2", 'syntax error at or near "order"', 21),
        ("a\0b", 'invalid byte sequence for encoding "UTF8": 0x00', 2),
        ("select '\ud800'", 'invalid byte sequence for encoding "UTF8"', None),
    ],
)
def test_errors_are_postgresqls(sql: str, message: str, position: int | None) -> None:
    with pytest.raises(SqlParseError) as raised:
        parse_statements(sql)
    assert (raised.value.message, raised.value.position) == (message, position)


@pytest.mark.parametrize(
    "sql",
    [
        "(" * 10_000 + ")" * 10_000,
        "select " + "(" * 10_000 + "1" + ")" * 10_000,
        "select " + "1+" * 500_000 + "1",
        "select " + "- " * 20_000 + "1",
        "select " + "f(" * 5_000 + ")" * 5_000,
        "select " + "not " * 20_000 + "true",
        "select 1" + " union select 1" * 20_000,
        "select * from a" + " join a on true" * 20_000,
        "select x" + "::int" * 20_000,
        "select 1" + " is null" * 20_000,
        "select " + "case when true then " * 4_000 + "1" + " end" * 4_000,
        "select " + "array[" * 4_000 + "]" * 4_000,
        "explain " * 1000 + "select 1",
        "select " + "(select " * 4_000 + "1" + ")" * 4_000,
    ],
    ids=lambda sql: sql[:30],
)
def test_what_nests_too_deeply_is_refused(sql: str) -> None:
    with pytest.raises(SqlParseError, match=r"stack depth limit exceeded|memory exhausted|syntax error"):
        parse_statements(sql)
    assert len(parse_statements("select 1")) == 1


def test_deep_nesting_is_refused_on_a_thread_too() -> None:
    def refused(sql: str) -> bool:
        try:
            parse_statements(sql)
        except SqlParseError:
            return True
        return False

    with ThreadPoolExecutor(4) as threads:
        assert all(threads.map(refused, ["select " + "1+" * 20_000 + "1"] * 32))


def test_a_megabyte_of_flat_sql_parses() -> None:
    (statement,) = parse_statements("select " + "1," * 250_000 + "1")
    assert statement.node == "SelectStmt"
    (statement,) = parse_statements("select 1 where " + "a = 1 or " * 50_000 + "true")
    assert statement.relations == []
    assert len(parse_statements("select * from t;" * 30_000)) == 30_000


def test_nothing_is_printed(capfd: pytest.CaptureFixture[str]) -> None:
    parse_statements(r"select 'a\'; create global temporary table t (a int)")
    with pytest.raises(SqlParseError):
        parse_statements("select from from")
    assert capfd.readouterr() == ("", "")
