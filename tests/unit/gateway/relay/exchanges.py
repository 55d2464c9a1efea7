"""Exchanges that were answered, made from the messages of an answer."""

from gateway.pgwire.codec import encode
from gateway.pgwire.messages import CommandComplete, ErrorResponse, FieldDescription, PortalSuspended, RowDescription
from gateway.relay.exchange import Exchange


def answered(tag: str, *, rows: bool) -> Exchange:
    """A statement that has succeeded, with or without a result set."""
    exchange = Exchange()
    if rows:
        exchange.feed(encode(RowDescription((FieldDescription("a", 23, 4),))))
    exchange.feed(encode(CommandComplete(tag)))
    return exchange


def failed(sqlstate: str) -> Exchange:
    exchange = Exchange()
    exchange.feed(encode(ErrorResponse({"S": "ERROR", "C": sqlstate, "M": "canceled", "P": "7"})))
    return exchange


def suspended() -> Exchange:
    exchange = Exchange()
    exchange.feed(encode(PortalSuspended()))
    return exchange
