"""What a peer can do wrong: broken frames end the connection, bad bodies are answered and the session goes on."""

import pytest

from catalog.errors import ProtocolViolation, SqlError
from gateway.pgwire import messages as m
from gateway.pgwire.codec import encode
from gateway.pgwire.connection import Connection
from gateway.pgwire.errors import LocalProtocolError, error_response
from gateway.pgwire.state import Side, State
from tests.unit.gateway.pgwire.pair import STARTUP, connection_in

LOGIN = (State.SASL_INITIAL, State.SASL_RESPONSE, State.PASSWORD)
SESSION = (State.IDLE, State.EXTENDED, State.SKIPPING, State.COPY_IN, State.EXTENDED_COPY_IN)


def framed(code: bytes, body: bytes) -> bytes:
    return code + (len(body) + 4).to_bytes(4, "big") + body


def failure(connection: Connection, content: bytes) -> SqlError:
    connection.receive_data(content)
    with pytest.raises(SqlError) as caught:
        connection.next_event()
    return caught.value


def assert_ends(connection: Connection, error: SqlError) -> None:
    """Nothing is read any more, the error can be sent, and then nothing can."""
    assert error.severity == "FATAL"
    with pytest.raises(LocalProtocolError):
        connection.next_event()
    assert connection.send(error_response(error))
    assert connection.state is State.CLOSED


@pytest.mark.parametrize("state", SESSION)
@pytest.mark.parametrize("code", [b"a", b"\0", b"\xff", b"p", b"Z"])
def test_unknown_type(state: State, code: bytes) -> None:
    connection = connection_in(state)
    error = failure(connection, framed(code, b"x"))
    text = f"invalid frontend message type {code[0]}"
    if state in (State.COPY_IN, State.EXTENDED_COPY_IN):
        text = f"unexpected message type 0x{code[0]:02X} during COPY from stdin"
    assert (error.sqlstate, str(error)) == ("08P01", text)
    assert_ends(connection, error)


@pytest.mark.parametrize("state", LOGIN)
def test_another_message_than_the_dialogue_asks_for(state: State) -> None:
    expected = "password" if state is State.PASSWORD else "SASL"
    connection = connection_in(state)
    error = failure(connection, encode(m.Query("select 1")))
    assert (error.sqlstate, str(error)) == ("08P01", f"expected {expected} response, got message type 81")
    assert_ends(connection, error)


@pytest.mark.parametrize("length", [0, 3, 16_385, 2**31 - 1, 2**31, 2**32 - 1])
@pytest.mark.parametrize("state", LOGIN)
def test_impossible_length_before_login(state: State, length: int) -> None:
    connection = connection_in(state)
    error = failure(connection, b"p" + length.to_bytes(4, "big"))
    assert (error.sqlstate, str(error)) == ("08P01", "invalid message length")
    assert_ends(connection, error)


@pytest.mark.parametrize("length", [0, 3, 10_001, 2**31 - 1, 2**31, 2**32 - 1])
@pytest.mark.parametrize("state", [State.IDLE, State.EXTENDED, State.SKIPPING])
def test_impossible_length(state: State, length: int) -> None:
    connection = connection_in(state)
    error = failure(connection, b"S" + length.to_bytes(4, "big"))
    assert (error.sqlstate, str(error)) == ("08P01", "invalid message length")
    assert_ends(connection, error)


@pytest.mark.parametrize(
    "body", [b"", b"SCRAM-SHA-256", b"S\0", b"S\0\0\0\0\x09x", b"S\0\0\0\0\x01xy", b"\xff\0\0\0\0\0"]
)
def test_malformed_login_ends_the_connection(body: bytes) -> None:
    connection = connection_in(State.SASL_INITIAL)
    error = failure(connection, framed(b"p", body))
    assert error.sqlstate == "08P01"
    assert_ends(connection, error)


