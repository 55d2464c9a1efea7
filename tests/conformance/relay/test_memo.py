"""The memo gives PostgreSQL's own answers again, and only where they must be the same."""

import pytest

from catalog.types import Oid
from gateway.relay import Relay, RelayAnswer, RelayLimits, RelaySession
from tests.conformance.relay.conftest import Relays
from tests.conformance.relay.reading import query, read_rows


def recall(
    session: RelaySession, sql: str, values: tuple[bytes | None, ...] = (), **variables: str
) -> RelayAnswer | None:
    return session.recall(sql, (), (), values, (), variables)


async def test_same_answer_again(relay: Relay) -> None:
    session, other = relay.open("alice", "lake"), relay.open("alice", "lake")
    assert recall(session, "SELECT 1, 'x'") is None
    portal = await session.execute("SELECT 1, 'x'", (), (), (), (), {}, immutable=True)
    rows = portal.take_answer()
    first = recall(session, "SELECT 1, 'x'")
    assert first is not None
    assert recall(other, "SELECT 1, 'x'") == first
    assert first.rows + first.complete == rows
    assert first.row_description == portal.description
    assert (first.tag, first.row_count, read_rows(first.rows)) == ("SELECT 1", 1, [(b"1", b"x")])


async def test_only_what_is_called_immutable(relay: Relay) -> None:
    session = relay.open("alice", "lake")
    await query(session, "SELECT 1")
    assert recall(session, "SELECT 1") is None


async def test_settings_parameters_and_formats_are_apart(relay: Relay) -> None:
    session = relay.open("alice", "lake")
    sql = "SELECT '\\x6162'::bytea || $1"
    assert await query(session, sql, (b"\\x63",), immutable=True) == [(b"\\x616263",)]
    assert recall(session, sql, (b"\\x63",)) is not None
    assert recall(session, sql, (b"\\x64",)) is None
    assert recall(session, sql, (None,)) is None
    assert recall(session, sql, (b"\\x63",), bytea_output="escape") is None
    assert session.recall(sql, (Oid.BYTEA,), (), (b"\\x63",), (), {}) is None
    assert session.recall(sql, (), (), (b"\\x63",), (1,), {}) is None
    assert session.recall(sql, (), (1,), (b"\\x63",), (), {}) is None
    assert relay.open("bob", "lake").recall(sql, (), (), (b"\\x63",), (), {}) is None
    escaped = await query(session, sql, (b"\\x63",), {"bytea_output": "escape"}, immutable=True)
    assert escaped == [(b"abc",)]
    hex_again = recall(session, sql, (b"\\x63",))
    assert hex_again is not None
    assert read_rows(hex_again.rows) == [(b"\\x616263",)]


async def test_settings_that_cannot_matter_are_shared(relay: Relay) -> None:
    session = relay.open("alice", "lake")
    await query(session, "SELECT 1", variables={"application_name": "psql"}, immutable=True)
    assert recall(session, "SELECT 1", application_name="pgjdbc", statement_timeout="5s") is not None


@pytest.mark.parametrize(
    ("sql", "values"),
    [
        ("SELECT 'now'::timestamptz", ()),
        ("SELECT date 'Tomorrow'", ()),
        ("SELECT $1::timestamptz", (b"now",)),
        ("SELECT $1::date", (b" TODAY ",)),
    ],
)
async def test_the_present_is_not_kept(relay: Relay, sql: str, values: tuple[bytes, ...]) -> None:
    session = relay.open("alice", "lake")
    await query(session, sql, values, immutable=True)
    assert recall(session, sql, values) is None


async def test_errors_are_not_kept(relay: Relay) -> None:
    session = relay.open("alice", "lake")
    for _ in range(2):
        with pytest.raises(Exception, match="division by zero"):
            await query(session, "SELECT 1/0", immutable=True)
        assert recall(session, "SELECT 1/0") is None


async def test_bounded(relays: Relays) -> None:
    session = relays(RelayLimits(memo_bytes=3000, memo_answer_bytes=500)).open("alice", "lake")
    await query(session, "SELECT repeat('x', 600)", immutable=True)
    assert recall(session, "SELECT repeat('x', 600)") is None
    for number in range(10):
        await query(session, f"SELECT {number}", immutable=True)
    kept = [number for number in range(10) if recall(session, f"SELECT {number}") is not None]
    assert kept
    assert kept == list(range(10))[-len(kept) :]
    assert len(kept) < 10


async def test_temp_schema_is_apart(relay: Relay) -> None:
    session = relay.open("alice", "lake")
    sql = "SELECT to_regclass('mine') IS NULL"
    assert await query(session, sql, immutable=True) == [(b"t",)]
    await query(session, "CREATE TEMP TABLE mine (a int)")
    assert recall(session, sql) is None
