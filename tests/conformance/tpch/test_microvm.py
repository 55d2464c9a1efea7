"""TPC-H's first query from a microVM, through a real gateway; and a gateway that is killed takes its machines along."""

import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from catalog.names import TableName
from tests.conformance.tpch.test_tpch import QUERIES, run
from tests.fix_gateway import READY, lake_folder, started_gateway
from tests.fix_machines import DISK_BYTES, MICROVM, microvms
from tests.processes import kill, zygotes
from tests.target import Target

SIZES = ("--memory", str(MICROVM.memory_bytes >> 20), "--spill", str(DISK_BYTES >> 20))
OPTIONS = ("--spawner", "qemu", "--min-machines", "0", *SIZES)
END_SECONDS = 120


@pytest.fixture(scope="module")
def machines_gateway(guest_image: Path, lake: Mapping[TableName, Path]) -> Iterator[Target]:
    """A gateway whose DuckDB machines are microVMs; the last test kills it."""
    password = secrets.token_urlsafe()
    with lake_folder(lake, password) as data, killed_gateway(data, password) as target:
        yield target


@contextmanager
def killed_gateway(data: Path, password: str) -> Iterator[Target]:
    """Leaving kills it with a statement's machine alive, and asserts that the machine ends too."""
    with started_gateway(data, password, OPTIONS) as daemon:
        target = Target.parse(daemon.ready_line.removeprefix(READY[:6]).split()[0], password, daemon.process.pid)
        yield target
        with target.connect() as connection:
            connection.execute("SELECT count(*) FROM tpch.nation")
            machines, waiting = microvms(target.pid), zygotes(target.pid)
            daemon.process.kill()
            kill(waiting)
            _, left = psutil.wait_procs(machines, timeout=END_SECONDS)
    assert machines
    assert left == []


def test_the_first_query(machines_gateway: Target, gateway: Target) -> None:
    """As a process answers it."""
    answers = []
    for target in (machines_gateway, gateway):
        with target.connect(options="-c search_path=tpch -c lakegate.lane=duckdb") as connection:
            answers.append(run(connection, QUERIES[0]))
    assert answers[0] == answers[1]
    assert len(answers[0].rows) == 4
