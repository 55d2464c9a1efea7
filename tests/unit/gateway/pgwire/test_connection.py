"""Who may say what, and when: conversations run through both sides, and the states they pass."""

import pytest

from gateway.pgwire import messages as m
from gateway.pgwire.codec import encode
from gateway.pgwire.connection import NEED_DATA, Connection, Message
from gateway.pgwire.errors import LocalProtocolError
from gateway.pgwire.layout import LARGE_LIMIT
from gateway.pgwire.messages import ProtocolVersion
from gateway.pgwire.state import BACKEND, DROPPED, FRONTEND, Side, State
from tests.unit.gateway.pgwire.pair import STARTUP, ConnectionPair, connection_in, read_all

ERROR = m.ErrorResponse({"S": "ERROR", "V": "ERROR", "C": "42601", "M": "no"})
FATAL = m.ErrorResponse({"S": "FATAL", "V": "FATAL", "C": "57P01", "M": "go"})
COPY_IN = m.CopyInResponse(0, (0,))
BIND = m.Bind("", "", (), (), ())

SCRIPTS: dict[str, list[tuple[Message, State]]] = {
    "log-in": [
        (m.SSLRequest(), State.NEGOTIATING),
        (m.EncryptionResponse(b"N"), State.STARTUP),
        (STARTUP, State.AUTHENTICATING),
        (m.NegotiateProtocolVersion(ProtocolVersion(3, 2), ()), State.AUTHENTICATING),
        (m.AuthenticationSASL(("SCRAM-SHA-256",)), State.SASL_INITIAL),
        (m.SASLInitialResponse("SCRAM-SHA-256", b"n,,"), State.AUTHENTICATING),
        (m.AuthenticationSASLContinue(b"r="), State.SASL_RESPONSE),
        (m.SASLResponse(b"c="), State.AUTHENTICATING),
        (m.AuthenticationSASLFinal(b"v="), State.AUTHENTICATING),
        (m.AuthenticationOk(), State.STARTING),
        (m.ParameterStatus("a", "b"), State.STARTING),
        (m.BackendKeyData(1, b"abcd"), State.STARTING),
        (m.ReadyForQuery(b"I"), State.IDLE),
    ],
    "password": [
        (STARTUP, State.AUTHENTICATING),
        (m.AuthenticationCleartextPassword(), State.PASSWORD),
        (m.PasswordMessage("x"), State.AUTHENTICATING),
        (FATAL, State.CLOSED),
    ],
    "cancel": [(m.CancelRequest(1, b"abcd"), State.CLOSED)],
}

SESSIONS: dict[str, list[tuple[Message, State]]] = {
    "simple": [
        (m.Query("select 1"), State.BUSY),
        (m.RowDescription(()), State.BUSY),
        (m.CommandComplete("SELECT 1"), State.BUSY),
        (ERROR, State.BUSY),
        (m.ReadyForQuery(b"I"), State.IDLE),
        (m.NoticeResponse({}), State.IDLE),
        (m.Terminate(), State.CLOSED),
    ],
    "extended": [
        (m.Parse("", "select 1", ()), State.EXTENDED),
        (m.ParseComplete(), State.EXTENDED),
        (BIND, State.EXTENDED),
        (m.BindComplete(), State.EXTENDED),
        (m.Describe("P", ""), State.EXTENDED),
        (m.NoData(), State.EXTENDED),
        (m.Execute("", 1), State.EXTENDED),
        (m.PortalSuspended(), State.EXTENDED),
        (m.Close("P", ""), State.EXTENDED),
        (m.CloseComplete(), State.EXTENDED),
        (m.Flush(), State.EXTENDED),
        (m.Sync(), State.SYNCING),
        (m.ReadyForQuery(b"T"), State.IDLE),
    ],
    "error in the extended protocol": [
        (m.Parse("", "select", ()), State.EXTENDED),
        (ERROR, State.SKIPPING),
        (m.NoticeResponse({}), State.SKIPPING),
        (m.Sync(), State.SYNCING),
        (m.ReadyForQuery(b"E"), State.IDLE),
    ],
    "leaving while skipping": [(BIND, State.EXTENDED), (ERROR, State.SKIPPING), (m.Terminate(), State.CLOSED)],
    "query without sync before": [
        (BIND, State.EXTENDED),
        (m.Query("select 1"), State.BUSY),
        (m.ReadyForQuery(b"I"), State.IDLE),
    ],
    "fast path": [
        (m.FunctionCall(1, b""), State.BUSY),
        (m.FunctionCallResponse(b"1"), State.BUSY),
        (m.ReadyForQuery(b"I"), State.IDLE),
    ],
    "copy in": [
        (m.Query("copy t from stdin"), State.BUSY),
        (COPY_IN, State.COPY_IN),
        (m.CopyData(b"1\n"), State.COPY_IN),
        (m.CopyDone(), State.BUSY),
        (m.ReadyForQuery(b"I"), State.IDLE),
    ],
    "copy in, extended, failing": [
        (m.Execute("", 0), State.EXTENDED),
        (COPY_IN, State.EXTENDED_COPY_IN),
        (m.CopyFail("no"), State.EXTENDED),
        (ERROR, State.SKIPPING),
    ],
    "copy in, extended, refused": [
        (m.Execute("", 0), State.EXTENDED),
        (COPY_IN, State.EXTENDED_COPY_IN),
        (ERROR, State.SKIPPING),
    ],
    "copy out": [
        (m.Query("copy t to stdout"), State.BUSY),
        (m.CopyOutResponse(0, (0,)), State.BUSY),
        (m.ReadyForQuery(b"I"), State.IDLE),
    ],
    "shutdown": [(FATAL, State.CLOSED)],
}


