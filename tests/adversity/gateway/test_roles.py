"""A user who takes on the role of a group: what she may by then is what it may, whoever asked before and whatever is
remembered; and a membership that is taken away ends it."""

import secrets
from collections.abc import Iterator

import psycopg
import pytest
from psycopg import sql

from tests.target import Target

DENIED = psycopg.errors.InsufficientPrivilege
OWN, SHARED = "SELECT count(*) FROM tpch.customer", "SELECT count(*) FROM tpch.region"
"""What the user alone may read, and what her group may as well."""
HELD = """SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = 'tpch' AND has_table_privilege(c.oid, 'SELECT') ORDER BY 1"""
SEEN = "SELECT table_name FROM information_schema.tables WHERE table_schema = 'tpch' ORDER BY 1"
WHO = "SELECT current_user, session_user"
OWNER = "SELECT pg_get_userbyid(relowner) FROM pg_class WHERE oid = %s::regclass"


class Crew:
    """A user `alice` and a group that she is in, both of names that no other test has."""

    def __init__(self, gateway: Target, admin: psycopg.Connection) -> None:
        suffix, password = secrets.token_hex(4), secrets.token_urlsafe()
        self.alice, self.group = f"alice_{suffix}", f"crew_{suffix}"
        self.target = gateway.as_user(self.alice, password)
        self.admin = admin
        self.command(f"CREATE ROLE {self.alice} LOGIN PASSWORD '{password}'", f"CREATE ROLE {self.group}")
        self.command(f"GRANT {self.group} TO {self.alice}")
        for name in (self.alice, self.group):
            self.command(f"GRANT USAGE ON SCHEMA tpch TO {name}", f"GRANT USAGE, CREATE ON SCHEMA sample TO {name}")
            self.command(f"GRANT SELECT ON tpch.region TO {name}")
        self.command(f"GRANT SELECT ON tpch.customer TO {self.alice}")

    def command(self, *statements: str) -> None:
        """As an admin."""
        for statement in statements:
            self.admin.execute(statement.encode())

    def leave(self) -> None:
        for name in (self.alice, self.group):
            self.command(f"REVOKE ALL ON ALL TABLES IN SCHEMA tpch FROM {name}")
            self.command(f"REVOKE ALL ON SCHEMA tpch, sample FROM {name}", f"DROP ROLE {name}")


@pytest.fixture
def crew(gateway: Target) -> Iterator[Crew]:
    with gateway.connect() as admin:
        crew = Crew(gateway, admin)
        yield crew
        crew.leave()


def ask(connection: psycopg.Connection, statement: str) -> list[tuple]:
    """By simple Query, as tools repeat theirs."""
    return psycopg.ClientCursor(connection).execute(statement.encode()).fetchall()


def act(connection: psycopg.Connection, role: str) -> None:
    connection.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(role)))


def test_nothing_that_is_remembered_goes_from_role_to_role(crew: Crew) -> None:
    """Two sessions of hers, which share backends, descriptions, plans and cycles, ask the same again and again."""
    with crew.target.connect() as herself, crew.target.connect() as acting:
        act(acting, crew.group)
        for _ in range(4):
            assert ask(herself, OWN) == [(15_000,)]
            with pytest.raises(DENIED, match="permission denied for table customer"):
                ask(acting, OWN)
            assert ask(herself, WHO) == [(crew.alice, crew.alice)]
            assert ask(acting, WHO) == [(crew.group, crew.alice)]
            for question in (HELD, SEEN):
                assert ask(herself, question) == [("customer",), ("region",)]
                assert ask(acting, question) == [("region",)]


@pytest.mark.parametrize(("dialect", "lane"), [("postgres", "duckdb"), ("postgres", "spark"), ("spark", "spark")])
def test_rights_are_the_roles_on_every_lane(crew: Crew, dialect: str, lane: str) -> None:
    with crew.target.connect() as connection:
        connection.execute(f"SET lakegate.lane = {lane}".encode())
        connection.execute(f"SET lakegate.dialect = {dialect}".encode())
        assert ask(connection, OWN) == [(15_000,)]
        act(connection, crew.group)
        with pytest.raises(DENIED):
            ask(connection, OWN)
        who = "SELECT current_user, session_user FROM tpch.region WHERE r_regionkey = 0"
        assert ask(connection, who.replace("user", "user()") if dialect == "spark" else who) == [
            (crew.group, crew.alice)
        ]
        connection.execute("RESET ROLE")
        assert ask(connection, OWN) == [(15_000,)]


