"""Versions: what is spoken, what is negotiated, and what that means for the secret."""

import pytest

from gateway.pgwire import startup
from gateway.pgwire.codec import encode
from gateway.pgwire.connection import Connection
from gateway.pgwire.messages import NegotiateProtocolVersion, ProtocolVersion, StartupMessage


def asking(minor: int, **options: str) -> StartupMessage:
    return StartupMessage(ProtocolVersion(3, minor), {"user": "ann"}, options)


@pytest.mark.parametrize(
    ("message", "spoken", "answer"),
    [
        (asking(0), 0, None),
        (asking(1), 1, None),
        (asking(2), 2, None),
        (asking(3), 2, ()),
        (asking(9999, **{"_pq_.grease": "1"}), 2, ("_pq_.grease",)),
        (asking(0, **{"_pq_.a": "1", "_pq_.b": ""}), 0, ("_pq_.a", "_pq_.b")),
    ],
)
def test_negotiation(message: StartupMessage, spoken: int, answer: tuple[str, ...] | None) -> None:
    """As PostgreSQL 18 answers."""
    connection = Connection()
    connection.receive_data(encode(message))
    assert connection.next_event() == message
    assert connection.version == ProtocolVersion(3, spoken)
    expected = None if answer is None else NegotiateProtocolVersion(ProtocolVersion(3, spoken), answer)
    assert startup.negotiate(message) == expected


def test_secrets_are_long_where_clients_can_hold_them() -> None:
    assert [startup.has_long_secrets(ProtocolVersion(3, minor)) for minor in (0, 1, 2)] == [False, False, True]


def test_database_is_the_user_where_none_is_given() -> None:
    assert asking(0).database == "ann"
    message = StartupMessage(ProtocolVersion(3, 0), {"user": "ann", "database": "demo"}, {})
    assert (message.user, message.database) == ("ann", "demo")
