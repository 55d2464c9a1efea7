"""COPY of temporary tables is PostgreSQL's own, message for message: in every format, in and out of blocks."""

from collections.abc import Iterator

import psutil
import psycopg
import pytest
from psycopg import pq

from tests.conformance.copy.test_in import BAD, COLUMNS, GOOD, Outcome, load
from tests.conformance.copy.test_out import FORMATS, read, told
from tests.target import Target

TABLE = f"CREATE TEMP TABLE loaded ({COLUMNS}, CHECK (id <> 666))"
ROWS = 1_000_000
ROW = b"%d\tsome words that make a row of a usual length, as rows are\n"
MOST_BYTES = 48 << 20
"""Far less than the rows."""

Pair = tuple[psycopg.Connection, psycopg.Connection]


@pytest.fixture
def pair(gateway: Target, ordinary: Target) -> Iterator[Pair]:
    """The gateway and PostgreSQL, each with an empty temporary table of every type."""
    with gateway.connect() as ours, ordinary.connect() as theirs:
        for connection in (ours, theirs):
            connection.execute(TABLE.encode())
        yield ours, theirs


def both(pair: Pair, sql: str, data: bytes) -> Outcome:
    """What came of it in either, which is the same."""
    ours, theirs = (load(connection, sql, data) for connection in pair)
    assert (sql, ours) == (sql, theirs)
    return ours


def same_rows(pair: Pair, sql: str) -> list[bytes]:
    """What COPY TO gives in either."""
    ours, theirs = (read(connection, sql)[0] for connection in pair)
    assert b"".join(ours) == b"".join(theirs)
    return ours


def test_bad_data_fail_alike(pair: Pair) -> None:
    for options, data in BAD:
        columns, closing, rest = options.partition(")")
        outcome = both(pair, f"COPY loaded {columns}{closing} FROM STDIN {rest}", data)
        assert outcome.error is not None or "FREEZE" in options
    same_rows(pair, "COPY loaded TO STDOUT")


@pytest.mark.parametrize(
    ("sql", "data"),
    [
        ("COPY loaded (id) FROM STDIN", b"1\n666\n"),
        ("COPY missing FROM STDIN", b""),
        ("COPY pg_class FROM STDIN", b""),
        ("COPY pg_temp.missing FROM STDIN", b""),
        ("COPY loaded (id) FROM STDIN WHERE id > 'x'", b""),
        ("COPY loaded (id) FROM STDIN WHERE (SELECT true)", b""),
        ("COPY loaded FROM '/etc/passwd'", b""),
        ("COPY loaded FROM PROGRAM 'true'", b""),
    ],
)
def test_what_is_refused(pair: Pair, sql: str, data: bytes) -> None:
    assert both(pair, sql, data).error is not None


def test_good_data_are_loaded_alike(pair: Pair) -> None:
    for options, data in GOOD:
        assert both(pair, f"COPY loaded {options}".replace("sample.", "pg_temp."), data).error is None
    both(pair, "COPY loaded (id) FROM STDIN WHERE id % 2 = 0", b"30\n31\n32\n")
    for connection in pair:
        connection.execute("SET TimeZone = 'Europe/Berlin'")
        connection.execute("SET DateStyle = 'German'")
    for options in FORMATS:
        same_rows(pair, f"COPY loaded TO STDOUT {options}".replace("(text, int4)", "(t, id)"))
    binary = b"".join(same_rows(pair, "COPY pg_temp.loaded TO STDOUT BINARY"))
    assert both(pair, "COPY loaded FROM STDIN BINARY", binary).error is None
    same_rows(pair, "COPY loaded (t, id) TO STDOUT (FORMAT csv, HEADER)")


def test_blocks_and_savepoints(pair: Pair) -> None:
    def say(sql: str) -> None:
        for connection in pair:
            connection.execute(sql.encode())

    say("BEGIN READ ONLY")
    both(pair, "COPY loaded (id) FROM STDIN", b"1\n2\n")
    say("SAVEPOINT a")
    both(pair, "COPY loaded (id) FROM STDIN", b"3\nx\n")
    both(pair, "COPY loaded (id) FROM STDIN", b"3\n")
    say("ROLLBACK TO a")
    both(pair, "COPY loaded (id) FROM STDIN", b"4\n")
    say("COMMIT")
    assert b"".join(same_rows(pair, "COPY loaded (id) TO STDOUT")) == b"1\n2\n4\n"
    say("BEGIN")
    both(pair, "COPY loaded (id) FROM STDIN", b"5\n")
    say("ROLLBACK")
    assert b"".join(same_rows(pair, "COPY loaded (id) TO STDOUT")) == b"1\n2\n4\n"