def test_a_statement_prepared_before_is_the_roles_when_it_is_executed(crew: Crew) -> None:
    with crew.target.connect(prepare_threshold=0) as connection:
        query = "SELECT count(*), current_user FROM tpch.customer WHERE c_custkey < %s"
        for _ in range(3):
            connection.execute("SET ROLE NONE")
            assert connection.execute(query, (3,)).fetchone() == (2, crew.alice)
            act(connection, crew.group)
            with pytest.raises(DENIED):
                connection.execute(query, (3,))


def test_a_pipeline_that_takes_on_a_role(crew: Crew) -> None:
    """The rights are those at each step, and its failure takes the role back."""
    with crew.target.connect() as connection:
        with connection.pipeline() as pipeline:
            before = connection.execute(OWN)
            connection.execute(f"SET ROLE {crew.group}".encode())
            after = connection.execute(WHO)
            denied = connection.execute(OWN)
            with pytest.raises(DENIED):
                pipeline.sync()
        assert before.fetchone() == (15_000,)
        assert after.fetchone() == (crew.group, crew.alice)
        assert denied.pgresult is None or denied.pgresult.ntuples == 0
        assert ask(connection, WHO) == [(crew.alice, crew.alice)]


def test_copy_is_the_roles(crew: Crew) -> None:
    with crew.target.connect() as connection:
        act(connection, crew.group)
        with pytest.raises(DENIED), connection.cursor().copy("COPY tpch.customer TO STDOUT") as copy:
            copy.read()
        with connection.cursor().copy("COPY tpch.region TO STDOUT") as copy:
            assert len(list(copy.rows())) == 5


@pytest.mark.parametrize(
    "way_back", ["SET ROLE NONE", "RESET ROLE", "DISCARD ALL", "SET SESSION AUTHORIZATION DEFAULT"]
)
def test_a_membership_that_is_revoked_ends_what_is_done_in_its_name(crew: Crew, way_back: str) -> None:
    asked = (SHARED, WHO, "SELECT 1", "SHOW role", HELD, "CREATE TEMP TABLE t (a integer)")
    with crew.target.connect() as connection:
        act(connection, crew.group)
        for statement in asked[:5]:
            for _ in range(3):
                ask(connection, statement)
        connection.execute(b"PREPARE shared AS " + SHARED.encode())
        crew.command(f"REVOKE {crew.group} FROM {crew.alice}")
        for statement in (*asked, "EXECUTE shared", "DECLARE c CURSOR WITH HOLD FOR SELECT 1"):
            with pytest.raises(DENIED, match=f'permission denied to set role "{crew.group}"'):
                ask(connection, statement)
        connection.execute(way_back.encode())
        assert ask(connection, WHO) == [(crew.alice, crew.alice)]
        assert ask(connection, OWN) == [(15_000,)]
        with pytest.raises(DENIED):
            act(connection, crew.group)


def test_a_role_that_is_dropped_while_it_is_held(crew: Crew) -> None:
    crew.command(f"CREATE ROLE short_{crew.group}", f"GRANT short_{crew.group} TO {crew.group}")
    with crew.target.connect() as connection:
        act(connection, f"short_{crew.group}")
        assert ask(connection, WHO) == [(f"short_{crew.group}", crew.alice)]
        crew.command(f"DROP ROLE short_{crew.group}")
        with pytest.raises(psycopg.errors.InvalidParameterValue, match="does not exist"):
            ask(connection, WHO)
        act(connection, crew.group)
        assert ask(connection, SHARED) == [(5,)]


def test_a_block_that_is_open_when_the_membership_goes(crew: Crew) -> None:
    with crew.target.connect() as connection:
        connection.execute("BEGIN")
        act(connection, crew.group)
        assert ask(connection, SHARED) == [(5,)]
        crew.command(f"REVOKE {crew.group} FROM {crew.alice}")
        with pytest.raises(DENIED):
            ask(connection, SHARED)
        connection.execute("ROLLBACK")
        assert ask(connection, WHO) == [(crew.alice, crew.alice)]


