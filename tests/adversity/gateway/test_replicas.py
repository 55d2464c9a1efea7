"""Two gateways on one metastore, behind a balancer that knows nothing: what a client asks of any session, it gets."""

import secrets
import socket
import ssl
import struct
from collections.abc import Iterator
from contextlib import ExitStack

import psycopg
import pytest
from psycopg.pq import TransactionStatus

from gateway.pgwire.codec import encode
from gateway.pgwire.messages import CancelRequest, SSLRequest
from tests.fix_replicas import Replicas
from tests.processes import busier, machines_of, until
from tests.storm import LONG, SHORT, Seen, outcome, send, settle, storm
from tests.target import Target

SLEEP = "SELECT pg_sleep(600)"
STRANGER = "127.0.0.9"
"""An address whose wrong keys are not counted against the tests' own."""


@pytest.fixture
def user(replicas: Replicas) -> Iterator[Target]:
    """Somebody who is no admin."""
    name, password = f"user{secrets.token_hex(4)}", secrets.token_urlsafe()
    with replicas.first.connect() as admin:
        admin.execute(f"CREATE ROLE {name} LOGIN PASSWORD '{password}'".encode())
        yield replicas.first.as_user(name, password)
        admin.execute(f"DROP ROLE {name}".encode())


@pytest.mark.parametrize("version", ["3.0", "3.2"])
def test_a_cancel_request_lands_anywhere(replicas: Replicas, version: str) -> None:
    """A balancer that takes turns leads each request to the gateway that does not have the session."""
    with replicas.second.connect() as watching:
        for _ in range(4):
            with replicas.balancer.connect(max_protocol_version=version) as connection:
                pid = connection.info.backend_pid
                assert connection.execute("SELECT pg_backend_pid()").fetchone() == (pid,)
                send(watching, connection, SLEEP)
                connection.cancel_safe(timeout=60)
                assert outcome(connection) == "57014"
                assert connection.execute("SELECT 1").fetchone() == (1,)


def request_cancel(target: Target, pid: int, secret: bytes) -> bytes:
    """What the server answers, up to the end of the connection."""
    with socket.create_connection((target.host, target.port), source_address=(STRANGER, 0)) as plain:
        plain.sendall(encode(SSLRequest()))
        assert plain.recv(1) == b"S"
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        with context.wrap_socket(plain) as secured:
            secured.sendall(encode(CancelRequest(pid, secret)))
            return secured.recv(1)


def test_wrong_keys_cancel_nothing_and_are_told_nothing(replicas: Replicas) -> None:
    with replicas.first.connect() as connection, replicas.second.connect() as watching:
        pid = connection.info.backend_pid
        send(watching, connection, "SELECT pg_sleep(3)")
        for target in (replicas.first, replicas.second):
            for secret in (secrets.token_bytes(length) for length in (4, 4, 36, 56, 88, 256)):
                assert request_cancel(target, pid, secret) == b""
            for number in (0, 1, 77, 1023):
                assert request_cancel(target, struct.unpack(">i", struct.pack(">I", number << 21))[0], b"1234") == b""
        assert outcome(connection) is None


def test_sessions_of_all_gateways_are_seen(replicas: Replicas, user: Target) -> None:
    query = "SELECT count(*) FILTER (WHERE query = %s), count(DISTINCT pid) FROM pg_stat_activity WHERE usename = %s"
    with ExitStack() as stack:
        sessions = [stack.enter_context(replicas.balancer.as_user(user.user, user.password).connect()) for _ in "1234"]
        for session in sessions:
            session.execute("SELECT 'seen'")
        for target in (replicas.first, replicas.second):
            with target.connect() as watching:
                assert watching.execute(query, ("SELECT 'seen'", user.user)).fetchone() == (4, 4)
    with replicas.second.connect() as watching:
        until(lambda: watching.execute(query, ("", user.user)).fetchone() == (0, 0))


@pytest.mark.parametrize("begin", ["", "BEGIN"])
def test_supersets_stop_ends_a_session_of_another_gateway(replicas: Replicas, begin: str) -> None:
    """Superset asks in a block that it never commits."""
    with replicas.first.connect() as connection, replicas.second.connect() as other:
        pid = connection.info.backend_pid
        send(other, connection, SLEEP)
        other.execute(begin.encode())
        stop = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid='{pid}'"
        assert other.execute(stop.encode()).fetchall() == [(True,)]
        assert outcome(connection) == "57P01"
        assert other.info.transaction_status is (TransactionStatus.INTRANS if begin else TransactionStatus.IDLE)


