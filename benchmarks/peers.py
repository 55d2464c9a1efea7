"""Peers of other makers: pgbouncer before the same PostgreSQL, buenavista over the same files."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from benchmarks.tables import WIDE
from compute.spark.cache import cache_folder
from tests.certificates import Authority
from tests.daemon import running
from tests.fix_oracle import free_port
from tests.target import Target

BUENAVISTA = (
    "buenavista==0.5.0",
    "duckdb==1.1.3",
    "pyarrow==18.1.0",
    "python-dateutil==2.9.0.post0",
    "pytz==2025.2",
    "sqlglot==25.20.1",
)
"""The newest set that it answers with: later DuckDB has none of the calls it makes."""


class Missing(Exception):
    """What a suite needs is not on this machine, a peer's program; the message says the command that helps."""


@contextmanager
def running_pgbouncer(postgres: Target, *, secured: bool = False) -> Iterator[Target]:
    """A session pool before that server, with as many server connections as clients come; `secured`: it speaks TLS."""
    program = shutil.which("pgbouncer", path=f"{os.environ['PATH']}{os.pathsep}/usr/sbin")
    if program is None:
        raise Missing("pgbouncer is missing: install it with: apt-get install pgbouncer")
    target = replace(postgres, port=free_port())
    with tempfile.TemporaryDirectory(prefix="lakegate-pgbouncer-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        (folder / "users.txt").write_text(f'"{postgres.user}" "{_verifier(postgres)}"\n')
        settings = _pgbouncer_settings(postgres, target, folder)
        if secured:
            file = Authority(folder).issue("localhost")
            file.chmod(0o644)
            settings += f"client_tls_sslmode = require\nclient_tls_cert_file = {file}\nclient_tls_key_file = {file}\n"
        (folder / "pgbouncer.ini").write_text(settings)
        options = ["-u", "nobody"] if os.geteuid() == 0 else []
        with running([program, *options, folder / "pgbouncer.ini"], lambda line: "process up" in line) as daemon:
            yield replace(target, pid=daemon.process.pid)


def _verifier(postgres: Target) -> str:
    """What PostgreSQL keeps of the password: with the password itself pgbouncer would make one anew at each log-in."""
    with postgres.connect() as connection:
        row = connection.execute("SELECT rolpassword FROM pg_authid WHERE rolname = current_user").fetchone()
    assert row is not None
    return str(row[0])


def _pgbouncer_settings(postgres: Target, target: Target, folder: Path) -> str:
    return f"""[databases]
* = host={postgres.host} port={postgres.port}
[pgbouncer]
listen_addr = {target.host}
listen_port = {target.port}
unix_socket_dir =
auth_type = scram-sha-256
auth_file = {folder}/users.txt
pool_mode = session
default_pool_size = 32
ignore_startup_parameters = extra_float_digits,options
"""


@contextmanager
def running_buenavista(wide: Path) -> Iterator[Target]:
    """buenavista with a table `bench.wide` over these files, in a virtual environment of its own."""
    python = _buenavista_environment()
    target = Target("127.0.0.1", free_port(), "peer", "peer", "", is_gateway=False)
    with tempfile.TemporaryDirectory(prefix="lakegate-buenavista-") as name:
        database = Path(name) / "peer.duckdb"
        _fill(python, database, wide)
        command: list[str | Path] = [python, "-u", "-m", "buenavista.examples.duckdb_postgres", database]
        environment = {**os.environ, "BUENAVISTA_HOST": target.host, "BUENAVISTA_PORT": str(target.port)}
        with running(command, lambda line: line.startswith("Listening"), environment=environment) as daemon:
            yield replace(target, pid=daemon.process.pid)


def _buenavista_environment() -> Path:
    folder = cache_folder(os.environ) / "buenavista-0.5.0"
    python = folder / "bin" / "python"
    if not python.exists():
        subprocess.run(["uv", "venv", "--quiet", "--python", "3.11", folder], check=True)
    done = subprocess.run(["uv", "pip", "install", "--quiet", "--python", python, *BUENAVISTA], check=False)
    if done.returncode != 0:
        raise Missing("buenavista could not be installed from the package index")
    return python


def _fill(python: Path, database: Path, wide: Path) -> None:
    """By its own DuckDB: a database file is read by the version that wrote it."""
    statements = (
        f"CREATE SCHEMA {WIDE.schema}",
        f"CREATE TABLE {WIDE} AS SELECT * FROM read_parquet('{wide}/*.parquet')",
    )
    program = f"import duckdb; c = duckdb.connect({str(database)!r}); [c.execute(s) for s in {statements!r}]"
    subprocess.run([python, "-c", program], check=True, stdout=subprocess.DEVNULL)
