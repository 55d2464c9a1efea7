"""COPY TO STDOUT is PostgreSQL's own, message for message: every type, every option, both protocols."""

import psycopg
import pytest
from psycopg import pq

from tests.target import Target

TABLE = "sample.every_type"
FORMATS = (
    "",
    "WITH CSV",
    "WITH BINARY",
    "WITH CSV HEADER QUOTE '''' ESCAPE '\\' FORCE QUOTE *",
    "DELIMITER AS '|' NULL AS 'nothing'",
    "(FORMAT text, DELIMITER ';', NULL '', HEADER)",
    "(FORMAT text, DELIMITER E'\\x01')",
    "(FORMAT text, DELIMITER 'Z')",
    "(FORMAT csv, HEADER, FORCE_QUOTE *)",
    "(FORMAT csv, FORCE_QUOTE (text, int4), NULL 'n', DELIMITER '|', QUOTE '~', ESCAPE '\\')",
    "(FORMAT csv, QUOTE 'z', HEADER true)",
    "(FORMAT csv, NULL 'plain', HEADER off)",
    "(FORMAT binary)",
)
QUERIES = (
    "COPY (SELECT id, text, int4_array FROM sample.every_type WHERE id <> 2 ORDER BY id) TO STDOUT {}",
    "COPY (SELECT text FROM sample.every_type ORDER BY id) TO STDOUT {}",
    "COPY (VALUES (1, E'a\\tb\\nc\\\\d\\re\\bf\\fg\\vh\\x7f'), (2, NULL), (3, '\\.'), (4, '\\N')) TO STDOUT {}",
    "COPY (VALUES ('\\.'), ('a,\"b\"'), (''), (NULL)) TO STDOUT {}",
    "COPY (SELECT 1 WHERE false) TO STDOUT {}",
    "COPY (SELECT typname, typlen FROM pg_type WHERE typname = 'int4') TO STDOUT {}",
    "COPY (SELECT n_name FROM tpch.nation ORDER BY n_nationkey) TO STDOUT {}",
)
ENCODINGS = ("LATIN1", "LATIN9", "WIN1252", "KOI8R", "EUC_JP", "SJIS", "GB18030", "utf-8")
BAD = (
    "COPY sample.every_type TO STDOUT (FORMAT nosuch)",
    "COPY sample.every_type TO STDOUT (FORMAT csv, FORMAT csv)",
    "COPY sample.every_type TO STDOUT (NOSUCH 1)",
    "COPY sample.every_type TO STDOUT (DELIMITER 'ab')",
    "COPY sample.every_type TO STDOUT (DELIMITER E'\\n')",
    "COPY sample.every_type TO STDOUT (DELIMITER 'a')",
    "COPY sample.every_type TO STDOUT (NULL E'a\\nb')",
    "COPY sample.every_type TO STDOUT (NULL 'a\tb')",
    "COPY sample.every_type TO STDOUT (FORMAT binary, DELIMITER ',')",
    "COPY sample.every_type TO STDOUT (FORMAT binary, NULL '')",
    "COPY sample.every_type TO STDOUT (FORMAT binary, HEADER)",
    "COPY sample.every_type TO STDOUT (QUOTE 'x')",
    "COPY sample.every_type TO STDOUT (ESCAPE 'x')",
    "COPY sample.every_type TO STDOUT (FORMAT csv, QUOTE 'xy')",
    "COPY sample.every_type TO STDOUT (FORMAT csv, ESCAPE 'xy')",
    "COPY sample.every_type TO STDOUT (FORMAT csv, QUOTE ',')",
    "COPY sample.every_type TO STDOUT (FORMAT csv, NULL 'a\"b')",
    "COPY sample.every_type TO STDOUT (FORCE_QUOTE *)",
    "COPY sample.every_type TO STDOUT (FORMAT csv, FORCE_QUOTE 1)",
    "COPY sample.every_type TO STDOUT (FORMAT csv, FORCE_QUOTE (nosuch))",
    "COPY sample.every_type (id) TO STDOUT (FORMAT csv, FORCE_QUOTE (text))",
    "COPY sample.every_type TO STDOUT (FORMAT csv, FORCE_NOT_NULL *)",
    "COPY sample.every_type TO STDOUT (FORMAT csv, FORCE_NULL *)",
    "COPY sample.every_type TO STDOUT (FREEZE)",
    "COPY sample.every_type TO STDOUT (FREEZE maybe)",
    "COPY sample.every_type TO STDOUT (DEFAULT 'd')",
    "COPY sample.every_type TO STDOUT (HEADER match)",
    "COPY sample.every_type TO STDOUT (HEADER 5)",
    "COPY sample.every_type TO STDOUT (ENCODING nosuch)",
    "COPY sample.every_type TO STDOUT (ON_ERROR ignore)",
    "COPY sample.every_type TO STDOUT (LOG_VERBOSITY nosuch)",
    "COPY sample.every_type TO STDOUT (FORMAT)",
    "COPY sample.every_type (nosuch) TO STDOUT",
    "COPY sample.every_type (id, id) TO STDOUT",
    "COPY sample.nothing TO STDOUT",
    "COPY (SELECT nothing FROM sample.every_type) TO STDOUT",
    "COPY (SELECT ünï FROM sample.every_type) TO STDOUT",
    "COPY (SELECT $1) TO STDOUT",
    "COPY (SELECT '€') TO STDOUT (ENCODING 'LATIN1')",
    "COPY (SELECT 1 / 0) TO STDOUT",
    "COPY sample.every_type TO STDOUT (FORMAT csv HEADER)",
)

