"""However the bytes are cut, the same messages are read; whatever they are, nothing worse than an SqlError comes."""

import string
from collections.abc import Sequence
from itertools import pairwise

from hypothesis import example, given, settings
from hypothesis import strategies as st

from catalog.errors import SqlError
from gateway.pgwire import messages as m
from gateway.pgwire.codec import encode
from gateway.pgwire.connection import NEED_DATA, Connection, Message
from gateway.pgwire.errors import error_response
from gateway.pgwire.layout import frame
from gateway.pgwire.messages import FieldDescription, ProtocolVersion
from gateway.pgwire.state import Side, State

texts = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=30)
names = st.text(string.ascii_letters, min_size=1, max_size=10)
contents = st.binary(max_size=50)
oids = st.integers(0, 2**32 - 1)
int32 = st.integers(-(2**31), 2**31 - 1)
int16 = st.integers(-(2**15), 2**15 - 1)
formats = st.integers(0, 1)


def tuples(elements: st.SearchStrategy, size: int = 5) -> st.SearchStrategy:
    return st.lists(elements, max_size=size).map(tuple)


values = tuples(st.none() | contents)
binds = st.builds(m.Bind, texts, texts, tuples(formats, 1), values, tuples(formats))
frontend = st.one_of(
    st.builds(m.Query, texts),
    st.builds(m.Parse, texts, texts, tuples(oids)),
    binds,
    st.builds(m.Describe, st.sampled_from("SP"), texts),
    st.builds(m.Execute, texts, int32),
    st.builds(m.Close, st.sampled_from("SP"), texts),
    st.builds(m.FunctionCall, oids, contents),
    st.builds(m.CopyData, contents),
    st.builds(m.CopyFail, texts),
    st.sampled_from([m.Sync(), m.Flush(), m.CopyDone()]),
)
fields = st.builds(FieldDescription, texts, oids, int16, int32, formats, oids, int16)
reports = st.dictionaries(st.sampled_from("SVCMDHP"), texts.filter(bool))
backend = st.one_of(
    st.builds(m.ParameterStatus, texts, texts),
    st.builds(m.RowDescription, tuples(fields)),
    st.builds(m.ParameterDescription, tuples(oids)),
    st.builds(m.DataRow, values),
    st.builds(m.CommandComplete, texts),
    st.builds(m.NoticeResponse, reports),
    st.builds(m.NotificationResponse, int32, texts, texts),
    st.builds(m.FunctionCallResponse, st.none() | contents),
    st.builds(m.CopyOutResponse, formats, tuples(formats)),
    st.builds(m.ReadyForQuery, st.sampled_from([b"I", b"T", b"E"])),
    st.builds(m.CopyData, contents),
    st.sampled_from([m.ParseComplete(), m.BindComplete(), m.NoData(), m.PortalSuspended(), m.EmptyQueryResponse()]),
)
startups = st.builds(
    m.StartupMessage,
    st.builds(ProtocolVersion, st.just(3), st.integers(0, 9999)),
    st.dictionaries(names, texts, max_size=3).map(lambda more: {**more, "user": "ann"}),
    st.dictionaries(names.map("_pq_.{}".format), texts, max_size=2),
)


def cut(content: bytes, borders: Sequence[int]) -> list[bytes]:
    places = sorted({border % (len(content) + 1) for border in borders} | {0, len(content)})
    return [content[start:end] for start, end in pairwise(places)]


STOPPED = frozenset({State.FAILED, State.CLOSED, State.NEGOTIATING, State.AUTHENTICATING})
"""Where the backend would have to say something of its own."""


def read(connection: Connection, pieces: Sequence[bytes]) -> list[Message | tuple[str, str]]:
    """Messages and errors, in order, answered as a server would so that reading can go on."""
    found: list[Message | tuple[str, str]] = []
    for piece in pieces:
        connection.receive_data(piece)
        while connection.state not in STOPPED:
            try:
                message = connection.next_event()
                if message is NEED_DATA:
                    break
                found.append(message)
            except SqlError as error:
                found.append((error.sqlstate, str(error)))
                connection.send(error_response(error))
            if connection.state in (State.BUSY, State.SYNCING):
                connection.send(m.ReadyForQuery(b"I"))
    return found


def connection(state: State, side: Side = Side.SERVER) -> Connection:
    made = Connection(side)
    made.state = state
    return made


borders = st.lists(st.integers(0, 10_000), max_size=30)


@given(st.lists(frontend, max_size=20), borders)
def test_a_session_is_read_the_same_in_any_pieces(messages: list[Message], where: list[int]) -> None:
    content = b"".join(map(encode, messages))
    whole = read(connection(State.IDLE), [content])
    assert read(connection(State.IDLE), cut(content, where)) == whole
    copies = (m.CopyData, m.CopyDone, m.CopyFail)
    assert whole == [message for message in messages if not isinstance(message, copies)]


@given(st.lists(backend, max_size=20), borders)
def test_answers_are_read_the_same_in_any_pieces(messages: list[Message], where: list[int]) -> None:
    content = b"".join(map(encode, messages))
    assert read(connection(State.OPEN, Side.CLIENT), cut(content, where)) == messages


@given(st.lists(backend, max_size=20), borders)
def test_runs_are_the_bytes_that_came(messages: list[Message], where: list[int]) -> None:
    content = b"".join(map(encode, messages))
    client = connection(State.OPEN, Side.CLIENT)
    came = b""
    for piece in cut(content, where):
        client.receive_data(piece)
        while True:
            came += client.next_run()
            message = client.next_event()
            if message is NEED_DATA:
                break
            came += encode(message)
    assert came == content


@given(startups, borders)
def test_a_startup_packet_is_read_the_same_in_any_pieces(message: m.StartupMessage, where: list[int]) -> None:
    server = Connection()
    pieces = cut(encode(message), where)
    for piece in pieces[:-1]:
        server.receive_data(piece)
        assert server.next_event() is NEED_DATA
    server.receive_data(pieces[-1])
    assert server.next_event() == message


states = st.sampled_from([State.SASL_INITIAL, State.SASL_RESPONSE, State.PASSWORD, State.IDLE, State.COPY_IN])
frames = st.tuples(st.sampled_from(b"QPBDECSHFXdcfpZ\xff"), st.binary(max_size=40))
noise = st.binary(max_size=200) | st.lists(frames.map(lambda part: frame(bytes(part[:1]), part[1])), max_size=8).map(
    b"".join
)


@given(noise, borders, states)
@settings(max_examples=300)
def test_noise_is_read_the_same_in_any_pieces(content: bytes, where: list[int], state: State) -> None:
    whole, pieces = connection(state), connection(state)
    assert read(pieces, cut(content, where)) == read(whole, [content])
    assert pieces.state is whole.state


@given(st.binary(max_size=60) | st.binary(max_size=60).map(lambda body: frame(b"", body)))
@example(b"\x16")
def test_a_noisy_start_is_read_or_refused(content: bytes) -> None:
    server = Connection()
    found = read(server, [content])
    answered = found and found != [m.ClientHello(content)]
    assert server.state in STOPPED if answered else server.state is State.STARTUP