def test_what_is_made_is_the_roles(crew: Crew) -> None:
    """Outside a block and in one, where the role changes between two definitions."""
    first, second, third = (f"sample.{kind}_{secrets.token_hex(4)}" for kind in "tuv")
    with crew.target.connect() as connection:
        connection.execute(f"BEGIN; CREATE TABLE {first} AS SELECT 1 AS a".encode())
        act(connection, crew.group)
        with pytest.raises(DENIED):
            connection.execute(f"SELECT * FROM {first}".encode())
        connection.execute(f"ROLLBACK; BEGIN; CREATE TABLE {first} AS SELECT 1 AS a; SET ROLE {crew.group}".encode())
        connection.execute(f"CREATE TABLE {second} AS SELECT 2 AS a; COMMIT".encode())
        connection.execute(f"CREATE VIEW {third} AS SELECT * FROM {second}".encode())
        owners = [connection.execute(OWNER, (name,)).fetchone() for name in (first, second, third)]
        assert owners == [(crew.alice,), (crew.group,), (crew.group,)]
        with pytest.raises(DENIED, match="must be owner"):
            connection.execute(f"DROP TABLE {first}".encode())
        connection.execute("RESET ROLE")
        connection.execute(f"DROP VIEW {third}; DROP TABLE {first}; DROP TABLE {second}".encode())


def test_views_ask_whoever_counts(crew: Crew) -> None:
    """Her own view has her rights for who may read it; one by its invoker has the role's."""
    hers, asking = (f"sample.{kind}_{secrets.token_hex(4)}" for kind in "vw")
    with crew.target.connect() as connection:
        connection.execute(f"CREATE VIEW {hers} AS {OWN}".encode())
        connection.execute(f"CREATE VIEW {asking} WITH (security_invoker) AS {OWN}".encode())
        connection.execute(f"GRANT SELECT ON {hers}, {asking} TO {crew.group}".encode())
        act(connection, crew.group)
        assert ask(connection, f"TABLE {hers}") == [(15_000,)]
        with pytest.raises(DENIED):
            ask(connection, f"TABLE {asking}")
        connection.execute("RESET ROLE")
        assert ask(connection, f"TABLE {asking}") == [(15_000,)]
        connection.execute(f"DROP VIEW {hers}; DROP VIEW {asking}".encode())


def test_signals_go_by_the_role(crew: Crew) -> None:
    """PostgreSQL's rule: whoever acts must have the privileges of who has logged in there."""
    with crew.target.connect() as idle, crew.target.connect() as connection:
        pid = idle.info.backend_pid
        shown = "SELECT usename, query = '<insufficient privilege>' FROM pg_stat_activity WHERE pid = %s"
        act(idle, crew.group)
        assert connection.execute(shown, (pid,)).fetchone() == (crew.alice, False)
        act(connection, crew.group)
        assert connection.execute(shown, (pid,)).fetchone() == (crew.alice, True)
        with pytest.raises(DENIED, match="permission denied to cancel query"):
            connection.execute("SELECT pg_cancel_backend(%s)", (pid,))
        connection.execute("RESET ROLE")
        assert connection.execute("SELECT pg_cancel_backend(%s)", (pid,)).fetchone() == (True,)


def test_an_admin_who_acts_as_a_group_is_none(gateway: Target, crew: Crew) -> None:
    with gateway.connect() as connection:
        crew.command(f"GRANT {crew.group} TO {gateway.user}")
        act(connection, crew.group)
        for statement in (OWN, "CREATE ROLE other", f"GRANT {crew.group} TO {crew.alice}", f"DROP ROLE {crew.alice}"):
            with pytest.raises(DENIED):
                connection.execute(statement.encode())
        with pytest.raises(DENIED):
            connection.execute(f"GRANT SELECT ON tpch.region TO {crew.alice}".encode())
        crew.command(f"REVOKE {crew.group} FROM {gateway.user}")


def test_a_users_password_is_no_members_to_change(crew: Crew) -> None:
    """With it she would log in as somebody else, and nobody could tell."""
    bob = f"bob_{crew.group}"
    crew.command(f"CREATE ROLE {bob} LOGIN", f"GRANT {bob} TO {crew.alice}")
    with crew.target.connect() as connection:
        act(connection, bob)
        with pytest.raises(DENIED, match="permission denied to alter role"):
            connection.execute(f"ALTER ROLE {bob} PASSWORD 'x'".encode())
    crew.command(f"DROP ROLE {bob}")


@pytest.mark.parametrize("role", ["lakegate", "lakegate_admin", "lakegate_principal", "pg_read_all_data", "postgres"])
@pytest.mark.parametrize("statement", ["SET ROLE {}", "SELECT set_config('role', '{}', false)"])
def test_no_role_of_the_metastores_own(crew: Crew, role: str, statement: str) -> None:
    with crew.target.connect() as connection:
        with pytest.raises((DENIED, psycopg.errors.InvalidParameterValue)):
            connection.execute(statement.format(role).encode())
        assert ask(connection, WHO) == [(crew.alice, crew.alice)]
