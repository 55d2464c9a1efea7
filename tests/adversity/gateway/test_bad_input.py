"""Bad input through the front door: each gets a clear error with its SQLSTATE, and the server is unharmed."""

import asyncio
from collections.abc import Iterator

import asyncpg
import psycopg
import pytest

from gateway.pgwire import messages as m
from gateway.pgwire.codec import encode
from tests.conformance.pgwire.test_violations import client_of, log_in
from tests.drivers.test_asyncpg import arguments
from tests.target import Target
from tests.unit.gateway.pgwire.test_violations import MALFORMED, PACKETS, framed

LANES = ("duckdb", "spark")


@pytest.fixture(autouse=True)
def unharmed(gateway: Target) -> Iterator[None]:
    """A session from before goes on, and a new one begins."""
    with gateway.connect() as before:
        yield
        assert before.execute("SELECT count(*) FROM tpch.region").fetchone() == (5,)
    with gateway.connect() as after:
        assert after.execute("SELECT count(*) FROM tpch.region").fetchone() == (5,)


@pytest.mark.parametrize(
    ("changes", "sqlstate"),
    [
        ({"password": "wrong"}, "28P01"),
        ({"user": "nobody_here"}, "28P01"),
        ({"user": "lakegate"}, "28P01"),
        ({"database": "nowhere"}, "3D000"),
        ({"database": "nowhere", "password": "wrong"}, "28P01"),
        ({"server_settings": {"no_such_setting": "1"}}, "42704"),
        ({"server_settings": {"datestyle": "nonsense"}}, "22023"),
    ],
)
async def test_a_login_that_fails(gateway: Target, changes: dict[str, object], sqlstate: str) -> None:
    with pytest.raises(asyncpg.PostgresError) as refusal:
        await asyncpg.connect(**{**arguments(gateway), "ssl": False, **changes})
    assert refusal.value.sqlstate == sqlstate


@pytest.mark.parametrize(("packet", "sqlstate", "text"), PACKETS)
async def test_a_bad_startup_packet(gateway: Target, packet: bytes, sqlstate: str, text: str) -> None:
    async with client_of(gateway) as client:
        client.writer.write(packet)
        client.writer.write_eof()
        said = await client.reader.read()
        assert not said or (said[:1] == b"E" and sqlstate.encode() in said and text.encode() in said)


@pytest.mark.parametrize("start", [b"", b"\0\0", b"\0\0\0\x08\x04", b"\0\0\x27\x10", b"GET / HTTP/1.1\r\n\r\n"])
async def test_a_startup_that_breaks_off(gateway: Target, start: bytes) -> None:
    async with client_of(gateway) as client:
        client.writer.write(start)
        client.writer.write_eof()
        said = await client.reader.read()
        assert said[:1] in (b"", b"E")


@pytest.mark.parametrize(
    "frame",
    [
        *(b"S" + length.to_bytes(4, "big") for length in (0, 3, 10_001, 2**31 - 1, 2**31, 2**32 - 1)),
        *(framed(code, b"x") for code in (b"a", b"\0", b"\xff", b"p", b"Z")),
    ],
)
async def test_a_broken_frame_ends_the_connection(gateway: Target, frame: bytes) -> None:
    """An impossible length, or a type that there is not."""
    async with client_of(gateway) as client:
        await log_in(client, gateway)
        client.writer.write(frame)
        said = await client.reader.read()
        assert said.startswith(b"E")
        assert b"VFATAL\0C08P01\0" in said


async def test_malformed_bodies_leave_the_session(gateway: Target) -> None:
    async with client_of(gateway) as client:
        await log_in(client, gateway)
        for code, body, sqlstate, text in MALFORMED:
            client.writer.write(framed(code, body))
            if code not in b"QFS":
                client.send(m.Sync())
            report = await client.receive_a(m.ErrorResponse)
            assert isinstance(report, m.ErrorResponse)
            assert (report.fields["C"], report.fields["M"]) == (sqlstate, text)
            assert await client.receive() == m.ReadyForQuery(b"I")


@pytest.mark.parametrize("relation", ["", " FROM tpch.region"])
@pytest.mark.parametrize(
    ("bind", "sqlstate"),
    [
        (m.Bind("", "", (), (), ()), "08P01"),
        (m.Bind("", "", (), (b"1", b"2"), ()), "08P01"),
        (m.Bind("", "", (0,), (b"x",), ()), "22P02"),
        (m.Bind("", "", (1,), (b"1",), ()), "08P01"),
        (m.Bind("", "", (), (b"1",), (0, 1, 0)), "08P01"),
        (m.Bind("", "missing", (), (b"1",), ()), "26000"),
    ],
)
async def test_a_bind_that_does_not_fit(gateway: Target, relation: str, bind: m.Bind, sqlstate: str) -> None:
    async with client_of(gateway) as client:
        await log_in(client, gateway)
        parse = m.Parse("", f"SELECT 1 + $1::integer{relation}", ())
        client.writer.write(b"".join(map(encode, (parse, bind, m.Describe("P", ""), m.Execute("", 0), m.Sync()))))
        report = await client.receive_a(m.ErrorResponse)
        assert isinstance(report, m.ErrorResponse)
        assert report.fields["C"] == sqlstate
        assert await asyncio.wait_for(client.receive(), 60) == m.ReadyForQuery(b"I")


@pytest.mark.parametrize("lane", LANES)
def test_statements_that_are_none(gateway: Target, lane: str) -> None:
    with gateway.connect() as connection:
        connection.execute(f"SET lakegate.lane = {lane}".encode())
        for statement, error in (
            ("SELEC 1", psycopg.errors.SyntaxError),
            ("SELECT * FROM tpch.region WHERE", psycopg.errors.SyntaxError),
            ("SELECT '", psycopg.errors.SyntaxError),
            ("SELECT * FROM tpch.nowhere", psycopg.errors.UndefinedTable),
            ("SELECT * FROM nowhere.region", psycopg.errors.UndefinedTable),
            ("SELECT nope(r_name) FROM tpch.region", psycopg.errors.UndefinedFunction),
            ("SELECT r_name::integer FROM tpch.region", psycopg.errors.InvalidTextRepresentation),
            ("SELECT 2147483647 + r_regionkey::integer + 1 FROM tpch.region", psycopg.errors.NumericValueOutOfRange),
            ("SELECT " + "(" * 20_000, psycopg.Error),
        ):
            with pytest.raises(error):
                connection.execute(statement.encode())
