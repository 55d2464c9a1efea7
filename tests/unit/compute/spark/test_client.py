"""What a session says once it is closed; what it says to a real server is in the engine's conformance."""

import pytest

from compute.spark.client import ConnectError, ConnectSession, Execution, Server


@pytest.fixture
def execution() -> Execution:
    """A statement of a session that is closed. Nobody listens there."""
    session = ConnectSession(Server("127.0.0.1:1", "token"))
    execution = session.execute("SELECT 1")
    session.close()
    return execution


def test_a_closed_session_is_lost(execution: Execution) -> None:
    with pytest.raises(ConnectError) as caught:
        execution.session.execute("SELECT 1")
    assert caught.value.lost
    with pytest.raises(ConnectError):
        execution.session.analyze("SELECT 1")
    with pytest.raises(ConnectError):
        execution.cancel()


def test_a_statement_of_a_closed_session_is_swept_no_more(execution: Execution) -> None:
    assert not execution.sweep()


def test_a_session_closes_once(execution: Execution) -> None:
    execution.session.close()
