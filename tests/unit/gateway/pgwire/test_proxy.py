"""The PROXY protocol: headers whole and in pieces, what is refused, and who may send one."""

import ipaddress

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.errors import ProtocolViolation
from gateway.pgwire import messages as m
from gateway.pgwire.codec import encode
from gateway.pgwire.messages import ProtocolVersion
from gateway.pgwire.proxy import LONGEST, SIGNATURE, Preface, trusts
from tests.unit.gateway.pgwire.doors import house, raw_client

LOOPBACK = (ipaddress.ip_network("127.0.0.0/8"),)
STARTUP = m.StartupMessage(ProtocolVersion(3, 0), {"user": "ann"}, {})


def header(
    source: str = "192.0.2.7", port: int = 4711, *, extensions: bytes = b"", command: int = 0x21, family: int = 0
) -> bytes:
    """As a balancer writes it; `family` zero means that of the address."""
    address = ipaddress.ip_address(source).packed
    body = address * 2 + port.to_bytes(2, "big") + (5432).to_bytes(2, "big") + extensions
    kind = family or (0x11 if len(address) == 4 else 0x21)
    return SIGNATURE + bytes([command, kind]) + len(body).to_bytes(2, "big") + body


@given(
    source=st.ip_addresses(),
    port=st.integers(0, 65535),
    extensions=st.lists(st.tuples(st.integers(0, 255), st.binary(max_size=40)), max_size=4),
    rest=st.binary(max_size=40),
    size=st.integers(1, 80),
)
def test_however_it_is_cut(
    source: object, port: int, extensions: list[tuple[int, bytes]], rest: bytes, size: int
) -> None:
    more = b"".join(bytes([kind]) + len(value).to_bytes(2, "big") + value for kind, value in extensions)
    content = header(str(source), port, extensions=more) + rest
    preface, own = Preface(), b""
    for at in range(0, len(content), size):
        piece = content[at : at + size]
        own += piece if preface.whole else preface.receive(piece)
    assert (preface.source, own) == ((str(source), port), rest)


@given(st.binary(max_size=80), st.integers(0, 40))
def test_whatever_comes(content: bytes, kept: int) -> None:
    preface = Preface()
    try:
        own = preface.receive(header()[:kept] + content)
    except ProtocolViolation:
        return
    assert preface.whole or own == b""


@pytest.mark.parametrize("content", [header(command=0x20), SIGNATURE + b"\x21\x00\x00\x00"])
def test_a_balancer_that_speaks_for_itself(content: bytes) -> None:
    preface = Preface()
    assert preface.receive(content + b"rest") == b"rest"
    assert preface.source is None


@pytest.mark.parametrize(
    ("content", "error"),
    [
        (b"PROXY TCP4 192.0.2.7 192.0.2.1 4711 5432\r\n", "version 1"),
        (b"P", "version 1"),
        (encode(STARTUP), "expected a PROXY protocol header"),
        (b"\x16\x03\x01", "expected a PROXY protocol header"),
        (SIGNATURE[:8] + b"x", "expected a PROXY protocol header"),
        (SIGNATURE + b"\x21\x11" + (LONGEST + 1).to_bytes(2, "big"), "too long"),
        (SIGNATURE + b"\x21\x11\x00\x04abcd", "too short"),
        (SIGNATURE + b"\x21\x21\x00\x0c" + bytes(12), "too short"),
        (header(command=0x31), "0x31"),
        (header(command=0x22), "0x22"),
        (header(family=0x12), "0x12"),
        (header(family=0x31), "0x31"),
        (header(extensions=b"\x04"), "cut off"),
        (header(extensions=b"\x04\x00\x09x"), "cut off"),
    ],
)
def test_what_is_refused(content: bytes, error: str) -> None:
    with pytest.raises(ProtocolViolation, match=error):
        Preface().receive(content)


@pytest.mark.parametrize(
    ("address", "trusted"),
    [("127.1.2.3", True), ("::ffff:127.0.0.1", True), ("10.0.0.1", False), ("::1", False), ("fe80::1%eth0", False)],
)
def test_who_is_trusted(address: str, trusted: bool) -> None:
    assert trusts(LOOPBACK, address) == trusted


async def test_the_clients_own_address_is_known() -> None:
    async with house(balancers=LOOPBACK) as at, raw_client(at) as client:
        client.write(header("2001:db8::1"), STARTUP)
        assert (await at.opened.get()).door.peer == ("2001:db8::1", 4711)


async def test_a_header_in_one_piece_with_the_request_for_tls() -> None:
    async with house(balancers=LOOPBACK) as at, raw_client(at) as client:
        client.write(header(), m.SSLRequest())
        assert await client.reader.readexactly(1) == b"N"


async def test_a_second_header_is_refused() -> None:
    async with house(balancers=LOOPBACK) as at, raw_client(at) as client:
        client.write(header(), header("192.0.2.8"))
        assert await client.error() == ("FATAL", "08P01", "invalid length of startup packet")
        assert await client.ended()


async def test_a_trusted_balancer_has_to_say_it() -> None:
    async with house(balancers=LOOPBACK) as at:
        with pytest.raises(psycopg.OperationalError, match="expected a PROXY protocol header"):
            await psycopg.AsyncConnection.connect(f"{at.conninfo} sslmode=disable")


async def test_an_untrusted_address_is_told() -> None:
    elsewhere = (ipaddress.ip_network("10.0.0.0/8"),)
    async with house(balancers=elsewhere) as at, raw_client(at) as client:
        client.write(header(), STARTUP)
        said = (await client.read_until(m.ErrorResponse))[-1]
        assert isinstance(said, m.ErrorResponse)
        assert "PROXY" in said.fields["D"]
        assert at.sessions == []


async def test_half_a_header_is_put_out() -> None:
    async with house(balancers=LOOPBACK, login_seconds=0.05) as at, raw_client(at) as client:
        client.write(header()[:20])
        assert await client.ended()
