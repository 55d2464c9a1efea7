"""What an answered exchange means: an error to raise, state left behind, an answer that may be given again."""

import re

from catalog.errors import FeatureNotSupported, ProgramLimitExceeded, SqlError
from gateway.pgwire.codec import HEADER_SIZE
from gateway.relay.answers import read_tag
from gateway.relay.backend import IDLE
from gateway.relay.exchange import Exchange
from gateway.relay.reports import BackendLost, StatementTimeout, read_report, relayed_error
from gateway.relay.requests import Call, Request
from gateway.relay.statements import PRESENT

_CANCELED = "57014"
_STATELESS_TAGS = frozenset(
    {"", "INSERT", "UPDATE", "DELETE", "MERGE", "COPY", "BEGIN", "COMMIT", "ROLLBACK", "NOTIFY"}
)
_READ_TAGS = (b"SELECT", b"SHOW", b"FETCH")
_ANALYZES = re.compile(r"analy[sz]e|U&", re.IGNORECASE)
"""The option by which EXPLAIN executes, and how any name can be written otherwise."""
_SETTING_TAGS = (b"ROLLBACK", b"SET", b"RESET", b"DISCARD")


def error_of(exchange: Exchange, *, overdue: bool) -> SqlError | None:
    """The error to raise for an exchange that was answered. `overdue`: the relay's own timer cancelled it."""
    if exchange.oversized:
        return ProgramLimitExceeded(
            f"a row of {exchange.oversized} bytes is too long to be relayed", hint="Select a part of the value."
        )
    if exchange.copying:
        return FeatureNotSupported("COPY cannot be relayed to the metastore")
    report = read_report(exchange.error) if exchange.error else {}
    if overdue and (exchange.lost or report.get("C") == _CANCELED):
        return StatementTimeout(
            "canceling statement due to the gateway's bound on what PostgreSQL does for one",
            hint="It is no statement_timeout: an operator sets metastore.statement_seconds in the warehouse file.",
        )
    if exchange.lost:
        return BackendLost("the metastore ended the connection of this statement", detail=report.get("M"))
    return relayed_error(report) if exchange.error else None


def leaves_state(exchange: Exchange, call: Call | None) -> bool:
    """Whether the statement may have made or dropped something that lives on the backend.

    CREATE TABLE AS and SELECT INTO answer with SELECT's tag but without rows; EXPLAIN ANALYZE may hide either.
    """
    if exchange.description and exchange.complete.startswith(_READ_TAGS, HEADER_SIZE):
        return False
    tag = read_tag(exchange.complete)
    if tag == "EXPLAIN" and call is not None:
        return _ANALYZES.search(call.text) is not None
    return tag.partition(" ")[0] not in _STATELESS_TAGS


def listens(exchange: Exchange) -> bool:
    """Whether notifications may come from now on."""
    return read_tag(exchange.complete) == "LISTEN"


def changes_settings(exchange: Exchange) -> bool:
    """Whether the backend's settings are not those any more that the session's variables made."""
    return exchange.complete.startswith(_SETTING_TAGS, HEADER_SIZE)


def is_plain(exchange: Exchange, request: Request) -> bool:
    """Whether it is over and was rows and nothing more: nothing to raise, to continue or to take note of. Settings of
    ours that it began with PostgreSQL reports at its end."""
    return (
        exchange.status == IDLE
        and not (exchange.error or exchange.lost or exchange.copying or exchange.suspended)
        and (request.sets or not exchange.changed)
        and not leaves_state(exchange, request.call)
        and not changes_settings(exchange)
    )


def is_repeatable(call: Call, exchange: Exchange) -> bool:
    """Whether an immutable statement's answer may be kept: no notice, and no value that means the present moment."""
    return (
        bool(exchange.description)
        and not (exchange.noticed or exchange.suspended)
        and read_tag(exchange.complete).startswith("SELECT")
        and not PRESENT.search(call.text)
        and not any(value is not None and _names_present(value) for value in call.values)
    )


def _names_present(value: bytes) -> bool:
    return PRESENT.search(value.decode("latin-1")) is not None