def test_pg_cancel_backend_reaches_another_gateway(replicas: Replicas) -> None:
    with replicas.first.connect() as connection, replicas.second.connect() as other:
        send(other, connection, SLEEP)
        assert other.execute("SELECT pg_cancel_backend(%s)", (connection.info.backend_pid,)).fetchone() == (True,)
        assert outcome(connection) == "57014"
        assert connection.execute("SELECT 1").fetchone() == (1,)


def test_who_may_signal_whom(replicas: Replicas, user: Target) -> None:
    """One's own sessions and, for an admin, everybody's; wherever they are."""
    second = replicas.second.as_user(user.user, user.password)
    with replicas.first.connect() as admin, user.connect() as own, second.connect() as asking:
        for function, what in (("pg_cancel_backend", "cancel query"), ("pg_terminate_backend", "terminate process")):
            with pytest.raises(psycopg.errors.InsufficientPrivilege, match=f"permission denied to {what}"):
                asking.execute(f"SELECT {function}(%s)".encode(), (admin.info.backend_pid,))
        query = "SELECT query, state, client_addr FROM pg_stat_activity WHERE pid = %s"
        assert asking.execute(query, (admin.info.backend_pid,)).fetchone() == ("<insufficient privilege>", None, None)
        for asker in (asking, admin):
            send(asking, own, SLEEP)
            assert asker.execute("SELECT pg_cancel_backend(%s)", (own.info.backend_pid,)).fetchone() == (True,)
            assert outcome(own) == "57014"
        assert asking.execute("SELECT pg_cancel_backend(1)").fetchone() == (False,)


def test_what_a_stranger_sees_is_what_postgresql_shows(replicas: Replicas, user: Target, postgres: Target) -> None:
    """The columns that are NULL for somebody without the session's privileges."""
    query = "SELECT row_to_json(a) FROM pg_stat_activity a WHERE pid = %s"
    hidden = []
    with postgres.connect() as root:
        root.execute(f"CREATE ROLE {user.user} LOGIN PASSWORD '{user.password}'".encode())
    for owner, stranger in ((postgres, postgres.as_user(user.user, user.password)), (replicas.first, user)):
        with owner.connect() as watched, stranger.connect() as watching:
            watched.execute("SELECT 1")
            (row,) = watching.execute(query, (watched.info.backend_pid,)).fetchone() or ({},)
            hidden.append({name for name, value in row.items() if value is None})
            assert row["query"] == "<insufficient privilege>"
    assert hidden[0] == hidden[1]
    with postgres.connect() as root:
        root.execute(f"DROP ROLE {user.user}".encode())


def test_a_listener_whose_backend_ends_is_told(replicas: Replicas) -> None:
    heard: list[str | None] = []
    with replicas.first.connect() as listener, replicas.metastore.connect() as root:
        listener.add_notice_handler(lambda error: heard.append(error.message_primary))
        listener.execute("LISTEN jobs")
        kept = "usename = 'admin' AND query LIKE '%pg_listening_channels%' AND pid <> pg_backend_pid()"
        ended = root.execute(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {kept}".encode())
        assert ended.fetchall() == [(True,)], "the gateway asks the backend whether it listens, before it keeps it"
        with pytest.raises(psycopg.OperationalError):
            list(listener.notifies(timeout=60, stop_after=1))
    assert heard == ["terminating connection because the metastore has ended the one that listens for it"]


@pytest.mark.parametrize("lane", ["duckdb", "spark"])
def test_a_machine_stops_when_the_request_lands_elsewhere(replicas: Replicas, lane: str) -> None:
    with replicas.first.connect() as watching, replicas.balancer.connect() as connection:
        connection.execute(f"SET lakegate.lane = {lane}".encode())
        connection.execute("SELECT count(*) FROM tpch.region")
        works = busier([machine for pid in replicas.pids for machine in machines_of(lane, pid)], 0.2)
        send(watching, connection, LONG)
        until(works)
        connection.cancel_safe(timeout=60)
        assert outcome(connection) == "57014"
    settle(replicas)


def check(seen: Seen) -> None:
    """Each request landed, or its statement had ended."""
    assert {state for statement, state in seen if statement == LONG} == {"57014"}
    assert {state for statement, state in seen if statement == SHORT} <= {"57014", None}


def test_cancels_at_random_moments_leave_nothing_running(replicas: Replicas) -> None:
    check(storm(replicas, 30))
    settle(replicas)


@pytest.mark.soak
def test_many_cancels_at_random_moments_leave_nothing_running(replicas: Replicas) -> None:
    check(storm(replicas, 200))
    settle(replicas)
