"""Cancels at random moments of statements on both lanes, through a balancer that leads to either gateway."""

import random
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial

import psycopg

from tests.fix_replicas import Replicas
from tests.processes import at_rest, busier, machines, until

LONG = "SELECT count(*) FROM tpch.lineitem a, tpch.lineitem b WHERE a.l_comment < b.l_comment"
SHORT = "SELECT l_returnflag, sum(l_extendedprice * (1 - l_discount)) FROM tpch.lineitem GROUP BY 1"
"""One that may have ended when the request comes."""
LANES = ("duckdb", "spark")
LONGEST = 0.3
"""Seconds of processor time that machines have worked when a request is sent, at most."""

Seen = Counter[tuple[str, str | None]]
"""Statements and SQLSTATEs, None for those that had ended."""


def storm(replicas: Replicas, count: int, seed: int | None = None) -> Seen:
    """Cancels so many. Each statement is long or short, on either lane, in a session of either gateway; each session
    is used again and again. Returns what became of the statements. Raises where a session is of no use afterwards."""
    rng = random.Random(seed)
    seen: Seen = Counter()
    with ExitStack() as stack:
        watching = stack.enter_context(replicas.first.connect())
        sessions = [stack.enter_context(_session(replicas, lane)) for lane in LANES for _ in replicas.pids]
        for number in range(count):
            session, statement = sessions[number % len(sessions)], LONG if rng.random() < 0.7 else SHORT
            at_work = busier([machine for pid in replicas.pids for machine in machines(pid)], rng.uniform(0, LONGEST))
            send(watching, session, statement)
            until(partial(_is_at_work, at_work, session))
            session.cancel_safe(timeout=60)
            seen[statement, outcome(session)] += 1
            assert session.execute("SELECT count(*) FROM tpch.region").fetchone() == (5,)
    return seen


def send(watching: psycopg.Connection, session: psycopg.Connection, statement: str) -> None:
    """Returns while it runs, or when it has ended: a request that came before would have nothing to cancel."""
    session.pgconn.send_query(statement.encode())
    session.pgconn.flush()
    query, values = "SELECT state, query FROM pg_stat_activity WHERE pid = %s", (session.info.backend_pid,)
    until(lambda: watching.execute(query, values).fetchone() == ("active", statement) or _has_ended(session))


def outcome(session: psycopg.Connection) -> str | None:
    """The SQLSTATE of the statement that was sent; None for a success."""
    until(partial(_has_ended, session))
    state = None
    while (result := session.pgconn.get_result()) is not None:
        found = result.error_field(psycopg.pq.DiagnosticField.SQLSTATE)
        state = found.decode() if found else state
    return state


def settle(replicas: Replicas) -> None:
    """Returns when no machine of either gateway does anything any more."""
    for pid in replicas.pids:
        until(at_rest(pid))


def _session(replicas: Replicas, lane: str) -> psycopg.Connection:
    session = replicas.balancer.connect()
    session.execute(f"SET lakegate.lane = {lane}".encode())
    session.execute("SELECT count(*) FROM tpch.region")
    return session


def _is_at_work(machines: Callable[[], bool], session: psycopg.Connection) -> bool:
    """Or not any more."""
    return machines() or _has_ended(session)


def _has_ended(session: psycopg.Connection) -> bool:
    session.pgconn.consume_input()
    return not session.pgconn.is_busy()
