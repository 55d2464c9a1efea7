"""Every message, written and read: whole, one byte at a time, and with the next message's bytes behind it."""

import pytest

from gateway.pgwire import backend, codec, frontend
from gateway.pgwire import messages as m
from gateway.pgwire.connection import NEED_DATA, Message
from gateway.pgwire.errors import LocalProtocolError
from tests.unit.gateway.pgwire.pair import reader_of
from tests.unit.gateway.pgwire.samples import BACKEND, FRONTEND, PACKETS

SAMPLES = [(*sample, False) for sample in PACKETS + FRONTEND] + [(*sample, True) for sample in BACKEND]


def name(value: object) -> str | None:
    return type(value).__name__ if isinstance(value, m.FrontendMessage | m.BackendMessage) else None


@pytest.mark.parametrize(("message", "content", "from_backend"), SAMPLES, ids=name)
def test_message(message: Message, content: bytes, from_backend: bool) -> None:
    assert codec.encode(message) == content

    whole = reader_of(message, backend=from_backend)
    whole.receive_data(content)
    assert whole.next_event() == message
    assert whole.buffered == 0

    bytewise = reader_of(message, backend=from_backend)
    for at in range(len(content) - 1):
        bytewise.receive_data(content[at : at + 1])
        assert bytewise.next_event() is NEED_DATA
    bytewise.receive_data(content[-1:])
    assert bytewise.next_event() == message


@pytest.mark.parametrize(("message", "content", "from_backend"), SAMPLES, ids=name)
def test_message_with_trailing_bytes(message: Message, content: bytes, from_backend: bool) -> None:
    if isinstance(message, m.SSLRequest | m.GSSENCRequest | m.EncryptionResponse):
        content, trailing = content, b""  # what may follow these is a matter of its own
    else:
        trailing = b"Z\x00\x00"
    connection = reader_of(message, backend=from_backend)
    connection.receive_data(content + trailing)
    assert connection.next_event() == message
    assert connection.buffered == len(trailing)


def test_every_message_has_a_sample() -> None:
    assert {type(message) for message, _ in FRONTEND} == set(frontend.LAYOUTS)
    assert {type(message) for message, _ in BACKEND} == set(backend.LAYOUTS) | {m.EncryptionResponse}


def test_a_text_with_nul_is_not_sent() -> None:
    with pytest.raises(LocalProtocolError):
        codec.encode(m.CommandComplete("SEL\0ECT"))


def test_encoded_is_sent_as_it_is() -> None:
    assert codec.encode(m.Encoded(b"anything")) == b"anything"


@pytest.mark.parametrize("cut", range(1, 12))
def test_split_stops_before_a_message_that_is_cut_off(cut: int) -> None:
    whole = codec.encode(m.DataRow((b"1",))) * 3
    last = codec.encode(m.CommandComplete("SELECT 3"))
    assert codec.split(whole + last) == len(whole + last)
    assert codec.split(whole + last[:-cut]) == len(whole)


def test_split_stops_before_another_kind() -> None:
    run = codec.encode(m.ParseComplete()) + codec.encode(m.DataRow((None,)))
    assert codec.split(run + codec.encode(m.ReadyForQuery(b"I")) + run) == len(run)
    assert codec.split(b"xx" + run, 2) == 2 + len(run)
    assert codec.split(run, kinds=frozenset(b"1")) == len(codec.encode(m.ParseComplete()))


@pytest.mark.parametrize("length", [b"\x00\x00\x00\x03", b"\xff\xff\xff\xff", b"\x80\x00\x00\x00"])
def test_split_stops_before_an_impossible_length(length: bytes) -> None:
    assert codec.split(b"D" + length + b"abcdef") == 0
