"""What is written for a request, and which statements get a name."""

import pytest

from gateway.pgwire.connection import NEED_DATA, Connection
from gateway.pgwire.messages import (
    Bind,
    Close,
    Describe,
    Execute,
    Flush,
    FrontendMessage,
    Parse,
    Sync,
)
from gateway.pgwire.state import State
from gateway.relay.requests import FLUSH, Call, Request
from gateway.relay.statements import NamedStatements

SCOPE = "scope"


def read(request: Request) -> list[FrontendMessage]:
    """The messages, by the decoder of the protocol's other side."""
    connection = Connection()
    connection.state = State.EXTENDED
    connection.receive_data(bytes(request))
    messages: list[FrontendMessage] = []
    while (message := connection.next_event()) is not NEED_DATA:
        assert isinstance(message, FrontendMessage)
        messages.append(message)
        connection.state = State.EXTENDED
    return messages


def execute(statements: NamedStatements, call: Call, **more: str | int | bytes) -> list[FrontendMessage]:
    request = Request(statements)
    request.execute(call, SCOPE, **more)  # type: ignore[arg-type]
    return read(request)


def test_repeated_statement_is_bound_only() -> None:
    statements = NamedStatements(8, 1000)
    call = Call("SELECT $1", (25,), (0,), (b"x",), (1,))
    bind = Bind("", "lakegate_1", (0,), (b"x",), (1,))
    rest = [bind, Describe("P", ""), Execute("", 0), Sync()]
    assert execute(statements, call) == [Parse("lakegate_1", "SELECT $1", (25,)), *rest]
    assert execute(statements, call) == rest


def test_statement_without_parameters() -> None:
    statements = NamedStatements(8, 1000)
    first = execute(statements, Call("SELECT 1"))
    for formats in ((), (1,), (0,), ()):
        again = execute(statements, Call("SELECT 1", result_formats=formats))
        assert again == [Bind("", "lakegate_1", (), (), formats), *first[2:]]


def test_types_and_scope_are_apart() -> None:
    statements = NamedStatements(8, 1000)
    execute(statements, Call("SELECT $1", (25,), (), (b"1",)))
    assert execute(statements, Call("SELECT $1", (23,), (), (b"1",)))[0] == Parse("lakegate_2", "SELECT $1", (23,))
    request = Request(statements)
    request.execute(Call("SELECT $1", (25,), (), (b"1",)), "another scope")
    assert read(request)[0] == Parse("lakegate_3", "SELECT $1", (25,))


def test_long_and_present_texts_get_no_name() -> None:
    statements = NamedStatements(8, 20)
    for text in ("SELECT 'now'::date", "SELECT date 'TODAY'", "SELECT " + "1" * 30):
        for _ in range(2):
            assert execute(statements, Call(text))[0] == Parse("", text, ())
    assert execute(statements, Call("SELECT now()"))[0] == Parse("lakegate_1", "SELECT now()", ())


def test_least_recently_used_statement_makes_room() -> None:
    statements = NamedStatements(2, 1000)
    for text in ("SELECT 1", "SELECT 2", "SELECT 1"):
        execute(statements, Call(text))
    messages = execute(statements, Call("SELECT 3"))
    assert messages[:2] == [Close("S", "lakegate_2"), Parse("lakegate_3", "SELECT 3", ())]
    assert not isinstance(execute(statements, Call("SELECT 1"))[0], Parse)


def test_portal_that_outlives_its_request() -> None:
    messages = execute(NamedStatements(2, 1000), Call("SELECT 1"), portal="p", max_rows=5, end=FLUSH)
    assert messages[1:] == [Bind("p", "lakegate_1", (), (), ()), Describe("P", "p"), Execute("p", 5), Flush()]


def test_settings_come_first_and_only_those_that_differ() -> None:
    request = Request(NamedStatements(8, 1000))
    request.apply({"a": "1", "b": "2", "c": "3"}, {"a": "1", "b": "9"})
    request.execute(Call("SELECT 1"), SCOPE)
    bound = [message.parameters for message in read(request) if isinstance(message, Bind)]
    assert bound == [(b"c", None), (b"b", b"9"), ()]
    assert (request.sets, request.skipped) == (True, 2)


def test_same_settings_write_nothing() -> None:
    request = Request(NamedStatements(8, 1000))
    request.apply({"a": "1"}, {"a": "1"})
    assert bytes(request) == b""
    assert not request.sets


def test_what_fails_is_prepared_again_also_behind_what_is_not_kept() -> None:
    """PostgreSQL tells how many it has parsed, of whichever kind."""
    request = Request(NamedStatements(2, 100))
    request.command("BEGIN")
    for place in range(3):
        request.once(f"SAVEPOINT s{place}")
    request.execute(Call("SELECT 1"), SCOPE)
    messages = read(request)
    texts = [message.sql for message in messages if isinstance(message, Parse)]
    assert texts == ["BEGIN", "SAVEPOINT s0", "SAVEPOINT s1", "SAVEPOINT s2", "SELECT 1"]
    assert request.parses == [("BEGIN", (), None), None, None, None, ("SELECT 1", (), SCOPE)]
    assert not any(isinstance(message, Close) for message in messages)


def test_unknown_settings_are_reset_first() -> None:
    request = Request(NamedStatements(8, 1000))
    request.apply(None, {"a": "1"})
    texts = [message.sql for message in read(request) if isinstance(message, Parse)]
    assert texts[:3] == ["RESET SESSION AUTHORIZATION", "RESET ROLE", "RESET ALL"]
    assert request.skipped == 4


@pytest.mark.parametrize(("goes_on", "name"), [(False, "lakegate_1"), (True, "")])
def test_a_constant_of_the_plan_stays_in_its_transaction(goes_on: bool, name: str) -> None:
    request = Request(NamedStatements(8, 1000), goes_on=goes_on)
    request.execute(Call("SELECT lakegate.each_has_table_privilege(lakegate.held('SELECT'), oid) FROM pg_class"), SCOPE)
    assert [message.statement for message in read(request) if isinstance(message, Parse)] == [name]