@pytest.mark.parametrize("script", SCRIPTS)
def test_start(script: str) -> None:
    pair = ConnectionPair()
    for message, state in SCRIPTS[script]:
        pair.say(message)
        assert pair.server.state is state
        assert pair.client.state is (State.OPEN if state is State.IDLE else state)


@pytest.mark.parametrize("script", SESSIONS)
def test_session(script: str) -> None:
    pair = ConnectionPair()
    pair.log_in()
    for message, state in SESSIONS[script]:
        pair.say(message)
        assert pair.server.state is state
        assert pair.client.state is (State.CLOSED if state is State.CLOSED else State.OPEN)


@pytest.mark.parametrize("state", State)
def test_what_is_not_in_the_table_is_not_sent(state: State) -> None:
    """Every backend message in every state: sent where the table has it, refused with the state unchanged elsewhere."""
    for message in (ERROR, m.ReadyForQuery(b"I"), m.ParseComplete(), m.AuthenticationOk(), COPY_IN, m.Encoded(b"")):
        connection = connection_in(state)
        if type(message) in BACKEND.get(state, {}):
            connection.send(message)
            assert connection.state is BACKEND[state][type(message)]
        else:
            with pytest.raises(LocalProtocolError, match=state.name):
                connection.send(message)
            assert connection.state is state


@pytest.mark.parametrize("state", [state for state in State if state not in FRONTEND])
def test_the_frontend_waits_its_turn(state: State) -> None:
    connection = connection_in(state)
    connection.receive_data(encode(m.Sync()))
    with pytest.raises(LocalProtocolError, match=state.name):
        connection.next_event()


def test_a_pipeline_waits_in_the_buffer() -> None:
    connection = connection_in(State.IDLE)
    connection.receive_data(encode(m.Query("a")) + encode(m.Query("b")))
    assert connection.next_event() == m.Query("a")
    assert connection.buffered == len(encode(m.Query("b")))
    connection.send(m.ReadyForQuery(b"I"))
    assert connection.next_event() == m.Query("b")


def test_all_up_to_sync_is_dropped_after_an_error() -> None:
    connection = connection_in(State.EXTENDED)
    connection.send(ERROR)
    dropped: tuple[Message, ...] = (BIND, m.Execute("", 0), m.Query("x"), m.Flush(), m.CopyData(b"x"), m.Close("S", ""))
    connection.receive_data(b"".join(map(encode, dropped)) + b"P\x00\x00\x00\x07bad" + encode(m.Sync()))
    assert connection.next_event() == m.Sync()
    assert connection.buffered == 0


def test_the_rest_of_a_failed_copy_is_dropped() -> None:
    connection = connection_in(State.IDLE)
    connection.receive_data(b"".join(map(encode, (m.CopyData(b"x"), m.CopyDone(), m.CopyFail("y"), m.Sync()))))
    assert connection.next_event() == m.Sync()


def test_flush_and_sync_mean_nothing_during_copy() -> None:
    connection = connection_in(State.COPY_IN)
    connection.receive_data(b"".join(map(encode, (m.Flush(), m.Sync(), m.CopyData(b"x")))))
    assert connection.next_event() == m.CopyData(b"x")
    assert set(DROPPED[State.COPY_IN]) == {m.Flush, m.Sync}


def test_a_client_reads_answers_in_a_row_and_in_runs() -> None:
    client = connection_in(State.OPEN, Side.CLIENT)
    run = encode(m.ParseComplete()) + encode(m.BindComplete()) + encode(m.DataRow((b"1",)))
    client.receive_data(run[:7])
    client.receive_data(run[7:] + encode(m.ReadyForQuery(b"I")) + run[:3])
    assert client.next_run() == run
    assert client.next_run() == b""
    assert read_all(client) == [m.ReadyForQuery(b"I")]
    client.receive_data(run[3:])
    assert client.next_run() == run


def test_a_client_may_send_ahead() -> None:
    client = connection_in(State.OPEN, Side.CLIENT)
    pipeline: tuple[Message, ...] = (m.Parse("", "select 1", ()), BIND, m.Execute("", 0), m.Sync(), m.Query("select 2"))
    sent = b"".join(client.send(message) for message in pipeline)
    server = connection_in(State.IDLE)
    server.receive_data(sent)
    for message in pipeline:
        assert server.next_event() == message
        if server.state in (State.SYNCING, State.BUSY):
            server.send(m.ReadyForQuery(b"I"))


def test_a_large_message_in_pieces() -> None:
    connection = connection_in(State.IDLE)
    content = encode(m.Query("x" * 1_000_000))
    for at in range(0, len(content), 1000):
        assert connection.next_event() is NEED_DATA
        connection.receive_data(content[at : at + 1000])
    assert connection.next_event() == m.Query("x" * 1_000_000)


def test_a_message_above_the_limit_is_refused_by_its_header() -> None:
    connection = Connection()
    connection.state = State.IDLE
    connection.receive_data(b"Q" + LARGE_LIMIT.to_bytes(4, "big"))
    assert connection.next_event() is NEED_DATA
    connection = connection_in(State.IDLE)
    connection.receive_data(b"Q" + (LARGE_LIMIT + 1).to_bytes(4, "big"))
    with pytest.raises(Exception, match="invalid message length"):
        connection.next_event()
    assert connection.state is State.FAILED