NO_NUL = "invalid string in message"
SHORT = "insufficient data left in message"
TRAILING = "invalid message format"
NOT_UTF8 = 'invalid byte sequence for encoding "UTF8": '
MALFORMED = [
    (b"Q", b"select 1", "08P01", NO_NUL),
    (b"Q", b"select 1\0x", "08P01", TRAILING),
    (b"Q", b"", "08P01", NO_NUL),
    (b"Q", b"'\xff'\0", "22021", NOT_UTF8 + "0xff"),
    (b"Q", b"'\xc3('\0", "22021", NOT_UTF8 + "0xc3 0x28"),
    (b"Q", b"\xed\xa0\x80\0", "22021", NOT_UTF8 + "0xed 0xa0 0x80"),
    (b"Q", b"\xf0\x9f\0", "22021", NOT_UTF8 + "0xf0 0x9f"),
    (b"P", b"\0select 1", "08P01", NO_NUL),
    (b"P", b"\0select 1\0", "08P01", SHORT),
    (b"P", b"\0select 1\0\xff\xff", "08P01", SHORT),
    (b"P", b"\0select 1\0\0\x05", "08P01", SHORT),
    (b"P", b"\0select 1\0\0\0x", "08P01", TRAILING),
    (b"P", b"\xff\0select 1\0\0\0", "22021", NOT_UTF8 + "0xff"),
    (b"B", b"\0\0\0\0\0\x01\xff\xff\xff\xfe\0\0", "08P01", SHORT),
    (b"B", b"\0\0\0\0\0\x01\0\0\0\xc8\0\0", "08P01", SHORT),
    (b"B", b"\0\0\0\0\xff\xff\0\0", "08P01", SHORT),
    (b"B", b"\0\0\xff\xff\0\0", "08P01", SHORT),
    (b"B", b"\0\0\0\0\0\x01\0\0\0\x01a\0\0xx", "08P01", TRAILING),
    (
        b"B",
        b"\0\0\0\x02\0\0\0\0\0\x01\0\0\0\x01a\0\0",
        "08P01",
        "bind message has 2 parameter formats but 1 parameters",
    ),
    (b"B", b"\0\0\0\x01\0\x07\0\x01\0\0\0\x01a\0\0", "22023", "unsupported format code: 7"),
    (b"B", b"\0\0\0\0\0\0\0\x01\xff\xff", "22023", "unsupported format code: -1"),
    (b"D", b"X\0", "08P01", "invalid DESCRIBE message subtype 88"),
    (b"D", b"", "08P01", "no data left in message"),
    (b"C", b"X\0", "08P01", "invalid CLOSE message subtype 88"),
    (b"E", b"\0", "08P01", SHORT),
    (b"E", b"\0\0\0\0\0x", "08P01", TRAILING),
    (b"F", b"", "08P01", SHORT),
    (b"S", b"abc", "08P01", TRAILING),
    (b"H", b"x", "08P01", TRAILING),
]


@pytest.mark.parametrize(("code", "body", "sqlstate", "text"), MALFORMED)
def test_malformed_body(code: bytes, body: bytes, sqlstate: str, text: str) -> None:
    """The next message is read as if nothing had been: after Sync where the protocol is the extended one."""
    connection = connection_in(State.IDLE)
    error = failure(connection, framed(code, body))
    assert (error.sqlstate, error.severity, str(error)) == (sqlstate, "ERROR", text)
    connection.send(error_response(error))
    if code in b"QFS":
        connection.send(m.ReadyForQuery(b"I"))
        connection.receive_data(encode(m.Query("select 1")))
        assert connection.next_event() == m.Query("select 1")
    else:
        connection.receive_data(encode(m.Query("select 1")) + encode(m.Sync()))
        assert connection.next_event() == m.Sync()


