"""Clients that speak another encoding than UTF-8 hear, and are heard, as by PostgreSQL."""

from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
from psycopg import pq

from planner.encodings import python_codec
from tests.alike import asked_of_both
from tests.conformance.copy.test_in import load
from tests.conformance.copy.test_out import read
from tests.target import Target

ENCODINGS = (
    *("LATIN1", "LATIN2", "LATIN3", "LATIN4", "LATIN5", "LATIN6", "LATIN7", "LATIN8", "LATIN9", "LATIN10"),
    *("ISO_8859_5", "ISO_8859_6", "ISO_8859_7", "ISO_8859_8", "KOI8R", "KOI8U", "WIN866", "WIN874"),
    *(f"WIN125{number}" for number in range(9)),
)
RELAYED, READ = "SELECT 'Grüße, '::text AS \"größe\", {}", "SELECT 'Grüße, '::text AS \"größe\", {} FROM tpch.region"
ONE = " WHERE r_regionkey = 0"
STATEMENTS = (
    RELAYED.format("current_setting('client_encoding'), pg_client_encoding(), NULL, 1"),
    READ.format("r_name, r_regionkey") + ONE,
    READ.format("NULL, 'ÿ' || r_name") + " ORDER BY r_name",
    "SELECT 'größer'::int",
    "SELECT länge FROM tpch.region",
    "SELECT '\\u20ac'::text || 'é'",
    RELAYED.format("U&'\\20AC'"),
    READ.format("CASE r_regionkey WHEN 3 THEN chr(8364) ELSE r_name END") + " ORDER BY r_regionkey",
    'SELECT 1 AS U&"\\20AC"',
    "DO $$ BEGIN RAISE NOTICE 'ü'; END $$",
    "SHOW client_encoding",
    "SET client_encoding TO 'nosuch'",
)


def said(connection: psycopg.Connection, statement: bytes, *parameters: bytes, binary: bool = False) -> Any:
    """All bytes of an answer: names, values, tag, or the error's parts."""
    results = []
    if parameters or binary:
        results.append(connection.pgconn.exec_params(statement, list(parameters), None, None, int(binary)))
    else:
        connection.pgconn.send_query(statement)
        while (result := connection.pgconn.get_result()) is not None:
            results.append(result)
    return [told(result) for result in results]


def told(result: Any) -> Any:
    if result.status == pq.ExecStatus.FATAL_ERROR:
        parts = (pq.DiagnosticField.SQLSTATE, pq.DiagnosticField.MESSAGE_PRIMARY, pq.DiagnosticField.STATEMENT_POSITION)
        return [result.error_field(part) for part in parts]
    names = [result.fname(column) for column in range(result.nfields)]
    rows = [[result.get_value(row, column) for column in range(result.nfields)] for row in range(result.ntuples)]
    return names, rows, result.command_status


def asking(ask: Callable[[psycopg.Connection], Any], encoding: str = "LATIN1") -> Callable[[Target], Any]:
    def connect_and_ask(target: Target) -> Any:
        with target.connect(client_encoding=encoding) as connection:
            return ask(connection)

    return connect_and_ask


@pytest.mark.parametrize("statement", [each for each in STATEMENTS if not each.startswith("DO")])
def test_answers(oracle: Target, gateway: Target, statement: str) -> None:
    def ask(connection: psycopg.Connection) -> Any:
        return said(connection, statement.encode("latin1")), said(connection, b"SELECT 'still \xfc'")

    if "nosuch" in statement:
        assert asking(ask)(gateway)[0][0][0] == asking(ask)(oracle)[0][0][0] == b"22023"
    else:
        asked_of_both(oracle, gateway, asking(ask))


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_every_character(oracle: Target, gateway: Target, encoding: str) -> None:
    """As a parameter, and back; and the bytes that are no characters."""
    codec = python_codec(encoding)
    assert codec is not None
    known = bytes(byte for byte in range(0x20, 0x100) if bytes([byte]).decode(codec, "ignore"))
    unknown = sorted({*range(0x80, 0x100)} - {*known})[:1]

    def ask(connection: psycopg.Connection) -> Any:
        own = said(connection, b"SELECT convert_to($1::text, 'UTF8'), $1::text, length($1::text)", known)
        return own, [said(connection, b"SELECT '" + bytes([byte]) + b"'") for byte in unknown]

    ((_, ((_, echoed, _),), _),), _ = asked_of_both(oracle, gateway, asking(ask, encoding))
    assert echoed == known


