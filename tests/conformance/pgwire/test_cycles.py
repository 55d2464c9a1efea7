"""Whole cycles, sent again and again in any order, on one session or on several that know what each has learned, are
answered as a real PostgreSQL answers them each time."""

from collections.abc import Iterator
from contextlib import ExitStack

import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.pgwire import messages as m
from tests.conformance.pgwire.client import DESCRIBE, EXECUTE, SYNC, Client, bind, client_of, cycle, parse
from tests.processes import until
from tests.target import Target

ONE = "SELECT 1 AS one"
RELATION = "SELECT relname, relkind FROM pg_catalog.pg_class WHERE relname = 'pg_proc'"
BYTES = "SELECT '\\x6162'::bytea, current_setting('bytea_output')"
HELD = "SELECT {} FROM pg_catalog.pg_locks WHERE relation = 'pg_catalog.pg_ts_parser'::regclass"
FAILS = HELD.format("1 / count(*)")
"""Fails while nobody holds a lock on that catalog."""
ROWS = HELD.format("generate_series(1, 5 * count(*))")
"""Five rows for each who holds one."""
SLEEPS = HELD.format("pg_sleep(600 * count(*))")
"""Does so while somebody does."""


def run(sql: str) -> bytes:
    return cycle(parse(sql), bind(), DESCRIBE, EXECUTE, SYNC)


CYCLES = [
    *(cycle(m.Query(sql)) for sql in (ONE, RELATION, BYTES, "", "SELEC 1", f"{ONE}; {RELATION}", FAILS)),
    *(run(sql) for sql in (ONE, RELATION, BYTES, FAILS)),
    cycle(bind(), DESCRIBE, EXECUTE, SYNC),
    cycle(bind(result_formats=(1,)), EXECUTE, SYNC),
    cycle(m.Describe("S", ""), SYNC),
    cycle(SYNC),
    cycle(parse("SELECT $1::int4 + 1"), bind("", b"41"), EXECUTE, SYNC),
    cycle(parse(RELATION), bind(), m.Execute("", 1), EXECUTE, SYNC),
    cycle(parse(RELATION), bind(), EXECUTE, bind(), EXECUTE, SYNC),
    cycle(parse(ONE, "named"), SYNC),
    cycle(parse(RELATION, "named"), SYNC),
    cycle(bind("named"), DESCRIBE, EXECUTE, SYNC),
    cycle(m.Close("S", "named"), SYNC),
    *(cycle(m.Query(sql)) for sql in ("DEALLOCATE ALL", "DISCARD ALL")),
    *(cycle(m.Query(sql)) for sql in ("SET bytea_output = escape", "RESET bytea_output", "BEGIN", "COMMIT")),
    *(cycle(m.Query(sql)) for sql in ("SET TimeZone = 'Asia/Tokyo'", "SET TimeZone = 'UTC'", "SHOW TimeZone")),
    *(cycle(m.Query(sql)) for sql in ("SET bytea_output = hex; SET TimeZone = 'UTC'", "SET bytea_output = no")),
    *(run(sql) for sql in ("SET bytea_output = escape", "SET LOCAL bytea_output = escape")),
    *(run(f"SET SESSION CHARACTERISTICS AS TRANSACTION READ {mode}") for mode in ("ONLY", "WRITE")),
    run("SET bytea_output = hex").removesuffix(cycle(SYNC)) + run(BYTES),
    cycle(m.Query(ONE)) * 2,
    run(RELATION) + cycle(m.Query(RELATION)),
    run(ONE) + cycle(m.Flush()),
]


@settings(max_examples=30, deadline=None)
@given(cycles=st.lists(st.tuples(st.integers(0, 2), st.sampled_from(CYCLES)), min_size=20, max_size=60))
def test_any_order(gateway: Target, oracle: Target, cycles: list[tuple[int, bytes]]) -> None:
    with ExitStack() as stack:
        sessions = [(stack.enter_context(client_of(gateway)), stack.enter_context(client_of(oracle))) for _ in range(3)]
        for number, content in cycles:
            client, other = sessions[number]
            assert client.ask(content) == other.ask(content)


@pytest.mark.parametrize("content", CYCLES)
def test_each_on_new_sessions(gateway: Target, oracle: Target, content: bytes) -> None:
    for _ in range(4):
        with client_of(gateway) as client, client_of(oracle) as other:
            assert client.ask(content) == other.ask(content)


def test_what_a_session_has_of_its_own_is_not_overlooked(gateway: Target) -> None:
    """Sessions that are alike have learned what the text means without it."""
    content = run("SELECT * FROM pg_am LIMIT 1")
    for _ in range(3):
        with client_of(gateway) as client:
            usual = client.ask(content)
    with client_of(gateway) as client:
        client.ask(cycle(m.Query("CREATE TEMPORARY TABLE pg_am AS SELECT 'own' AS am")))
        assert client.ask(content)[3] == m.DataRow((b"own",))
    with client_of(gateway) as client:
        client.ask(cycle(m.Query("SET bytea_output = escape")))
        assert client.ask(run(BYTES))[3] == m.DataRow((b"ab", b"escape"))
        assert client.ask(content) == usual


@pytest.mark.parametrize("content", CYCLES)
def test_each_again(gateway: Target, oracle: Target, content: bytes) -> None:
    with client_of(gateway) as client, client_of(oracle) as other:
        for _ in range(4):
            assert client.ask(content) == other.ask(content)


