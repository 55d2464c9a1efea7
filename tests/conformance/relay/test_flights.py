"""Statements that are launched without a task to wait for them: what lands whole, and what has to be opened."""

import asyncio
from collections.abc import Mapping

import pytest

from catalog.errors import DivisionByZero, QueryCanceled
from gateway.relay import BackendLost, Call, Flight, Relay, RelayLimits, RelaySession
from tests.conformance.relay.conftest import Metastore, Relays
from tests.conformance.relay.reading import fetch, query, read_rows, value
from tests.processes import until

SLEEP = "SELECT 'slept' FROM pg_sleep($1::float8)"


def call(sql: str, *values: bytes) -> Call:
    return Call(sql, values=values)


def ignore(flight: Flight) -> None:
    """Never called: for what is not launched."""
    raise AssertionError(flight)


class Launch:
    """One launched statement, and the moment when it lands."""

    def __init__(self, session: RelaySession, what: Call, variables: Mapping[str, str] | None = None) -> None:
        self._landed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.flight = session.launch(what, variables or {}, self._land)

    def _land(self, flight: Flight) -> None:
        assert flight is self.flight
        self._landed.set_result(None)

    async def landed(self) -> Flight:
        await asyncio.wait_for(self._landed, 60)
        assert self.flight is not None
        return self.flight


async def prepared(relay: Relay, sql: str, *values: bytes) -> RelaySession:
    """A session that has executed it once."""
    session = relay.open("alice", "lake")
    await query(session, sql, values)
    return session


async def test_a_known_statement_lands_whole(relay: Relay) -> None:
    session = await prepared(relay, "SELECT 6 * $1::int4", b"1")
    for factor in (7, 8):
        rows = (await Launch(session, call("SELECT 6 * $1::int4", b"%d" % factor)).landed()).answer()
        assert rows is not None
        assert read_rows(rows) == [(b"%d" % (6 * factor),)]
    assert await query(session, "SELECT 1") == [(b"1",)]


async def test_a_backend_that_was_stopped_by_a_long_answer_reads_again(relays: Relays) -> None:
    sql = "SELECT repeat('x', $1::int4)"
    session = await prepared(relays(RelayLimits(buffered_bytes=64)), sql, b"1")
    for _ in range(3):
        assert [len(cell or b"") for (cell,) in await query(session, sql, (b"2000",))] == [2000]
        assert (await Launch(session, call(sql, b"1")).landed()).answer() is not None


async def test_what_is_not_prepared_is_not_launched(relay: Relay) -> None:
    session = await prepared(relay, "SELECT 1")
    assert Launch(session, call("SELECT 2")).flight is None
    assert session.launch(call("SELECT 1"), {"search_path": "sales"}, ignore) is None
    assert relay.open("bob", "lake").launch(call("SELECT 1"), {}, ignore) is None
    assert (await Launch(session, call("SELECT 1")).landed()).answer() is not None


async def test_settings_that_differ_go_before(relay: Relay) -> None:
    sql, session = "SHOW DateStyle", relay.open("alice", "lake")
    styles = {"ISO, MDY": {}, "German, DMY": {"datestyle": "German, DMY"}, "SQL, YMD": {"datestyle": "SQL, YMD"}}
    for style, variables in styles.items():
        assert await value(session, sql, variables) == style
    for style, variables in (*styles.items(), *styles.items()):
        rows = (await Launch(session, call(sql), variables).landed()).answer()
        assert rows is not None
        assert read_rows(rows) == [(style.encode(),)]
    assert await value(relay.open("alice", "lake"), sql) == "ISO, MDY"


async def test_a_launched_statement_that_fails_leaves_no_setting_behind(relay: Relay) -> None:
    sql, german = "SELECT 1 / $1::int4", {"datestyle": "German, DMY"}
    session = relay.open("alice", "lake")
    await query(session, sql, (b"1",), german)
    await query(session, "SELECT 1")
    flight = await Launch(session, call(sql, b"0"), german).landed()
    assert flight.answer() is None
    with pytest.raises(DivisionByZero):
        await flight.open()
    assert await value(session, "SHOW DateStyle") == "ISO, MDY"


