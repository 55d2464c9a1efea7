"""LISTEN and NOTIFY: the gateway relays what PostgreSQL does."""

from collections.abc import Iterator

import psycopg
import pytest

from tests.target import Target

Connection = psycopg.Connection


@pytest.fixture(params=["gateway", "postgres"])
def target(request: pytest.FixtureRequest) -> Target:
    found = request.getfixturevalue(request.param)
    assert isinstance(found, Target)
    return found


@pytest.fixture
def listener(target: Target) -> Iterator[Connection]:
    with target.connect() as connection:
        yield connection


@pytest.fixture
def speaker(target: Target) -> Iterator[Connection]:
    with target.connect() as connection:
        yield connection


def heard(connection: Connection, count: int) -> list[tuple[str, str]]:
    """The next that come while the client says nothing."""
    return [(one.channel, one.payload) for one in connection.notifies(timeout=60, stop_after=count)]


def heard_by_now(connection: Connection) -> list[tuple[str, str]]:
    """What came with a statement's answer."""
    connection.execute("SELECT 1")
    return [(one.channel, one.payload) for one in connection.notifies(timeout=0)]


def test_an_idle_session_hears_at_once(listener: Connection, speaker: Connection) -> None:
    listener.execute("LISTEN jobs")
    listener.execute('LISTEN "Größe"')
    speaker.execute("NOTIFY jobs, 'first'")
    assert heard(listener, 1) == [("jobs", "first")]
    speaker.execute("SELECT pg_notify('Größe', 'zweite'), pg_notify('nobody', 'x')")
    speaker.execute("NOTIFY jobs")
    assert heard(listener, 2) == [("Größe", "zweite"), ("jobs", "")]


def test_a_session_knows_its_own_notification(listener: Connection, speaker: Connection) -> None:
    listener.execute("LISTEN jobs")
    listener.execute("NOTIFY jobs, 'mine'")
    speaker.execute("NOTIFY jobs, 'yours'")
    mine, yours = listener.notifies(timeout=60, stop_after=2)
    assert (mine.payload, mine.pid == listener.info.backend_pid) == ("mine", True)
    assert (yours.payload, yours.pid == listener.info.backend_pid) == ("yours", False)


def test_blocks_notify_when_they_commit(listener: Connection, speaker: Connection) -> None:
    listener.execute("BEGIN")
    listener.execute("LISTEN jobs")
    listener.execute("COMMIT")
    for end in ("ROLLBACK", "COMMIT"):
        speaker.execute("BEGIN")
        speaker.execute(f"NOTIFY jobs, '{end}'".encode())
        speaker.execute(end.encode())
    assert heard(listener, 1) == [("jobs", "COMMIT")]


def test_nothing_is_heard_in_the_midst_of_a_block(listener: Connection, speaker: Connection) -> None:
    listener.execute("LISTEN jobs")
    listener.execute("BEGIN")
    listener.execute("SELECT now()")
    speaker.execute("NOTIFY jobs, 'meanwhile'")
    assert heard_by_now(listener) == []
    listener.execute("COMMIT")
    assert heard(listener, 1) == [("jobs", "meanwhile")]


@pytest.mark.parametrize("end", ["UNLISTEN jobs", "UNLISTEN *", "DISCARD ALL"])
def test_channels_end(listener: Connection, speaker: Connection, end: str) -> None:
    listener.execute("LISTEN jobs")
    listener.execute(end.encode())
    speaker.execute("NOTIFY jobs, 'x'")
    assert heard_by_now(listener) == []
    assert listener.execute("SELECT * FROM pg_listening_channels()").fetchall() == []


def test_repeated_statements_hear_too(listener: Connection, speaker: Connection) -> None:
    """Cycles that are answered as a whole are not answered with what was notified beside them."""
    listener.execute("LISTEN jobs")
    for number in range(5):
        speaker.execute(f"NOTIFY jobs, '{number}'".encode())
        assert heard(listener, 1) == [("jobs", str(number))]
        assert heard_by_now(listener) == []


def test_listening_survives_other_work(gateway: Target) -> None:
    with gateway.connect() as listener, gateway.connect() as speaker:
        listener.execute("LISTEN jobs")
        assert listener.execute("SELECT count(*) FROM tpch.region").fetchone() == (5,)
        speaker.execute("NOTIFY jobs, 'after'")
        assert heard(listener, 1) == [("jobs", "after")]


def test_the_gateways_own_channels_are_reserved(gateway: Target) -> None:
    with gateway.connect() as connection:
        for statement in ("LISTEN lakegate_signal", "NOTIFY lakegate_signal, '[]'", "SELECT pg_notify('lakegate', '')"):
            with pytest.raises(psycopg.errors.ReservedName, match="is reserved"):
                connection.execute(statement.encode())