def test_when_it_changes(oracle: Target, gateway: Target) -> None:
    def ask(connection: psycopg.Connection) -> Any:
        return [
            said(connection, statement)
            for statement in (
                b"SET client_encoding = LATIN9; SET client_encoding = WIN1252; SELECT '\xa4', U&'\\20AC'",
                b"SHOW client_encoding",
                b"SELECT '\x80'",
                b"BEGIN; SET LOCAL client_encoding = UTF8",
                b"SELECT '\xc3\xbc'",
                b"ROLLBACK",
                b"SELECT '\xfc'",
                b"RESET client_encoding",
                b"SELECT '\xfc'",
                b"SET NAMES 'utf8'",
                b"SELECT '\xc3\xbc'",
                b"SELECT setting FROM pg_settings WHERE name = 'client_encoding'",
            )
        ]

    asked_of_both(oracle, gateway, asking(ask))


def test_the_binary_format(oracle: Target, gateway: Target) -> None:
    def ask(connection: psycopg.Connection) -> Any:
        return [
            said(connection, b"SELECT 1", binary=True),
            said(connection, b"SELECT '\xfc'"),
            said(connection, b"SELECT '\xfc'::text, -1::int8, '{\"\xfc\": 1}'::jsonb, '\\xfc'::bytea", binary=True),
            said(connection, b"SELECT r_name || '\xfc', -1 FROM tpch.region WHERE r_regionkey = 1", binary=True),
        ]

    asked_of_both(oracle, gateway, asking(ask))
    with gateway.connect(client_encoding="LATIN1") as connection:
        ((sqlstate, _, _),) = said(connection, b"SELECT ARRAY['\xfc']", binary=True)
    assert sqlstate == b"0A000"


@pytest.fixture(scope="module")
def worded(gateway: Target, oracle: Target) -> Iterator[None]:
    """An empty table in both, for texts."""
    with gateway.connect() as ours, oracle.connect() as theirs:
        ours.execute("CREATE TABLE sample.worded (id int, t text) USING delta")
        theirs.execute("CREATE TABLE sample.worded (id int, t text)")
        yield
        ours.execute("DROP TABLE sample.worded")
        theirs.execute("DROP TABLE sample.worded")


@pytest.mark.spark
@pytest.mark.usefixtures("worded")
def test_copy(oracle: Target, gateway: Target) -> None:
    def ask(connection: psycopg.Connection) -> Any:
        came = [
            load(connection, "COPY sample.worded FROM STDIN", b"1\t\xfc\xff\n2\t\\\xe9\n"),
            load(connection, "COPY sample.worded FROM STDIN (FORMAT csv, ENCODING 'UTF8')", "3,ü\n".encode()),
            load(connection, "COPY sample.worded FROM STDIN (ENCODING 'WIN1252')", b"4\t\x81\n"),
        ]
        query = "SELECT * FROM sample.worded ORDER BY id"
        went = [
            read(connection, f"COPY ({query}) TO STDOUT (FORMAT csv, HEADER)"),
            read(connection, f"COPY ({query}) TO STDOUT (ENCODING 'UTF8')"),
        ]
        return (
            came,
            went,
            said(connection, b"INSERT INTO sample.worded VALUES (5, '\xdf')"),
            said(connection, b"SELECT t, length(t) FROM sample.worded ORDER BY id"),
        )

    asked_of_both(oracle, gateway, asking(ask))
