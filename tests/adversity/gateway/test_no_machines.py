"""With no machine kept warm, what needs no compute starts none."""

import asyncio
from collections.abc import Iterator, Mapping
from pathlib import Path

import asyncpg
import psycopg
import pytest

from catalog.names import TableName
from tests.drivers.test_asyncpg import arguments
from tests.fix_gateway import running_lake
from tests.fix_oracle import BINARIES
from tests.processes import machines
from tests.target import Target

METADATA = (
    "SELECT 1",
    "SELECT version(), current_user, now()",
    "SHOW server_version",
    "SET TimeZone = 'Asia/Tokyo'",
    "SELECT relname FROM pg_class WHERE relname = 'region'",
    "SELECT column_name FROM information_schema.columns WHERE table_name = 'region'",
    "EXPLAIN (ROUTE) SELECT * FROM tpch.region",
    "BEGIN; SELECT 2; COMMIT",
)


@pytest.fixture(scope="module")
def bare(lake: Mapping[TableName, Path]) -> Iterator[Target]:
    region = TableName("tpch", "region")
    with running_lake({region: lake[region]}, ["--min-machines", "0"]) as target:
        yield target


@pytest.fixture(autouse=True)
def none_started(bare: Target) -> Iterator[None]:
    assert bare.pid is not None
    yield
    assert machines(bare.pid) == []


@pytest.mark.parametrize("statement", METADATA)
def test_metadata(bare: Target, statement: str) -> None:
    with bare.connect() as connection:
        assert connection.execute(statement.encode()).statusmessage


@pytest.mark.parametrize("command", [r"\dt tpch.*", r"\d tpch.region", r"\l", r"\dn+", r"\df"])
async def test_psql_describes(bare: Target, command: str) -> None:
    process = await asyncio.create_subprocess_exec(
        BINARIES / "psql", "-X", "-c", command, env=bare.environment, stdout=asyncio.subprocess.PIPE
    )
    said, _ = await process.communicate()
    assert process.returncode == 0
    assert said


def test_describe_of_a_lakehouse_query(bare: Target) -> None:
    with bare.connect() as connection:
        connection.pgconn.prepare(b"q", b"SELECT r_name, r_regionkey + $1 FROM tpch.region")
        described = connection.pgconn.describe_prepared(b"q")
        assert (described.nparams, [described.fname(0), described.ftype(0)]) == (1, [b"r_name", 25])


@pytest.mark.parametrize("statement", ["SELEC 1", "SELECT nope FROM tpch.region", "SELECT * FROM tpch.nowhere"])
def test_errors(bare: Target, statement: str) -> None:
    with bare.connect() as connection, pytest.raises(psycopg.ProgrammingError) as error:
        connection.execute(statement.encode())
    assert error.value.diag.statement_position


async def test_failed_logins(bare: Target) -> None:
    for _ in range(5):
        with pytest.raises(asyncpg.InvalidPasswordError):
            await asyncpg.connect(**{**arguments(bare), "ssl": False, "password": "wrong"})
