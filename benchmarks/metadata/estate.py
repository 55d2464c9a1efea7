"""Two databases of one PostgreSQL with the same tables: a gateway's workspace, and a copy that clients reach directly.

The copy is made of the workspace's own files, so that tables have the same OIDs, access lists and dead rows. Its client
is a role with SELECT, as the gateway's is an ordinary role there too.
"""

import asyncio
import secrets
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pyarrow as pa
from deltalake import DeltaTable, write_deltalake
from psycopg.conninfo import make_conninfo

from catalog.changes import CreateSchema
from catalog.control import ControlDatabase
from catalog.deltalog import read_snapshot
from catalog.external import ExternalPostgres
from catalog.inventory import Inventory, load_inventory
from catalog.names import TableName
from catalog.tables import register_tables
from gateway.config import Config
from gateway.server import Server
from tests.fix_gateway import NO_MACHINES, running_gateway
from tests.fix_oracle import running_postgres
from tests.target import Target

NAMED = tuple(TableName("tpch", name) for name in ("lineitem", "orders", "nation", "region"))
NAMED += (TableName("sample", "every_type"),)
"""Those that recorded statements ask for."""
SCHEMAS = ("tpch", "sample", *(f"sales_{number:02}" for number in range(1, 19)))
TABLES, COLUMNS = 10_000, 20
AT_ONCE = 500
"""Tables made in one transaction: each locks its own, and PostgreSQL's table of locks is small."""
KINDS = (pa.int64(), pa.string(), pa.decimal128(15, 2), pa.timestamp("us", "UTC"), pa.float64())
WORKSPACE, COPY, READER = "demo", "copy", "reader"


@dataclass(frozen=True, slots=True)
class Estate:
    """`names` are those of all tables. `seconds` is how long it took to register them."""

    gateway: Target
    postgres: Target
    names: Sequence[TableName]
    seconds: float


@contextmanager
def running_estate(tables: int = TABLES) -> Iterator[Estate]:
    """Starts both and fills them; leaving ends them."""
    numbers = range(tables - len(NAMED))
    names = [*NAMED, *(TableName(SCHEMAS[number % len(SCHEMAS)], f"table_{number:05}") for number in numbers)]
    password = secrets.token_urlsafe()
    with tempfile.TemporaryDirectory(prefix="lakegate-estate-") as name, running_postgres() as owner:
        data = Path(name) / "data"
        dsn = make_conninfo(**owner.keywords, sslmode="disable")
        config = replace(NO_MACHINES, data=data, admin_password=password, metastore_dsn=dsn)
        started = time.perf_counter()
        asyncio.run(_register(config, dsn, names, _write(Path(name) / "table")))
        seconds = time.perf_counter() - started
        _copy(owner, password)
        with running_gateway(data, password, ("--min-machines", "0"), {"LAKEGATE_METASTORE_DSN": dsn}) as gateway:
            yield Estate(gateway, replace(owner, user=READER, database=COPY, password=password), names, seconds)


def _write(folder: Path) -> Path:
    """The one Delta table that all are: what is asked of them is their columns."""
    fields = [pa.field(f"column_{number:02}", KINDS[number % len(KINDS)], number > 0) for number in range(COLUMNS)]
    write_deltalake(folder, pa.schema(fields).empty_table())
    return folder


async def _register(config: Config, dsn: str, names: Sequence[TableName], folder: Path) -> None:
    """By the catalog's own functions, many in a transaction."""
    server = Server(config)
    async with server.running():
        login = await server.catalog.login(config.admin, config.workspace)
        assert login is not None
        for schema in SCHEMAS:
            await server.catalog.apply(CreateSchema(schema), login.principal, config.workspace)
    snapshot = read_snapshot(DeltaTable(folder), names[0], str(folder))
    database = ControlDatabase[Inventory](ExternalPostgres(dsn).owner_endpoint(config.workspace), load_inventory)
    await database.open()
    try:
        for first in range(0, len(names), AT_ONCE):
            async with database.change() as revision:
                some = [replace(snapshot, table=name) for name in names[first : first + AT_ONCE]]
                await register_tables(revision.connection, some, login.principal)
    finally:
        await database.close()


def _copy(owner: Target, password: str) -> None:
    workspace, copy = replace(owner, database=WORKSPACE), replace(owner, database=COPY)
    with owner.connect() as connection:
        connection.execute(f"CREATE DATABASE {COPY} TEMPLATE {WORKSPACE} STRATEGY file_copy".encode())
        connection.execute(f"CREATE ROLE {READER} LOGIN PASSWORD '{password}'".encode())
    with copy.connect() as connection:
        connection.execute("DROP SCHEMA lakegate CASCADE")
        connection.execute(f"GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA pg_catalog TO {READER}".encode())
        for schema in SCHEMAS:
            connection.execute(f"GRANT USAGE ON SCHEMA {schema} TO {READER}".encode())
            connection.execute(f"GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO {READER}".encode())
    for target in (workspace, copy):
        _tidy(target)


def _tidy(target: Target) -> None:
    """What autovacuum does in time."""
    query = "SELECT relname FROM pg_class WHERE relnamespace = 'pg_catalog'::regnamespace AND relkind = 'r'"
    with target.connect() as connection:
        for (relation,) in connection.execute(query).fetchall():
            connection.execute(f"VACUUM (ANALYZE) pg_catalog.{relation}".encode())
