"""COPY FROM STDIN: good data end up as they do in PostgreSQL, bad ones are refused in its words, at their line."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import psycopg
import pytest
from psycopg import pq

from tests.conformance.copy.test_out import read, told
from tests.target import Target, of_waiting

COLUMNS = "id int NOT NULL, small smallint, big bigint, real real, double double precision, n numeric(6,2), t text,"
COLUMNS += " v varchar(3), c char(3), b bool, y bytea, d date, at timestamp, tz timestamptz, list int[]"
PLAIN = "(id, t, n)"


@dataclass(slots=True)
class Outcome:
    """What came of one COPY: its tag, or its error; and what was noticed."""

    tag: str | None = None
    error: tuple[str | None, ...] | None = None
    notices: list[tuple[str | None, ...]] = field(default_factory=list)


@pytest.fixture(scope="module")
def loaded(gateway: Target, oracle: Target) -> Iterator[None]:
    """An empty table of every type in both, `loaded`."""
    with gateway.connect() as ours, oracle.connect() as theirs:
        ours.execute(f"CREATE TABLE sample.loaded ({COLUMNS}) USING delta".encode())
        theirs.execute(f"CREATE TABLE sample.loaded ({COLUMNS})".encode())
        yield
        ours.execute("DROP TABLE sample.loaded")
        theirs.execute("DROP TABLE sample.loaded")


def load(connection: psycopg.Connection, sql: str, data: bytes, *, size: int = 7) -> Outcome:
    """Sends the data in small pieces."""
    outcome = Outcome()
    hear = lambda notice: outcome.notices.append((notice.message_primary, notice.context))  # noqa: E731
    connection.add_notice_handler(hear)
    try:
        with connection.cursor() as cursor:
            with cursor.copy(sql.encode()) as copy:
                for at in range(0, len(data), size):
                    copy.write(data[at : at + size])
            outcome.tag = cursor.statusmessage
    except psycopg.Error as error:
        outcome.error = told(error)
    finally:
        connection.remove_notice_handler(hear)
    outcome.notices = [notice for notice in outcome.notices if not of_waiting(notice[0])]
    return outcome


BAD: Sequence[tuple[str, bytes]] = (
    ("", b"1\tx\n"),
    ("(id)", b"1\t2\n"),
    (PLAIN, b"1\tx\t1.5\nseven\ty\t2\n"),
    (PLAIN, b"1\tx\t1.5\n\\N\ty\t2\n"),
    (PLAIN, b"1\tx\t99999\n"),
    (PLAIN, b"1\tx\t1.5\n2\t" + b"z" * 300 + b"\tbad" * 60 + b"\n"),
    (PLAIN, b"99999999999\tx\t1\n"),
    (PLAIN, b"1\t\xff\t1\n"),
    (PLAIN, b"1\tx\t1\n2\t\xc3\x28\t1\n"),
    (PLAIN, b"1\t\\xff\t1\n"),
    (PLAIN, b"1\ta\0b\t1\n"),
    (PLAIN, b"1\ta\\000b\t1\n"),
    (PLAIN, b"1\tx\t1\r\n2\ty\t1\n"),
    (PLAIN, b"1\tx\t1\n2\ty\t1\r\n"),
    (PLAIN, b"1\tx\t1\r2\ty\t1\n"),
    (PLAIN, b"1\tx\t1\n\\.x\n"),
    (PLAIN, b"1\tx\t1\nab\\.\n"),
    (PLAIN, b"1\tx\t1\r\n\\.\n"),
    (PLAIN, b"1\tx\t1\n\\.\r\n"),
    (PLAIN + " CSV", b'1,"open,1\n2,x,3\n'),
    (PLAIN + " CSV", b"1,x,1\n2,y,1\r\n"),
    (PLAIN + " CSV", b"1,x,1\r\n2,y,1\n"),
    (PLAIN + " CSV", b'1,"a\nb",1\nx,y,1\n'),
    (PLAIN + " CSV", b"1,x\n"),
    (PLAIN + " CSV", b"1,x,1,2\n"),
    (PLAIN + " CSV", b",x,1\n"),
    (PLAIN + " CSV", b"\n"),
    (PLAIN + " (FORMAT csv, HEADER match)", b"id,t\n"),
    (PLAIN + " (FORMAT csv, HEADER match)", b"id,t,m\n"),
    (PLAIN + " (FORMAT csv, HEADER match)", b"id,,n\n"),
    (PLAIN + " (FORMAT csv, HEADER)", b"id,t,n\nx,1,1\n"),
    (PLAIN + " (DEFAULT 'D')", b"1\tD\t1\n"),
    (PLAIN + " (FORMAT csv, FORCE_NOT_NULL (id))", b",x,1\n"),
    (PLAIN + " (ON_ERROR ignore, REJECT_LIMIT 1)", b"a\tx\t1\nb\tx\t1\n1\tx\t1\n"),
    (PLAIN + " (ON_ERROR ignore)", b"a\tx\t1\n1\tx\n"),
    ("(id, small)", b"1\t40000\n"),
    ("(id, real)", b"1\t1e60\n"),
    ("(id, double)", b"1\tx\n"),
    ("(id, v)", "1\tüüüü\n".encode()),
    ("(id, c)", b"1\tabcd\n"),
    ("(id, b)", b"1\tmaybe\n"),
    ("(id, y)", b"1\t\\\\xabc\n"),
    ("(id, d)", b"1\t2023-02-30\n"),
    ("(id, d)", b"1\tsome day\n"),
    ("(id, at)", b"1\t2023-01-01 25:00\n"),
    ("(id, list)", b"1\t{1,x}\n"),
    ("(nosuch)", b""),
    ("(id, id)", b""),
    ("(id) (FORMAT csv, FORCE_QUOTE (id))", b""),
    ("(id) (FORMAT csv, FORCE_NULL (t))", b""),
    ("(id) (FREEZE)", b"1\n"),
    ("(id) (REJECT_LIMIT 5)", b""),
    ("(id) (ON_ERROR ignore, REJECT_LIMIT 0)", b""),
    ("(id) (FORMAT binary, ON_ERROR ignore)", b""),
    ("(id) (FORMAT csv, DEFAULT '')", b""),
    ("(id) (DEFAULT E'a\\tb')", b""),
    ("(id) (ON_ERROR nosuch)", b""),
    ("(id) WHERE id > 'x'", b""),
    ("(id) WHERE id", b""),
    ("(id) WHERE nosuch = 1", b""),
    ("(id) WHERE other.id = 1", b""),
    ("(id) (FORMAT csv) where ( select true )", b""),
    ("(id) WHERE id IN (SELECT 1)", b""),
    ("(id) WHERE max(id) = 1", b""),
    ("(id) WHERE row_number() OVER () = 1", b""),
    ("(id) WHERE generate_series(1, id) = 1", b""),
    ("(id) WHERE id = $1", b""),
    ("(id, small) WHERE id < 0", b"1\t40000\n"),
    ("(id) BINARY", b"nonsense"),
    ("(id) BINARY", b"PGCOPY\n\xff\r\n\0" + bytes([0, 2, 0, 0])),
    ("(id) BINARY", b"PGCOPY\n\xff\r\n\0" + bytes([0, 1, 0, 0])),
    ("(id) BINARY", b"PGCOPY\n\xff\r\n\0" + bytes(4)),
    ("(id) BINARY", b"PGCOPY\n\xff\r\n\0" + bytes(8) + b"\0\2"),
    ("(id) BINARY", b"PGCOPY\n\xff\r\n\0" + bytes(8) + b"\0\1\0\0\0\4\0\0"),
    ("(id) BINARY", b"PGCOPY\n\xff\r\n\0" + bytes(8) + b"\0\1\xff\xff\xff\xfe"),
    ("(id) BINARY", b"PGCOPY\n\xff\r\n\0" + bytes(8) + b"\0\1\0\0\0\5\0\0\0\1\1"),
    ("(id) BINARY", b"PGCOPY\n\xff\r\n\0" + bytes(8) + b"\0\1\0\0\0\2\0\0"),
    ("(id) BINARY", b"PGCOPY\n\xff\r\n\0" + bytes(8) + b"\0\1\0\0\0\4\0\0\0\1\xff\xff\1"),
    ("(id) BINARY", b"PGCOPY\n\xff\r\n\0" + bytes(8) + b"\0\1\xff\xff\xff\xff"),
    ("(id, t) BINARY", b"PGCOPY\n\xff\r\n\0" + bytes(8) + b"\0\2\0\0\0\4\0\0\0\1\0\0\0\1\xff"),
)


@pytest.mark.usefixtures("loaded")
def test_bad_data_fail_alike(gateway: Target, oracle: Target) -> None:
    differing = []
    with gateway.connect() as ours, oracle.connect() as theirs:
        before = ours.execute("SELECT count(*) FROM sample.loaded").fetchone()
        for options, data in BAD:
            columns, closing, rest = options.partition(")")
            sql = f"COPY sample.loaded {columns}{closing} FROM STDIN {rest}"
            expected, have = load(theirs, sql, data), load(ours, sql, data)
            if have != expected or expected.error is None:
                differing.append((sql, data[:60], expected, have))
            assert ours.execute("SELECT 1").fetchone() == (1,)
        assert ours.execute("SELECT count(*) FROM sample.loaded").fetchone() == before
    assert differing == []


GOOD: Sequence[tuple[str, bytes]] = (
    ("(id, t) FROM STDIN", b"1\ta\\tb\\\\\n2\t\\N\n3\t\\x41\\101\\q\\\nz\n\\.\nrubbish"),
    ("(id, t) FROM STDIN CSV HEADER", b'id,t\r\n4,"a,""b\r\nc"\r\n5,\r\n6,""\r\n7,"x"y"z"'),
    ("(t, id) FROM STDIN (FORMAT csv, FORCE_NULL (t), NULL 'n', QUOTE '''', ESCAPE '~')", b"'n',8\nn,9\n'~'~~',10\n"),
    ("(id, t) FROM STDIN (FORMAT csv, FORCE_NOT_NULL *)", b"11,\n"),
    ("(id, t) FROM STDIN (ENCODING 'LATIN1', HEADER match)", b"id\tt\r12\t\xe9\xdf\r"),
    ("(id, n) FROM STDIN (ON_ERROR ignore, LOG_VERBOSITY verbose)", b"13\tx\n14\t2.345\nbad\t1\n15\t-2.345\n"),
    ("(id, n) FROM STDIN (ON_ERROR ignore, REJECT_LIMIT 3)", b"16\tx\n17\t9999.99\n"),
    ("(id, n) FROM STDIN (ON_ERROR ignore, LOG_VERBOSITY silent)", b"18\tx\n"),
    (
        "FROM STDIN",
        b"20\t-7\t9223372036854775807\t0.1\t1e300\t1e3\tt\tab \tx\tyes\t\\\\x00ff\t2024-02-29\t2024-02-29 10:11:12.5"
        b"\t2024-02-29 10:11:12.5+05:30\t{1,NULL,3}\n"
        b"21\t0x10\t1_000\tNaN\t-Infinity\t .5 \t\tabc   \tabc   \toff\tab\\\\\\\\\t2024-1-5\t2024-02-29T10:11:12\t"
        b"2024-02-29 10:11\t{}\n",
    ),
    ("(id) FROM STDIN WITH NULL AS 'x' DELIMITER AS ';'", b""),
    (
        "(id, t, n) FROM STDIN WHERE id % 2 = 0 AND (loaded.n > 1.5 OR t IS NULL) AND v IS NULL",
        b"30\ta\t1.51\n32\t\\N\t0\n34\tb\t1.5\n31\tc\t9\n\\N\td\t9\n",
    ),
    ("(id, d) FROM STDIN (FORMAT csv) WHERE sample.loaded.d < now() AND upper(current_user) <> ''", b"40,2024-02-29\n"),
    ("(id, n) FROM STDIN (ON_ERROR ignore) WHERE n < 0", b"41\tx\n42\t1\n43\t-1\n"),
    ("(id) FROM STDIN WHERE NULL", b"44\n"),
    ("(id) FROM STDIN WHERE false", b""),
)


@pytest.mark.spark
@pytest.mark.usefixtures("loaded")
def test_good_data_are_loaded_alike(gateway: Target, oracle: Target) -> None:
    with gateway.connect() as ours, oracle.connect() as theirs:
        for options, data in GOOD:
            sql = f"COPY sample.loaded {options}"
            expected = load(theirs, sql, data)
            assert expected.error is None
            assert load(ours, sql, data) == expected
        for connection in (ours, theirs):
            connection.execute("SET TimeZone = 'Europe/Berlin'")
        content = "COPY (SELECT * FROM sample.loaded ORDER BY id) TO STDOUT"
        binary, _ = read(theirs, content + " BINARY")
        assert read(ours, content) == read(theirs, content)
        assert load(ours, "COPY sample.loaded FROM STDIN BINARY", b"".join(binary)).error is None
        doubled = "COPY (SELECT count(*), count(DISTINCT id), min(list), max(tz) FROM sample.loaded) TO STDOUT"
        theirs.execute("INSERT INTO sample.loaded TABLE sample.loaded")
        assert read(ours, doubled.replace("min(list), ", "")) == read(theirs, doubled.replace("min(list), ", ""))


@pytest.mark.usefixtures("loaded")
def test_a_client_that_gives_up_has_loaded_nothing(gateway: Target, oracle: Target) -> None:
    errors = []
    for target in (oracle, gateway):
        with target.connect() as connection:
            before = connection.execute("SELECT count(*) FROM sample.loaded").fetchone()
            pgconn = connection.pgconn
            assert pgconn.exec_(b"COPY sample.loaded (id) FROM STDIN").status == pq.ExecStatus.COPY_IN
            pgconn.put_copy_data(b"1\n2\n")
            pgconn.put_copy_end(b"enough")
            result = pgconn.get_result()
            assert result is not None
            fields = (pq.DiagnosticField.SQLSTATE, pq.DiagnosticField.MESSAGE_PRIMARY, pq.DiagnosticField.CONTEXT)
            errors.append([result.error_field(field) for field in fields])
            assert pgconn.get_result() is None
            assert connection.execute("SELECT count(*) FROM sample.loaded").fetchone() == before
    assert errors[1] == errors[0]


@pytest.mark.parametrize("extended", [False, True])
@pytest.mark.usefixtures("loaded")
def test_what_follows_an_error_is_dropped(gateway: Target, extended: bool) -> None:
    with gateway.connect() as connection:
        pgconn, sql = connection.pgconn, b"COPY sample.loaded (id) FROM STDIN"
        started = pgconn.exec_params(sql, None) if extended else pgconn.exec_(sql)
        assert started.status == pq.ExecStatus.COPY_IN
        for _ in range(300):
            pgconn.put_copy_data(b"x\n" * 10_000)
        pgconn.put_copy_end()
        result = pgconn.get_result()
        assert result is not None
        assert result.error_field(pq.DiagnosticField.SQLSTATE) == b"22P02"
        assert result.error_field(pq.DiagnosticField.CONTEXT) == b'COPY loaded, line 1, column id: "x"'
        assert pgconn.get_result() is None
        assert connection.execute("SELECT 1").fetchone() == (1,)