async def test_what_a_transaction_begins_with_is_not_set_in_it(relay: Relay) -> None:
    sql, session = "SHOW transaction_read_only", relay.open("alice", "lake")
    careful = {"default_transaction_read_only": "on"}
    assert await value(session, sql) == "off"
    assert await value(session, sql, careful) == "on"
    assert Launch(session, call(sql)).flight is None
    assert await value(session, sql) == "off"


async def test_nothing_is_launched_where_something_lives_on_the_backend(relay: Relay) -> None:
    session = await prepared(relay, "SELECT 1")
    await session.begin()
    assert Launch(session, call("SELECT 1")).flight is None
    await session.end(commit=False)
    await query(session, "CREATE TEMP TABLE t AS SELECT 1")
    assert Launch(session, call("SELECT 1")).flight is None


async def test_an_error_is_raised_where_it_is_opened(relay: Relay) -> None:
    session = await prepared(relay, "SELECT 1 / $1::int4", b"1")
    flight = await Launch(session, call("SELECT 1 / $1::int4", b"0")).landed()
    assert flight.answer() is None
    with pytest.raises(DivisionByZero):
        await flight.open()
    assert await query(session, "SELECT 1") == [(b"1",)]


async def test_several_reads_land_whole(relay: Relay) -> None:
    sql = "SELECT n, repeat('x', 100) FROM generate_series(1, $1::int4) n"
    session = await prepared(relay, sql, b"1")
    rows = (await Launch(session, call(sql, b"300")).landed()).answer()
    assert rows is not None
    assert len(read_rows(rows)) == 300


async def test_more_than_may_wait_is_fetched_as_always(relay: Relay) -> None:
    sql = "SELECT n, repeat('x', 100) FROM generate_series(1, $1::int4) n"
    session = await prepared(relay, sql, b"1")
    flight = await Launch(session, call(sql, b"100000")).landed()
    assert flight.answer() is None
    assert len(await fetch(await flight.open())) == 100_000
    assert await query(session, "SELECT 1") == [(b"1",)]


async def test_cancel(relay: Relay) -> None:
    session = await prepared(relay, SLEEP, b"0")
    launch = Launch(session, call(SLEEP, b"600"))
    assert launch.flight is not None
    launch.flight.cancel()
    flight = await launch.landed()
    assert flight.answer() is None
    portal = await flight.open()
    with pytest.raises(QueryCanceled):
        await fetch(portal)
    assert await query(session, SLEEP, (b"0",)) == [(b"slept",)]


async def test_one_that_nobody_waits_for_is_given_up(relay: Relay, metastore: Metastore) -> None:
    session = await prepared(relay, SLEEP, b"0")
    launch = Launch(session, call(SLEEP, b"600"))
    waiting: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    waiting.cancel()
    assert launch.flight is not None
    launch.flight.release(waiting)
    sleeping = "SELECT 1 FROM pg_stat_activity WHERE wait_event = 'PgSleep'"
    await asyncio.to_thread(until, lambda: metastore.fetch(sleeping) == [])
    assert await query(session, SLEEP, (b"0",)) == [(b"slept",)]


async def test_a_lost_backend(relay: Relay, metastore: Metastore) -> None:
    session = await prepared(relay, SLEEP, b"0")
    launch = Launch(session, call(SLEEP, b"600"))
    kill = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event = 'PgSleep'"
    await asyncio.to_thread(until, lambda: metastore.fetch(kill) == [(True,)])
    flight = await launch.landed()
    assert flight.answer() is None
    portal = await flight.open()
    with pytest.raises(BackendLost):
        await fetch(portal)
    assert await query(session, SLEEP, (b"0",)) == [(b"slept",)]
