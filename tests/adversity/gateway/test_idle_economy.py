"""Compute sleeps while clients only keep their connections alive and look at metadata, and wakes for a query."""

import asyncio
import os
import re
import secrets
import time
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path

import psycopg
import pytest

from catalog.names import TableName
from gateway.config import Config
from gateway.server import Server
from tests.fix_gateway import NO_MACHINES, lake_folder
from tests.processes import machines, until, watched_machines
from tests.target import Target, of_waiting

SESSIONS = 200
KEEP_ALIVES = 96
"""Of each session: one every quarter of an hour, for a day. Some are refreshes."""
REFRESHES = 24
DAY_SECONDS = 24 * 3600
STEP_SECONDS, TURNS = 60, 5
"""How far the clock is put forward at once, and how often the loop turns then."""
START_SECONDS = 1.0
"""That a start is promised to take, to its first answer."""
AWAKENINGS = 10
TOLD_SECONDS = 0.005
"""By which a notice is rounded."""
QUERY = "SELECT count(*) FROM tpch.region"
KEEP_ALIVE = "SELECT 1"
REFRESH = """
SELECT n.nspname, c.relname, c.relkind
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = 'tpch' ORDER BY 1, 2;
SELECT column_name, data_type FROM information_schema.columns WHERE table_schema = 'tpch' AND table_name = 'lineitem';
SHOW search_path;
"""


@pytest.fixture
def asleep(sleeping: Target) -> Target:
    """The machine of the test before may still be on its way out."""
    until(lambda: machines(sleeping.pid) == [])
    return sleeping


class Clock:
    """The monotonic clock of this process and of its event loop, which can be put forward."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self._ahead, real = 0.0, time.monotonic
        patch.setattr(time, "monotonic", lambda: real() + self._ahead)

    async def move(self, seconds: float) -> None:
        """In steps, after each of which everything that is due begins."""
        for _ in range(int(seconds // STEP_SECONDS)):
            self._ahead += STEP_SECONDS
            for _ in range(TURNS):
                await asyncio.sleep(0)


def test_a_day_of_idle_sessions_wakes_no_machine(
    lake: Mapping[TableName, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The gateway's timers run through the day: of its pool and fleet, of sessions and of what it keeps for them."""
    region, password = TableName("tpch", "region"), secrets.token_hex(8)
    with lake_folder({region: lake[region]}, password) as data:
        config = replace(NO_MACHINES, data=data, admin_password=password)
        asyncio.run(spend_day(config, Clock(monkeypatch)))


async def spend_day(config: Config, clock: Clock) -> None:
    """All sessions keep alive each quarter of an hour, and each hour they look at metadata. Then one asks."""
    server, begun = Server(config), time.monotonic()
    async with server.running(), AsyncExitStack() as stack:
        place = f"host={config.host} port={server.port} dbname={config.workspace}"
        connect = partial(psycopg.AsyncConnection.connect, f"{place} user={config.admin}", autocommit=True)
        sessions = [
            await stack.enter_async_context(await connect(password=config.admin_password)) for _ in range(SESSIONS)
        ]
        with watched_machines(os.getpid()) as seen:
            for quarter in range(KEEP_ALIVES):
                await clock.move(DAY_SECONDS // KEEP_ALIVES)
                said = KEEP_ALIVE if quarter % (KEEP_ALIVES // REFRESHES) else REFRESH
                await asyncio.gather(*(session.execute(said) for session in sessions))
        assert seen == []
        assert time.monotonic() - begun >= DAY_SECONDS
        notices = listen(sessions[0])
        assert await (await sessions[0].execute(QUERY)).fetchone() == (5,)
        assert [_seconds_of(notice) > 0 for notice in notices] == [True]


@pytest.mark.parametrize(("level", "heard"), [("notice", 1), ("warning", 0)])
def test_the_first_query_wakes_one_and_says_so(asleep: Target, level: str, heard: int) -> None:
    with asleep.connect() as connection:
        notices = listen(connection)
        connection.execute(f"SET client_min_messages = {level}".encode())
        for _ in range(2):
            assert connection.execute(QUERY).fetchone() == (5,)
        assert len(notices) == heard


def test_the_first_query_is_answered_within_the_promise(sleeping: Target) -> None:
    """Until its rows are here, by the client's own clock; what the notice tells is a part of that. Others may be busy
    on this host, so the quickest of some awakenings counts."""
    for _ in range(AWAKENINGS):
        until(lambda: machines(sleeping.pid) == [])
        with sleeping.connect() as connection:
            notices = listen(connection)
            asked = time.perf_counter()
            assert connection.execute(QUERY).fetchone() == (5,)
            answered = time.perf_counter() - asked
        [notice] = notices
        assert 0 < _seconds_of(notice) <= answered + TOLD_SECONDS
        if answered < START_SECONDS:
            return
    raise AssertionError(f"the last of {AWAKENINGS} answers took {answered:.1f} s")


def listen(connection: psycopg.Connection | psycopg.AsyncConnection) -> list[str]:
    """The notices that come from now on, but for those of a start that takes long."""
    notices: list[str] = []

    def hear(notice: psycopg.errors.Diagnostic) -> None:
        if not of_waiting(notice.message_primary):
            notices.append(str(notice.message_primary))

    connection.add_notice_handler(hear)
    return notices


def _seconds_of(notice: str) -> float:
    """How long the machine took by the notice."""
    told = re.fullmatch(r"compute was asleep: a duckdb machine started in ([0-9.]+) s", notice)
    assert told, notice
    return float(told[1])
