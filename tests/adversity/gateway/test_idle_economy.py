"""Compute sleeps while clients only keep their connections alive and look at metadata, and wakes for a query."""

import re
import subprocess
from pathlib import Path

import pytest

from tests.fix_oracle import BINARIES
from tests.processes import machines, until, watched_machines
from tests.target import Target

SESSIONS = 200
KEEP_ALIVES = 96
"""Of each session: one every quarter of an hour, for a day."""
REFRESHES = 24
START_SECONDS = 1.0
"""That a start is promised to take."""
KEEP_ALIVE = "SELECT 1;\n"
REFRESH = """
SELECT n.nspname, c.relname, c.relkind
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = 'tpch' ORDER BY 1, 2;
SELECT column_name, data_type FROM information_schema.columns WHERE table_schema = 'tpch' AND table_name = 'lineitem';
SHOW search_path;
"""


@pytest.fixture(autouse=True)
def asleep(sleeping: Target) -> None:
    """The machine of the test before may still be on its way out."""
    until(lambda: machines(sleeping.pid) == [])


def run_day(gateway: Target, script: Path, text: str, times: int) -> None:
    """`pgbench` with all sessions at once."""
    script.write_text(text)
    command: list[str | Path] = [
        BINARIES / "pgbench",
        "-n",
        "-c",
        str(SESSIONS),
        "-j",
        "2",
        "-t",
        str(times),
        "-f",
        str(script),
    ]
    done = subprocess.run(command, env=gateway.environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert f"number of transactions actually processed: {SESSIONS * times}/{SESSIONS * times}" in done.stdout


def test_a_day_of_idle_sessions_wakes_no_machine(sleeping: Target, tmp_path: Path) -> None:
    with watched_machines(sleeping.pid) as seen:
        run_day(sleeping, tmp_path / "keep-alive.sql", KEEP_ALIVE, KEEP_ALIVES)
        run_day(sleeping, tmp_path / "refresh.sql", REFRESH, REFRESHES)
    assert seen == []


@pytest.mark.parametrize(("level", "heard"), [("notice", 1), ("warning", 0)])
def test_the_first_query_wakes_one_and_says_so(sleeping: Target, level: str, heard: int) -> None:
    with sleeping.connect() as connection:
        notices: list[str] = []
        connection.add_notice_handler(lambda diagnostic: notices.append(str(diagnostic.message_primary)))
        connection.execute(f"SET client_min_messages = {level}".encode())
        for _ in range(2):
            assert connection.execute("SELECT count(*) FROM tpch.region").fetchone() == (5,)
        assert len(notices) == heard
        assert all(0 < _seconds_of(notice) < 10 * START_SECONDS for notice in notices)


def _seconds_of(notice: str) -> float:
    """How long the machine took by the notice."""
    told = re.fullmatch(r"compute was asleep: a duckdb machine started in ([0-9.]+) s", notice)
    assert told, notice
    return float(told[1])