Told = tuple[str | None, ...]


def told(error: psycopg.Error) -> Told:
    """What an error says, but for where in the server it comes from."""
    diag = error.diag
    return (
        diag.sqlstate,
        diag.message_primary,
        diag.message_detail,
        diag.message_hint,
        diag.statement_position,
        diag.context,
    )


def read(connection: psycopg.Connection, sql: str, *, extended: bool = False) -> tuple[list[bytes], bytes | None]:
    """The content of each CopyData message, and the command tag."""
    pgconn = connection.pgconn
    result = pgconn.exec_params(sql.encode(), None) if extended else pgconn.exec_(sql.encode())
    assert result.status == pq.ExecStatus.COPY_OUT, result.error_message
    rows = []
    while True:
        size, content = pgconn.get_copy_data(0)
        if size < 0:
            break
        rows.append(bytes(content))
    done = pgconn.get_result()
    assert done is not None
    assert done.status == pq.ExecStatus.COMMAND_OK, done.error_message
    assert pgconn.get_result() is None
    return rows, done.command_status


@pytest.mark.parametrize("extended", [False, True])
def test_tables_and_queries_are_written_alike(gateway: Target, oracle: Target, extended: bool) -> None:
    statements = [f"COPY {TABLE} TO STDOUT {options}" for options in FORMATS]
    statements += [f"COPY {TABLE} (timestamptz, text, id) TO STDOUT (FORMAT csv, HEADER)"]
    statements += [query.format(options) for query in QUERIES for options in ("", "CSV HEADER", "BINARY")]
    with gateway.connect() as ours, oracle.connect() as theirs:
        for connection in (ours, theirs):
            connection.execute("SET TimeZone = 'Asia/Kolkata'")
        for sql in statements:
            assert read(ours, sql, extended=extended) == read(theirs, sql, extended=extended), sql


def test_styles_are_followed(gateway: Target, oracle: Target) -> None:
    with gateway.connect() as ours, oracle.connect() as theirs:
        for connection in (ours, theirs):
            connection.execute("SET DateStyle = 'SQL, DMY'; SET IntervalStyle = iso_8601; SET extra_float_digits = 0")
        for options in ("", "CSV", "BINARY"):
            assert read(ours, f"COPY {TABLE} TO STDOUT {options}") == read(theirs, f"COPY {TABLE} TO STDOUT {options}")


def test_blocks_go_back_behind_a_failure_and_settings_stay(gateway: Target, oracle: Target) -> None:
    fails = b"COPY (SELECT 1 / (n_nationkey - 20) FROM tpch.nation) TO STDOUT"
    assigns = "COPY (SELECT set_config('application_name', 'copied', false)) TO STDOUT"
    heard = []
    for target in (gateway, oracle):
        with target.connect() as connection:
            connection.execute("BEGIN; SAVEPOINT a")
            with pytest.raises(psycopg.errors.DivisionByZero), connection.cursor().copy(fails) as copy:
                for _ in copy:
                    pass
            connection.execute("ROLLBACK TO a")
            rows = [read(connection, QUERIES[-1].format("")), read(connection, assigns)]
            connection.execute("COMMIT")
            heard.append([*rows, connection.execute("SHOW application_name").fetchone()])
    assert heard[0] == heard[1]


def test_encodings_are_written_alike(gateway: Target, oracle: Target) -> None:
    texts = {"KOI8R": 'привет, "мир"\n', "EUC_JP": "日本語\\表", "SJIS": "日本語\\表ソ", "GB18030": "汉字🦆"}
    with gateway.connect() as ours, oracle.connect() as theirs:
        for encoding in ENCODINGS:
            text = texts.get(encoding, "é\tß")
            for options in ("", ", FORMAT csv, HEADER"):
                sql = f"COPY (SELECT '{text}' AS \"{text[0]}\", 1) TO STDOUT (ENCODING '{encoding}'{options})"
                assert read(ours, sql) == read(theirs, sql), sql


@pytest.mark.parametrize("sql", BAD)
def test_bad_statements_fail_alike(gateway: Target, oracle: Target, sql: str) -> None:
    errors = []
    for target in (oracle, gateway):
        with (
            target.connect() as connection,
            pytest.raises(psycopg.Error) as raised,
            connection.cursor().copy(sql.encode()) as copy,
        ):
            for _ in copy:
                pass
        errors.append(told(raised.value))
    assert errors[1] == errors[0]


def test_large_results_are_written_alike(gateway: Target, oracle: Target) -> None:
    sql = "COPY (SELECT * FROM tpch.lineitem WHERE l_orderkey < 40000 ORDER BY l_orderkey, l_linenumber) TO STDOUT {}"
    with gateway.connect() as ours, oracle.connect() as theirs:
        for options in ("", "CSV", "BINARY"):
            assert read(ours, sql.format(options)) == read(theirs, sql.format(options))


@pytest.mark.parametrize(
    "sql", ["EXPLAIN (ROUTE) COPY tpch.nation TO STDOUT", "COPY tpch.nation FOR VERSION AS OF 0 TO STDOUT"]
)
def test_what_copy_does_not_take_is_refused(gateway: Target, sql: str) -> None:
    with gateway.connect() as connection, pytest.raises(psycopg.errors.FeatureNotSupported):
        connection.execute(sql.encode())


@pytest.mark.parametrize("sql", ["COPY tpch.nation TO '/tmp/x'", "COPY tpch.nation FROM PROGRAM 'cat'"])
def test_files_and_programs_are_refused(gateway: Target, sql: str) -> None:
    with gateway.connect() as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute(sql.encode())
