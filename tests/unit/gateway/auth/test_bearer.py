"""OAUTHBEARER: what a client may say, what it hears, and what is refused."""

import json

import pytest

from catalog.errors import InvalidAuthorizationSpecification, ProtocolViolation
from gateway.auth.bearer import BearerServer
from gateway.auth.exchange import Continue, Failure, Inquire, NoProof, Success
from gateway.auth.token import Issuer

ISSUER = Issuer("corporate", "https://login.example", "lakegate", ("*",), scope="openid email")


def server() -> BearerServer:
    return BearerServer("ann", ISSUER)


@pytest.mark.parametrize(
    "message",
    [
        b"n,,\x01auth=Bearer abc.def\x01\x01",
        b"y,,\x01auth=bearer  abc.def\x01\x01",
        b"n,,\x01host=a\x01port=1\x01auth=Bearer abc.def\x01\x01",
    ],
)
def test_a_token_is_asked_about(message: bytes) -> None:
    exchange = server()
    assert exchange.exchange(message) == Inquire("abc.def")
    assert exchange.conclude(accepted=True) == Success()


def test_a_refused_token_is_answered_with_where_to_get_one() -> None:
    exchange = server()
    exchange.exchange(b"n,,\x01auth=Bearer abc\x01\x01")
    status = exchange.conclude(accepted=False)
    assert isinstance(status, Continue)
    assert json.loads(status.content) == {
        "status": "invalid_token",
        "openid-configuration": "https://login.example/.well-known/openid-configuration",
        "scope": "openid email",
    }
    failure = exchange.exchange(b"\x01")
    assert isinstance(failure, Failure)
    assert type(failure.error) is InvalidAuthorizationSpecification
    assert str(failure.error) == 'OAuth bearer authentication failed for user "ann"'


def test_discovery_is_no_guess() -> None:
    exchange = server()
    assert isinstance(exchange.exchange(b"n,,\x01auth=\x01\x01"), Continue)
    failure = exchange.exchange(b"\x01")
    assert isinstance(failure, Failure)
    assert isinstance(failure.error, NoProof)


def test_a_client_that_sends_nothing_first_is_asked() -> None:
    assert server().exchange(b"") == Continue(b"")


@pytest.mark.parametrize(
    "message",
    [
        b"n,,\x01auth=Bearer abc\x01",
        b"n,,auth=Bearer abc\x01\x01",
        b"n,a=bob,\x01auth=Bearer abc\x01\x01",
        b"p=tls-server-end-point,,\x01auth=Bearer abc\x01\x01",
        b"p,,\x01auth=Bearer abc\x01\x01",
        b"x,,\x01auth=Bearer abc\x01\x01",
        b"n,,\x01\x01",
        b"n,,\x01host=a\x01\x01",
        b"n,,\x01auth=Bearer abc\x01auth=Bearer def\x01\x01",
        b"n,,\x01auth=Basic abc\x01\x01",
        b"n,,\x01auth=Bearer a b\x01\x01",
        b"n,,\x01auth=Bearer \xff\x01\x01",
        b"\x01",
    ],
)
def test_a_malformed_message(message: bytes) -> None:
    failure = server().exchange(message)
    assert isinstance(failure, Failure)
    assert isinstance(failure.error, ProtocolViolation)


def test_a_client_that_does_not_take_a_refusal() -> None:
    exchange = server()
    exchange.exchange(b"n,,\x01auth=\x01\x01")
    failure = exchange.exchange(b"n,,\x01auth=Bearer abc\x01\x01")
    assert isinstance(failure, Failure)
    assert isinstance(failure.error, ProtocolViolation)
