"""Views as clients make and read them: the same statements are told to a real PostgreSQL with the same tables."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.target import Target

pytestmark = [pytest.mark.driver, pytest.mark.spark]
QUERIES = sorted((Path(__file__).parents[1] / "tpch" / "queries").iterdir())
VIEWS = {
    "big": "SELECT * FROM tpch.nation WHERE n_nationkey >= 20",
    "named (a, b)": "SELECT r_regionkey, r_name FROM tpch.region",
    "constant": "SELECT 1 AS one, 'x' AS text, NULL AS nothing",
    "joined": """SELECT n.n_name, r.r_name AS region, n.n_nationkey % 2 = 0 AS even
                 FROM tpch.nation n JOIN tpch.region r ON n.n_regionkey = r.r_regionkey""",
    "listed": """SELECT n_name, n_nationkey FROM tpch.nation WHERE n_nationkey IN (1, 2, 3) AND n_name LIKE 'A%'
                 OR n_name NOT IN ('JAPAN', 'CHINA') AND n_name NOT LIKE '%A%' AND n_regionkey BETWEEN 1 AND 4""",
    "emptied": """SELECT n_name, n_nationkey = ANY ('{}') AS none, nullif(n_nationkey, 1) <> ALL ('{}') AS each,
                  NULL::text = ANY (ARRAY[]::text[]) AS never
                  FROM tpch.nation WHERE n_nationkey <> ALL ('{}') AND NOT nullif(n_regionkey, 1) = ANY ('{}')""",
    "counted": """WITH c AS (SELECT n_regionkey AS k, count(*) AS n FROM tpch.nation GROUP BY 1)
                  SELECT k, n, n * 1.5 AS more, -1 AS less, coalesce(NULL, 'x') AS text FROM c WHERE n > 0""",
    "nested": "SELECT region, count(*) AS n, max(n_name) AS last FROM v.joined WHERE even GROUP BY region",
    "mixed": """SELECT a, b, n, (SELECT max(n_nationkey) FROM v.big) AS top FROM v.named JOIN v.nested ON b = region
                UNION ALL SELECT r_regionkey, 'all', 0, NULL FROM tpch.region""",
    "ranked": """SELECT n_name, row_number() OVER (PARTITION BY n_regionkey ORDER BY n_name) AS place,
                 CASE WHEN n_regionkey IS NULL THEN 'none' ELSE upper(substring(n_comment FROM 1 FOR 3)) END AS start
                 FROM tpch.nation ORDER BY n_regionkey, 1 LIMIT 7""",
    "sums": """SELECT o_orderstatus, sum(o_totalprice) AS total, min(o_orderdate) AS first,
                      count(*) FILTER (WHERE o_orderdate >= date '1995-01-01') AS recent,
                      extract(year FROM max(o_orderdate)) AS year
               FROM tpch.orders WHERE o_orderdate < date '1996-01-01' + interval '1 month' GROUP BY o_orderstatus""",
}
NAMES = [spelled.split()[0] for spelled in VIEWS]


@pytest.fixture(scope="module")
def servers(oracle: Target, gateway: Target) -> Iterator[tuple[psycopg.Connection, psycopg.Connection]]:
    """Both with the views, in a schema of their own: PostgreSQL first."""
    with oracle.connect() as wanted, gateway.connect() as got:
        for connection in (wanted, got):
            connection.execute("CREATE SCHEMA v")
            for name, text in VIEWS.items():
                connection.execute(f"CREATE VIEW v.{name} AS {text}".encode())
        yield wanted, got
        for connection in (wanted, got):
            connection.execute("DROP SCHEMA v CASCADE")


def read(connection: psycopg.Connection, query: str, **options: Any) -> tuple[Any, Any, Any]:
    cursor = connection.execute(query.encode(), **options)
    assert cursor.pgresult is not None
    typmods = [cursor.pgresult.fmod(number) for number in range(cursor.pgresult.nfields)]
    return [(c.name, c.type_code) for c in cursor.description or ()], typmods, cursor.fetchall()


@pytest.mark.parametrize("lane", ["duckdb", "spark"])
@pytest.mark.parametrize("name", NAMES)
def test_rows_and_types(servers: tuple[psycopg.Connection, psycopg.Connection], name: str, lane: str) -> None:
    wanted, got = servers
    got.execute(f"SET lakegate.lane = {lane}".encode())
    query = f"SELECT * FROM v.{name} AS it ORDER BY 1, 2"
    assert read(got, query) == read(wanted, query)
    assert read(got, query, prepare=True) == read(wanted, query)
    got.execute("RESET lakegate.lane")


@pytest.mark.parametrize(
    "query",
    [
        "SELECT viewname, definition FROM pg_views WHERE schemaname = 'v' ORDER BY 1",
        "SELECT * FROM information_schema.views WHERE table_schema = 'v' ORDER BY table_name",
        "SELECT table_name, table_type FROM information_schema.tables WHERE table_schema = 'v' ORDER BY 1",
        """SELECT table_name, column_name, data_type, is_nullable FROM information_schema.columns
           WHERE table_schema = 'v' ORDER BY 1, ordinal_position""",
        "SELECT pg_get_viewdef('v.mixed', true), pg_get_viewdef('v.nested'::regclass, 40)",
    ],
)
def test_catalogs_tell_of_them(servers: tuple[psycopg.Connection, psycopg.Connection], query: str) -> None:
    wanted, got = servers
    assert read(got, query) == read(wanted, query)


REFUSED = [
    ("DROP TABLE tpch.nation", "2BP01"),
    ("DROP VIEW v.joined", "2BP01"),
    ("DROP TABLE v.joined", "42809"),
    ("DROP VIEW tpch.region", "42809"),
    ("ALTER VIEW tpch.region RENAME TO x", "42809"),
    ("COMMENT ON TABLE v.big IS 'x'", "42809"),
    ("CREATE VIEW v.big AS SELECT 1 AS a", "42P07"),
    ("CREATE OR REPLACE VIEW v.big AS SELECT n_name FROM tpch.nation", "42P16"),
    ("CREATE VIEW v.x AS SELECT nothing FROM tpch.nation", "42703"),
    ("CREATE VIEW v.x AS SELECT * FROM tpch.nothing", "42P01"),
    ("CREATE VIEW nowhere.x AS SELECT * FROM tpch.region", "3F000"),
    ("ALTER VIEW v.big RENAME TO joined", "42P07"),
    ("SELECT * FROM v.nothing", "42P01"),
]


@pytest.mark.parametrize(("statement", "sqlstate"), REFUSED)
def test_refused_alike(servers: tuple[psycopg.Connection, psycopg.Connection], statement: str, sqlstate: str) -> None:
    for connection in servers:
        with pytest.raises(psycopg.Error) as raised:
            connection.execute(statement.encode())
        assert raised.value.sqlstate == sqlstate


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO v.big VALUES (1)",
        "DELETE FROM v.big",
        "CREATE VIEW v.x AS SELECT relname FROM pg_class",
        "CREATE VIEW v.x AS SELECT * FROM tpch.nation FOR VERSION AS OF 0",
        "CREATE VIEW v.x WITH (security_barrier) AS SELECT * FROM tpch.nation",
        "CREATE VIEW v.x AS SELECT * FROM tpch.nation WITH CHECK OPTION",
        "SELECT * FROM v.big FOR VERSION AS OF 0",
        "ALTER VIEW v.big OWNER TO admin",
    ],
)
def test_refused_here(servers: tuple[psycopg.Connection, psycopg.Connection], statement: str) -> None:
    with pytest.raises(psycopg.errors.FeatureNotSupported):
        servers[1].execute(statement.encode())


def test_a_view_takes_anothers_place(servers: tuple[psycopg.Connection, psycopg.Connection]) -> None:
    """What dbt does for a view."""
    for connection in servers:
        connection.execute('CREATE VIEW "demo"."v"."it__tmp" AS (SELECT 1 AS id, r_name FROM tpch.region)')
        connection.execute('ALTER TABLE "demo"."v"."it__tmp" RENAME TO "it"')
        connection.execute('CREATE VIEW "demo"."v"."it__tmp" AS (SELECT 2 AS id, r_name FROM tpch.region)')
        connection.execute('ALTER TABLE "demo"."v"."it" RENAME TO "it__backup"')
        connection.execute('ALTER VIEW "demo"."v"."it__tmp" RENAME TO "it"')
        connection.execute('DROP VIEW IF EXISTS "demo"."v"."it__backup" CASCADE')
        connection.execute('DROP VIEW IF EXISTS "demo"."v"."it__backup" CASCADE')
    wanted, got = (read(connection, "SELECT * FROM v.it ORDER BY 2") for connection in servers)
    assert got == wanted
    for connection in servers:
        connection.execute("DROP VIEW v.it")


@contextmanager
def user(gateway: Target) -> Iterator[tuple[Target, str]]:
    name, password = f"viewer_{secrets.token_hex(4)}", secrets.token_urlsafe()
    with gateway.connect() as admin:
        admin.execute(f"CREATE ROLE {name} LOGIN PASSWORD '{password}'".encode())
        try:
            yield gateway.as_user(name, password), name
        finally:
            admin.execute(f"REVOKE ALL ON v.big FROM {name}".encode())
            admin.execute(f"REVOKE ALL ON SCHEMA v FROM {name}".encode())
            admin.execute(f"DROP ROLE {name}".encode())


def test_whose_rights_count(servers: tuple[psycopg.Connection, psycopg.Connection], gateway: Target) -> None:
    admin = servers[1]
    with user(gateway) as (target, name):
        admin.execute(f"GRANT USAGE ON SCHEMA v TO {name}".encode())
        with target.connect() as connection:
            with pytest.raises(psycopg.errors.InsufficientPrivilege, match="permission denied for view big"):
                connection.execute("SELECT * FROM v.big")
            admin.execute(f"GRANT SELECT ON v.big TO {name}".encode())
            assert len(connection.execute("SELECT * FROM v.big").fetchall()) == 5
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute("SELECT * FROM tpch.nation")
            text = "CREATE OR REPLACE VIEW v.big WITH (security_invoker) AS " + VIEWS["big"]
            admin.execute(text.encode())
            with pytest.raises(psycopg.errors.InsufficientPrivilege, match="permission denied for table nation"):
                connection.execute("SELECT * FROM v.big")
            admin.execute(text.replace("(security_invoker)", "(security_invoker = false)").encode())
            assert len(connection.execute("SELECT * FROM v.big").fetchall()) == 5
            shown = connection.execute(
                "SELECT view_definition FROM information_schema.views WHERE table_schema = 'v'"
            ).fetchall()
            assert shown == [(None,)]


def test_filters_prune_behind_a_view(servers: tuple[psycopg.Connection, psycopg.Connection]) -> None:
    """What a filter outside leaves out is not read."""
    got = servers[1]
    got.execute("CREATE VIEW v.lines AS SELECT l_orderkey AS k, l_tax FROM tpch.lineitem WHERE l_tax > 0")
    routes: list[str] = []
    for relation in ("v.lines WHERE k < 0", "tpch.lineitem WHERE l_orderkey < 0"):
        told = got.execute(f"EXPLAIN (ROUTE) SELECT * FROM {relation}".encode()).fetchall()
        routes += [value for name, value in told if name == "scan"]
    assert len(routes) == 2
    assert routes[0] == routes[1]
    got.execute("DROP VIEW v.lines")


@pytest.mark.parametrize("lane", ["duckdb", "spark"])
def test_tpch_as_views(servers: tuple[psycopg.Connection, psycopg.Connection], lane: str) -> None:
    """What each lane can run, it can run as a view, too."""
    got, failed = servers[1], []
    got.execute("SET search_path = tpch, v")
    got.execute(f"SET lakegate.lane = {lane}".encode())
    for query in QUERIES:
        text = query.read_text().strip().removesuffix(";")
        got.execute(f"CREATE VIEW v.q AS {text}".encode())
        try:
            got.execute("EXPLAIN (ROUTE) SELECT * FROM v.q")
        except psycopg.Error as error:
            failed.append((query.stem, str(error)))
        got.execute("DROP VIEW v.q")
    got.execute("RESET search_path")
    got.execute("RESET lakegate.lane")
    assert failed == []