UNSUPPORTED = "unsupported frontend protocol {}: server supports 3.0 to 3.2"
LAYOUT = "invalid startup packet layout: expected terminator as last byte"
LENGTH = "invalid length of startup packet"
V3 = b"\x00\x03\x00\x00"
PACKETS = [
    (b"\x00\x00\x00\x03", "08P01", LENGTH),
    (b"\x00\x00\x00\x04", "08P01", LENGTH),
    (b"\x00\x00\x00\x07abc", "08P01", LENGTH),
    (b"\x00\x00\x27\x11", "08P01", LENGTH),
    (b"\xff\xff\xff\xff", "08P01", LENGTH),
    (b"GET / HTTP/1.1\r\n\r\n", "08P01", LENGTH),
    (b"\x00\x00\x00\x09\x04\xd2\x16\x2fx", "08P01", LENGTH),
    (b"\x00\x00\x00\x08" + V3, "08P01", LAYOUT),
    (b"\x00\x00\x00\x13" + V3 + b"user\0ann\0\0x", "08P01", LAYOUT),
    (b"\x00\x00\x00\x11" + V3 + b"user\0ann\0", "08P01", LAYOUT),
    (b"\x00\x00\x00\x0e" + V3 + b"user\0\0", "08P01", LAYOUT),
    (b"\x00\x00\x00\x09" + V3 + b"\0", "28000", "no PostgreSQL user name specified in startup packet"),
    (b"\x00\x00\x00\x0f" + V3 + b"user\0\0\0", "28000", "no PostgreSQL user name specified in startup packet"),
    (b"\x00\x00\x00\x10" + V3 + b"user\0\xff\0\0", "22021", NOT_UTF8 + "0xff"),
    (b"\x00\x00\x00\x09\x00\x02\x00\x00\0", "0A000", UNSUPPORTED.format("2.0")),
    (b"\x00\x00\x00\x09\x00\x04\x00\x00\0", "0A000", UNSUPPORTED.format("4.0")),
    (b"\x00\x00\x00\x0f\x04\xd2\x16\x2e\0\0\0\x01abc", "08P01", "invalid length of cancel request packet"),
    (b"\x00\x00\x01\x0d\x04\xd2\x16\x2e\0\0\0\x01" + b"k" * 257, "08P01", "invalid length of cancel request packet"),
]


@pytest.mark.parametrize(("packet", "sqlstate", "text"), PACKETS)
def test_bad_startup_packet(packet: bytes, sqlstate: str, text: str) -> None:
    connection = Connection()
    error = failure(connection, packet)
    assert (error.sqlstate, str(error)) == (sqlstate, text)
    assert_ends(connection, error)


@pytest.mark.parametrize("request_", [m.SSLRequest(), m.GSSENCRequest()])
def test_nothing_may_be_stuffed_before_encryption(request_: m.FrontendMessage) -> None:
    """Plain bytes behind the request would be taken for what came through TLS (CVE-2021-23214, CVE-2021-23222)."""
    server = Connection()
    error = failure(server, encode(request_) + encode(STARTUP))
    assert str(error) == "received unencrypted data after SSL request"
    assert_ends(server, error)

    client = Connection(Side.CLIENT)
    client.send(request_)
    assert str(failure(client, b"S" + encode(m.AuthenticationOk()))) == "received unencrypted data after SSL response"


@pytest.mark.parametrize("request_", [m.SSLRequest(), m.GSSENCRequest()])
def test_encryption_is_not_asked_for_twice(request_: m.FrontendMessage) -> None:
    server = Connection()
    server.receive_data(encode(m.SSLRequest()))
    server.next_event()
    server.send(m.EncryptionResponse(b"S"))
    assert server.encrypted
    error = failure(server, encode(request_))
    assert str(error).startswith("unsupported frontend protocol 1234.56")


def test_a_client_refuses_an_answer_that_is_none() -> None:
    client = Connection(Side.CLIENT)
    client.send(m.SSLRequest())
    assert isinstance(failure(client, b"E"), ProtocolViolation)


@pytest.mark.parametrize("method", [2, 5, 7, 9])
def test_a_client_refuses_other_authentication(method: int) -> None:
    client = connection_in(State.AUTHENTICATING, Side.CLIENT)
    error = failure(client, framed(b"R", method.to_bytes(4, "big")))
    assert error.sqlstate == "0A000"


@pytest.mark.parametrize(
    "content",
    [
        framed(b"Z", b"X"),
        framed(b"T", b"\0\x01a\0"),
        framed(b"D", b"\0\x01\0\0\0\x05a"),
        framed(b"v", b"\0\x03\0\0\x7f\xff\xff\xff"),
        framed(b"E", b"Sno end"),
        framed(b"G", b""),
        framed(b"1", b"x"),
        framed(b"?", b""),
    ],
)
def test_a_client_refuses_malformed_answers(content: bytes) -> None:
    state = State.AUTHENTICATING if content[:1] == b"v" else State.OPEN
    assert isinstance(failure(connection_in(state, Side.CLIENT), content), ProtocolViolation)
