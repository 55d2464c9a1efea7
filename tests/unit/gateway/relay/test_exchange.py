"""Answers taken apart, whatever pieces they come in."""

from collections.abc import Iterable

import pytest

from gateway.pgwire.codec import encode
from gateway.pgwire.messages import (
    BackendMessage,
    BindComplete,
    CommandComplete,
    CopyOutResponse,
    DataRow,
    EmptyQueryResponse,
    ErrorResponse,
    FieldDescription,
    NoData,
    NoticeResponse,
    ParameterDescription,
    ParameterStatus,
    ParseComplete,
    PortalSuspended,
    ReadyForQuery,
    RowDescription,
)
from gateway.relay.answers import RelayAnswer, read_description
from gateway.relay.exchange import Exchange

COLUMN = RowDescription((FieldDescription("a", 23, 4),))
ROWS = (DataRow((b"1",)), DataRow((b"22",)), DataRow((None,)))
READY = ReadyForQuery(b"I")
SELECT = (ParseComplete(), BindComplete(), COLUMN, *ROWS, CommandComplete("SELECT 3"), READY)


def join(messages: Iterable[BackendMessage]) -> bytes:
    return b"".join(map(encode, messages))


def feed(exchange: Exchange, stream: bytes, piece: int) -> None:
    """As a backend does: what is left of a piece comes before the next."""
    rest = b""
    for at in range(0, len(stream), piece):
        rest += stream[at : at + piece]
        rest = rest[exchange.feed(rest) :]
    assert rest == b""


@pytest.mark.parametrize("piece", [1, 2, 3, 7, 1000])
def test_any_pieces_give_the_same(piece: int) -> None:
    exchange = Exchange()
    feed(exchange, join(SELECT), piece)
    assert exchange.take() == join(ROWS)
    assert exchange.take() == b""
    assert exchange.description == encode(COLUMN)
    assert exchange.complete == encode(CommandComplete("SELECT 3"))
    assert (exchange.parsed, exchange.status, exchange.ended, exchange.error) == (1, ord("I"), True, b"")


def test_answers_to_our_own_commands_are_dropped() -> None:
    ours = (BindComplete(), DataRow((b"UTC",)), CommandComplete("SELECT 1"))
    exchange = Exchange(skipped=2)
    exchange.feed(join((*ours, BindComplete(), CommandComplete("BEGIN"), *SELECT)))
    assert exchange.take() == join(ROWS)
    assert exchange.complete == encode(CommandComplete("SELECT 3"))


def test_error_in_our_own_commands_is_kept() -> None:
    error = ErrorResponse({"C": "22023", "M": "no"})
    exchange = Exchange(skipped=1)
    exchange.feed(join((error, READY)))
    assert (exchange.error, exchange.ended) == (encode(error), True)


def test_notices_keep_their_place() -> None:
    notice = NoticeResponse({"M": "look"})
    exchange = Exchange()
    exchange.feed(join((COLUMN, ROWS[0], notice, ROWS[1])))
    assert exchange.take() == join((ROWS[0], notice, ROWS[1]))
    assert exchange.noticed
    assert not exchange.ended


def test_settings_are_not_forwarded() -> None:
    exchange = Exchange()
    exchange.feed(join((ROWS[0], ParameterStatus("TimeZone", "UTC"), ROWS[1])))
    assert exchange.take() == join(ROWS[:2])
    assert exchange.changed


def test_discarded_rows_are_not_kept() -> None:
    exchange = Exchange()
    exchange.feed(join(ROWS))
    exchange.discard()
    assert exchange.buffered == 0
    exchange.feed(join((*ROWS, CommandComplete("SELECT 6"), READY)))
    assert (exchange.take(), exchange.ended) == (b"", True)


@pytest.mark.parametrize(
    ("message", "name"),
    [(PortalSuspended(), "suspended"), (NoData(), "no_data"), (CopyOutResponse(0, (0,)), "copying")],
)
def test_marks(message: BackendMessage, name: str) -> None:
    exchange = Exchange()
    assert not getattr(exchange, name)
    exchange.feed(encode(message))
    assert getattr(exchange, name)


def test_empty_query() -> None:
    exchange = Exchange()
    exchange.feed(join((ParseComplete(), BindComplete(), NoData(), EmptyQueryResponse(), READY)))
    assert RelayAnswer(b"", b"", exchange.complete).tag == ""
    assert exchange.executed


def test_description() -> None:
    exchange = Exchange()
    exchange.feed(join((ParseComplete(), ParameterDescription((20, 25)), COLUMN)))
    described = read_description(exchange)
    assert described.parameters == (20, 25)
    assert [(column.name, column.type.oid) for column in described.columns or ()] == [("a", 23)]
    assert described.row_description == encode(COLUMN)
    assert exchange.described
    assert not exchange.executed