def test_columns_that_are_generated_stay_out(pair: Pair) -> None:
    for connection in pair:
        connection.execute("CREATE TEMP TABLE twice (n int, m int GENERATED ALWAYS AS (n * 2) STORED)")
        connection.execute("CREATE TEMP VIEW seen AS SELECT 1 AS one")
    both(pair, "COPY twice FROM STDIN", b"1\n2\n")
    same_rows(pair, "COPY twice TO STDOUT")
    both(pair, "COPY twice (m) FROM STDIN", b"1\n")
    for sql in ("COPY twice (m) TO STDOUT", "COPY seen TO STDOUT", "COPY loaded (nosuch) TO STDOUT"):
        assert told_of(pair[0], sql) == told_of(pair[1], sql)


def told_of(connection: psycopg.Connection, sql: str) -> tuple[str | None, ...]:
    with pytest.raises(psycopg.Error) as caught:
        connection.execute(sql.encode())
    return told(caught.value)


def test_queries_of_temporary_tables_catalogs_and_both_with_lakehouse_tables(pair: Pair) -> None:
    both(pair, "COPY loaded (id, t) FROM STDIN", b"1\ta\\tb\n2\t\\N\n")
    for query in (
        "SELECT id, t FROM loaded ORDER BY id",
        "SELECT t, typname FROM loaded JOIN pg_type ON id = 1 AND typname = 'int4'",
        "SELECT n_name, t FROM tpch.nation JOIN loaded ON n_nationkey = id ORDER BY id",
        "SELECT n_name, typname, t FROM tpch.nation, pg_type, loaded WHERE typlen = n_nationkey AND id = 2"
        " AND typname IN ('int4', 'int8') ORDER BY 1, 2",
    ):
        for options in ("", "CSV HEADER", "BINARY"):
            same_rows(pair, f"COPY ({query}) TO STDOUT {options}")


def test_a_client_that_gives_up_has_loaded_nothing(pair: Pair) -> None:
    fields = (pq.DiagnosticField.SQLSTATE, pq.DiagnosticField.MESSAGE_PRIMARY, pq.DiagnosticField.CONTEXT)
    errors = []
    for connection in pair:
        pgconn = connection.pgconn
        assert pgconn.exec_(b"COPY loaded (id) FROM STDIN").status == pq.ExecStatus.COPY_IN
        pgconn.put_copy_data(b"1\n2\n")
        pgconn.put_copy_end(b"enough")
        result = pgconn.get_result()
        assert result is not None
        errors.append([result.error_field(field) for field in fields])
        assert pgconn.get_result() is None
    assert errors[0] == errors[1]
    assert same_rows(pair, "COPY loaded TO STDOUT") == []


def test_a_cancel_ends_it(pair: Pair) -> None:
    for connection in pair:
        pgconn = connection.pgconn
        assert pgconn.exec_(b"COPY loaded (id) FROM STDIN").status == pq.ExecStatus.COPY_IN
        pgconn.put_copy_data(b"1\n")
        pgconn.flush()
        connection.cancel_safe()
        pgconn.put_copy_data(b"2\n")
        pgconn.put_copy_end()
        result = pgconn.get_result()
        assert result is not None
        assert result.error_field(pq.DiagnosticField.SQLSTATE) == b"57014"
        assert pgconn.get_result() is None
    assert same_rows(pair, "COPY loaded TO STDOUT") == []


def test_notices_of_rows_that_are_left_out_do_not_stop_it(pair: Pair) -> None:
    bad = b"".join(b"bad %d\n" % number for number in range(20_000))
    outcomes = [
        load(connection, "COPY loaded (id) FROM STDIN (ON_ERROR ignore, LOG_VERBOSITY verbose)", bad, size=1 << 16)
        for connection in pair
    ]
    assert len(outcomes[0].notices) == 20_001
    assert outcomes[0] == outcomes[1]


def test_a_million_rows_pass_through(gateway: Target) -> None:
    assert gateway.pid is not None
    with gateway.connect() as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TEMP TABLE many (n int, words text)")
        process = psutil.Process(gateway.pid)
        before = most = process.memory_info().rss
        with cursor.copy("COPY many FROM STDIN") as copy:
            for start in range(0, ROWS, 10_000):
                copy.write(b"".join(ROW % number for number in range(start, start + 10_000)))
                most = max(most, process.memory_info().rss)
        assert cursor.statusmessage == f"COPY {ROWS}"
        with cursor.copy("COPY many TO STDOUT") as copy:
            size = sum(map(len, copy))
        assert size == sum(len(ROW % number) for number in range(ROWS))
        assert most - before < MOST_BYTES