class Holder:
    """A session that takes and gives back the lock, always inside a block: so its backend is nobody else's."""

    def __init__(self, connection: psycopg.Connection) -> None:
        self._connection = connection
        self._begin("pg_class")

    def hold(self) -> None:
        self._connection.execute("COMMIT")
        self._begin("pg_ts_parser")

    def release(self) -> None:
        self._connection.execute("COMMIT")
        self._begin("pg_class")

    def _begin(self, catalog: str) -> None:
        self._connection.execute("BEGIN")
        self._connection.execute(f"SELECT count(*) FROM pg_catalog.{catalog}".encode())


@pytest.fixture
def holder(gateway: Target) -> Iterator[Holder]:
    with gateway.connect() as connection:
        yield Holder(connection)


def sleeps(gateway: Target) -> bool:
    query = "SELECT state, query FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
    with gateway.connect() as connection:
        return ("active", SLEEPS) in connection.execute(query).fetchall()


@pytest.fixture(params=[cycle(m.Query(SLEEPS)), run(SLEEPS)], ids=["simple", "extended"])
def content(request: pytest.FixtureRequest) -> bytes:
    return bytes(request.param)


@pytest.fixture
def client(gateway: Target, holder: Holder, content: bytes) -> Iterator[Client]:
    """Has sent the cycle before, and now waits for the answer to another."""
    with client_of(gateway) as client:
        first, _, third = (client.ask(content) for _ in range(3))
        assert first == third
        holder.hold()
        client.send(content)
        until(lambda: sleeps(gateway))
        yield client


def test_a_replayed_statement_can_fail(gateway: Target, holder: Holder) -> None:
    content = cycle(m.Query(f"  {FAILS}"))
    with client_of(gateway) as client:
        holder.hold()
        first, _, third = (client.ask(content) for _ in range(3))
        holder.release()
        failed = client.ask(content)
        holder.hold()
        assert client.ask(content) == first == third
    assert failed[1:] == [["ERROR", "22012", "division by zero", None], m.ReadyForQuery(b"I")]


def test_a_row_limit_holds_whatever_was_learned(gateway: Target, holder: Holder) -> None:
    content = cycle(parse(ROWS), bind(), m.Execute("", 3), SYNC)
    with client_of(gateway) as client:
        empty = [client.ask(content) for _ in range(3)]
        holder.hold()
        full = client.ask(content)
    assert [answer[2] for answer in empty] == [m.CommandComplete("SELECT 0")] * 3
    assert full[2:] == [*(m.DataRow((b"%d" % n,)) for n in (1, 2, 3)), m.PortalSuspended(), m.ReadyForQuery(b"I")]


@pytest.mark.parametrize("size", [5, 6, 20, 30])
def test_a_cycle_that_comes_in_pieces_is_nobody_elses(gateway: Target, size: int) -> None:
    """The first pieces are the same, what follows is not."""
    with client_of(gateway) as client:
        for number in (1, 1, 2, 1, 2):
            content = cycle(m.Query(f"SELECT pg_catalog.int4pl({number}, 0)"))
            client.send(content[:size])
            client.settle()
            client.send(content[size:])
            assert client.receive_cycle()[1] == m.DataRow((b"%d" % number,))


def test_a_statement_that_asks_for_sessions_is_told_its_own(gateway: Target) -> None:
    own = run("SELECT pg_backend_pid() AS own")
    with client_of(gateway) as client:
        client.ask(cycle(parse("SELECT lakegate.pg_backend_pid() AS own"), SYNC))
        pid = b"%d" % client.connection.info.backend_pid
        assert [client.ask(own)[3] for _ in range(4)] == [m.DataRow((pid,))] * 4
        with client_of(gateway) as other:
            others = b"%d" % other.connection.info.backend_pid
            for _ in range(3):
                assert [one.ask(own)[3] for one in (other, client)] == [m.DataRow((others,)), m.DataRow((pid,))]
            pids = "SELECT count(pid) FROM pg_stat_activity WHERE pid = pg_backend_pid()"
            assert [one.ask(run(pids))[3] for one in (other, client) * 2] == [m.DataRow((b"1",))] * 4


def test_the_latest_statement_is_shown(gateway: Target) -> None:
    query = "SELECT query FROM pg_stat_activity WHERE pid = %s"
    with client_of(gateway) as client, gateway.connect() as other:
        for sql in (ONE, RELATION, ONE, BYTES, ONE, RELATION):
            for content in (cycle(m.Query(sql)), run(sql), cycle(SYNC)):
                client.ask(content)
            assert other.execute(query, (client.connection.info.backend_pid,)).fetchone() == (sql,)


def test_a_replayed_statement_is_cancelled_and_what_follows_waits_for_it(
    holder: Holder, client: Client, content: bytes
) -> None:
    client.send(cycle(m.Query(ONE)))
    client.connection.cancel_safe(timeout=60)
    failed, one = client.receive_cycle(), client.receive_cycle()
    assert failed[-2:] == [["ERROR", "57014", "canceling statement due to user request", None], m.ReadyForQuery(b"I")]
    assert one[1:] == [m.DataRow((b"1",)), m.CommandComplete("SELECT 1"), m.ReadyForQuery(b"I")]
    holder.release()
    assert client.ask(content)[-2:] == [m.CommandComplete("SELECT 1"), m.ReadyForQuery(b"I")]


def test_a_client_that_leaves_ends_its_replayed_statement(gateway: Target, client: Client) -> None:
    client.leave()
    until(lambda: not sleeps(gateway))


def test_a_session_is_terminated_in_a_replayed_statement(gateway: Target, client: Client) -> None:
    with gateway.connect() as other:
        other.execute("SELECT pg_terminate_backend(%s)", (client.connection.info.backend_pid,))
    assert [error[:2] for error in client.receive_rest()] == [["FATAL", "57P01"]]
    until(lambda: not sleeps(gateway))
