"""Definitions in a block: seen by it alone until COMMIT, gone with ROLLBACK; as PostgreSQL has it."""

from collections.abc import Sequence
from contextlib import closing

import psycopg
import pytest

from tests.blocks import ROWS, rows, run_block, things, workspace_folder
from tests.processes import until
from tests.scripts import hear
from tests.target import Target

pytestmark = [pytest.mark.spark, pytest.mark.usefixtures("table")]

CREATE = "CREATE TABLE written.more (n int NOT NULL, word text)"
COPY = "CREATE TABLE written.copied AS SELECT n, word FROM written.things WHERE n < 3"
FILL = "INSERT INTO written.more VALUES (1, 'a'), (2, 'b')"
MORE = "SELECT n, word FROM written.more ORDER BY n"
COPIED = "SELECT n, word FROM written.copied ORDER BY n"
NAMES = (
    "SELECT table_name, table_type FROM information_schema.tables WHERE table_schema = 'written' ORDER BY table_name"
)
VIEW_OF_MOMENTS = (
    "CREATE VIEW written.seen AS SELECT n, date '03/02/2020' + interval '1 month 3 days' AS d FROM written.things"
)
MOMENTS = "SELECT n, extract(month FROM d), extract(day FROM d) FROM written.seen ORDER BY n"
QUIET = "SET client_min_messages = warning"
"""Notices are told with other codes, or not at all, also outside blocks."""
COLUMNS = (
    "SELECT table_name, column_name, data_type, is_nullable FROM information_schema.columns"
    " WHERE table_schema = 'written' ORDER BY table_name, ordinal_position"
)
FILL_THINGS = "INSERT INTO written.things VALUES (4, 'four')"
DEFERRED = ("CREATE TEMP TABLE late (n int UNIQUE DEFERRABLE INITIALLY DEFERRED)", "INSERT INTO late VALUES (1), (1)")
SCRIPTS: dict[str, Sequence[str]] = {
    "created": ("BEGIN", CREATE, MORE, FILL, MORE, NAMES, COLUMNS, "COMMIT", MORE, "DROP TABLE written.more"),
    "created and rolled back": (
        "BEGIN", CREATE, FILL, MORE, "ROLLBACK", MORE, NAMES, CREATE, "DROP TABLE written.more",
    ),
    "made of a query": (
        "BEGIN", COPY, COPIED, "INSERT INTO written.copied VALUES (9, 'nine')", COPIED, "COMMIT", COPIED,
        "DROP TABLE written.copied",
    ),
    "swapped": (
        "BEGIN", COPY, "ALTER TABLE written.things RENAME TO things_before",
        "ALTER TABLE written.copied RENAME TO things", ROWS, NAMES, "COMMIT", ROWS,
        "DROP TABLE written.things", "ALTER TABLE written.things_before RENAME TO things", ROWS,
    ),
    "swapped back": (
        "BEGIN", COPY, "ALTER TABLE written.things RENAME TO things_before",
        "ALTER TABLE written.copied RENAME TO things", ROWS, "ROLLBACK", ROWS, NAMES,
    ),
    "dropped": ("BEGIN", "DROP TABLE written.things", ROWS, "ROLLBACK", ROWS),
    "dropped and made anew": (
        "BEGIN", "DROP TABLE written.things", "CREATE TABLE written.things (n int, word text)", ROWS,
        "INSERT INTO written.things VALUES (7, 'seven')", ROWS, "COMMIT", ROWS,
    ),
    "savepoints": (
        "BEGIN", CREATE, "SAVEPOINT a", FILL, "SAVEPOINT b", COPY, "DELETE FROM written.more WHERE n = 1", MORE,
        "ROLLBACK TO b", COPIED, "ROLLBACK TO b", MORE, NAMES, "ROLLBACK TO a", MORE, FILL, "COMMIT", MORE, NAMES,
        "DROP TABLE written.more",
    ),
    "a savepoint before all": ("BEGIN", "SAVEPOINT a", COPY, "ROLLBACK TO a", COPIED, "ROLLBACK TO a", NAMES, "COMMIT"),
    "what PostgreSQL has deferred to COMMIT": (
        "BEGIN", *DEFERRED, FILL_THINGS, "COMMIT", ROWS,
        "BEGIN", *DEFERRED, CREATE, FILL_THINGS, "COMMIT", ROWS, NAMES,
    ),
    "a statement fails": ("BEGIN", CREATE, CREATE, MORE, "COMMIT", MORE, NAMES),
    "a query fails": ("BEGIN", CREATE, "CREATE TABLE written.bad AS SELECT m FROM written.things", "COMMIT", NAMES),
    "what was there is written too": (
        "BEGIN", CREATE, FILL, "INSERT INTO written.things SELECT n + 10, word FROM written.more", ROWS,
        "UPDATE written.more SET word = word || '!'", MORE, "COMMIT", ROWS, MORE, "DROP TABLE written.more",
    ),
    "what was written is renamed": (
        "BEGIN", "DELETE FROM written.things WHERE n = 1", "ALTER TABLE written.things RENAME TO other",
        "SELECT count(*) FROM written.other", "INSERT INTO written.other VALUES (5, 'five')", "COMMIT",
        "SELECT n FROM written.other ORDER BY n", "ALTER TABLE written.other RENAME TO things",
    ),
    "what was renamed is written": (
        "BEGIN", "ALTER TABLE written.things RENAME TO other", "DELETE FROM written.other WHERE n = 1",
        "SAVEPOINT a", "ALTER TABLE written.other RENAME TO third", "DELETE FROM written.third WHERE n = 2",
        "SELECT n FROM written.third", "ROLLBACK TO a", "SELECT n FROM written.other ORDER BY n", "COMMIT",
        "SELECT n FROM written.other ORDER BY n", "ALTER TABLE written.other RENAME TO things",
    ),
    "what was written is dropped": (
        "BEGIN", "DELETE FROM written.things", CREATE, FILL, "DROP TABLE written.more", "DROP TABLE written.things",
        "COMMIT", NAMES, "CREATE TABLE written.things (n int, word text)",
    ),
    "views": (
        "BEGIN", "CREATE VIEW written.seen AS SELECT n FROM written.things", "SELECT count(*) FROM written.seen",
        "CREATE OR REPLACE VIEW written.seen AS SELECT n, word FROM written.things WHERE n > 1",
        "SELECT * FROM written.seen ORDER BY n", "ALTER VIEW written.seen RENAME TO looked_at", NAMES, "COMMIT",
        "SELECT * FROM written.looked_at ORDER BY n", "BEGIN", "DROP VIEW written.looked_at", NAMES, "ROLLBACK", NAMES,
        "DROP VIEW written.looked_at",
    ),
    "a view of a table of the block": (
        "BEGIN", CREATE, FILL, "CREATE VIEW written.seen AS SELECT word FROM written.more", "SELECT * FROM written.seen"
        " ORDER BY word", "ALTER TABLE written.more RENAME TO most", "SELECT * FROM written.seen ORDER BY word",
        "ROLLBACK", NAMES,
    ),
    "settings": (
        "SET array_nulls = off", "SET DateStyle = 'SQL, DMY'", "SET IntervalStyle = sql_standard",
        "SET quote_all_identifiers = on", "BEGIN", CREATE, VIEW_OF_MOMENTS, MOMENTS, "SHOW DateStyle", COLUMNS,
        "SAVEPOINT a", CREATE, "ROLLBACK TO a", "SHOW DateStyle", "SHOW array_nulls", "COMMIT", MOMENTS, COLUMNS, FILL,
        MORE, "DROP VIEW written.seen", "DROP TABLE written.more", NAMES, CREATE, "DROP TABLE written.more",
    ),
    "comments": (
        "BEGIN", CREATE, "COMMENT ON TABLE written.more IS 'it''s \\ returning'",
        "COMMENT ON COLUMN written.more.word IS 'a word'",
        "SELECT obj_description('written.more'::regclass), col_description('written.more'::regclass, 2)", "COMMIT",
        "SELECT obj_description('written.more'::regclass), col_description('written.more'::regclass, 2)",
        "DROP TABLE written.more",
    ),
    "schemas": (
        QUIET, "BEGIN", "CREATE SCHEMA other", "CREATE TABLE other.t (n int)", "INSERT INTO other.t VALUES (1)",
        "SELECT * FROM other.t", "ROLLBACK", "SELECT * FROM other.t", "BEGIN", "CREATE SCHEMA other",
        "CREATE TABLE other.t (n int)", "COMMIT", "SELECT * FROM other.t", "BEGIN", "DROP SCHEMA other CASCADE",
        "SELECT * FROM other.t", "COMMIT", "CREATE SCHEMA other", "DROP SCHEMA other",
    ),
    "if exists": (
        QUIET, "BEGIN", "DROP TABLE IF EXISTS written.more", "CREATE TABLE IF NOT EXISTS written.things (n int)",
        CREATE, "DROP TABLE IF EXISTS written.more", "COMMIT", NAMES,
    ),
    "one query": (f"{CREATE}; {FILL}; {MORE}", MORE, "DROP TABLE written.more; DROP TABLE written.things", NAMES,
                  "CREATE TABLE written.things (n int, word text)"),
    "one query that fails": (f"{CREATE}; {FILL}; DROP TABLE written.things; SELECT 1 / 0", NAMES, ROWS),
    "one query with ends": (f"{CREATE}; ROLLBACK; {CREATE}; COMMIT; {COPY}; SELECT 1 / 0", NAMES,
                            "DROP TABLE written.more"),
    "a block out of an implicit one": (f"{CREATE}; BEGIN; {FILL}", MORE, "ROLLBACK", NAMES),
    "read only": ("BEGIN READ ONLY", CREATE, "ROLLBACK", NAMES),
    "repeatable read": (
        "BEGIN ISOLATION LEVEL REPEATABLE READ", ROWS, CREATE, FILL, MORE, COPY, COPIED, "COMMIT", MORE,
        "DROP TABLE written.more", "DROP TABLE written.copied",
    ),
    "beside temporary tables": (
        "BEGIN", "CREATE TEMP TABLE passing AS SELECT n FROM written.things", CREATE,
        "INSERT INTO written.more SELECT n, 'x' FROM passing", MORE, "COMMIT", MORE, "DROP TABLE written.more",
        "DROP TABLE passing",
    ),
    "a cursor": (
        "BEGIN", COPY, f"DECLARE c CURSOR WITH HOLD FOR {COPIED}", "FETCH 1 FROM c", "COMMIT", "FETCH ALL FROM c",
        "CLOSE c", "DROP TABLE written.copied",
    ),
}  # fmt: skip


@pytest.mark.parametrize("script", SCRIPTS)
def test_answers_are_postgresqls(gateway: Target, oracle: Target, script: str) -> None:
    with things(oracle):
        heard = [hear(target, list(SCRIPTS[script])) for target in (gateway, oracle)]
    assert heard[0] == heard[1]


def test_statements_of_the_extended_protocol_too(gateway: Target, oracle: Target) -> None:
    script = ("BEGIN", CREATE, FILL, "SAVEPOINT a", COPY, "ROLLBACK TO a", MORE, NAMES, "ROLLBACK", NAMES)
    with things(oracle):
        heard = [hear(target, list(script), extended=True) for target in (gateway, oracle)]
    assert heard[0] == heard[1]


def folders(gateway: Target) -> list[str]:
    """Of the tables of schema `written`."""
    return sorted(folder.name.rpartition("-")[0] for folder in (workspace_folder(gateway) / "written").iterdir())


def test_nobody_else_sees_them_before_commit(gateway: Target) -> None:
    with gateway.connect() as first, gateway.connect() as second:
        with first.transaction():
            for statement in (CREATE, FILL, "CREATE VIEW written.seen AS SELECT n FROM written.more"):
                first.execute(statement.encode())
            for relation in ("more", "seen"):
                with pytest.raises(psycopg.errors.UndefinedTable):
                    second.execute(f"SELECT * FROM written.{relation}".encode())
            assert second.execute(NAMES.encode()).fetchall() == [("things", "BASE TABLE")]
        assert second.execute("SELECT count(*) FROM written.seen").fetchone() == (2,)
        second.execute("DROP VIEW written.seen")
        second.execute("DROP TABLE written.more")


def test_a_table_is_made_whole_and_swapped_for_another(gateway: Target) -> None:
    """As tools do that build tables anew."""
    with gateway.connect() as first, gateway.connect() as second:
        second.execute("SET lock_timeout = '200ms'")
        with first.transaction():
            first.execute(COPY.encode())
            first.execute("ALTER TABLE written.things RENAME TO things_before")
            first.execute("ALTER TABLE written.copied RENAME TO things")
            with pytest.raises(psycopg.errors.LockNotAvailable):
                second.execute("SELECT n AS locked FROM written.things")
        second.execute("DROP TABLE written.things_before CASCADE")
        assert rows(second) == [(1, "one"), (2, "two")]
    until(lambda: folders(gateway) == ["copied"])


@pytest.mark.parametrize("end", ["COMMIT", "ROLLBACK"])
def test_files_go_with_their_tables(gateway: Target, end: str) -> None:
    with gateway.connect() as connection:
        connection.execute("BEGIN")
        for statement in (CREATE, FILL, "SAVEPOINT a", COPY, "ROLLBACK TO a", "DROP TABLE written.things"):
            connection.execute(statement.encode())
        until(lambda: folders(gateway) == ["copied", "more", "things"])
        connection.execute(end.encode())
        until(lambda: folders(gateway) == (["more"] if end == "COMMIT" else ["things"]))
        if end == "COMMIT":
            connection.execute("ALTER TABLE written.more RENAME TO things")


def test_a_lost_connection_leaves_nothing(gateway: Target) -> None:
    with closing(gateway.connect()) as left:
        left.execute("BEGIN")
        for statement in (CREATE, FILL, "DROP TABLE written.things"):
            left.execute(statement.encode())
        until(lambda: folders(gateway) == ["more", "things"])
    until(lambda: folders(gateway) == ["things"])
    with gateway.connect() as connection:
        assert connection.execute(NAMES.encode()).fetchall() == [("things", "BASE TABLE")]


def test_two_blocks_make_different_tables_at_once(gateway: Target) -> None:
    with gateway.connect() as first, gateway.connect() as second:
        first.execute("BEGIN")
        second.execute("BEGIN")
        first.execute(CREATE.encode())
        second.execute(COPY.encode())
        first.execute("COMMIT")
        second.execute("COMMIT")
        for table in ("more", "copied"):
            second.execute(f"DROP TABLE written.{table}".encode())


def test_of_two_blocks_that_make_a_name_one_does(gateway: Target) -> None:
    with gateway.connect() as first, gateway.connect() as second:
        second.execute("SET lock_timeout = '200ms'")
        first.execute("BEGIN")
        first.execute(CREATE.encode())
        with pytest.raises(psycopg.errors.LockNotAvailable):
            second.execute(f"BEGIN; {CREATE}".encode())
        second.rollback()
        first.execute("COMMIT")
        with pytest.raises(psycopg.errors.DuplicateTable):
            second.execute(CREATE.encode())
        second.execute("DROP TABLE written.more")


def test_grants_are_a_blocks_too(gateway: Target) -> None:
    with gateway.connect() as connection, gateway.connect() as other:
        connection.execute("CREATE ROLE reading")
        granted = "SELECT has_table_privilege('reading', 'written.things', 'SELECT')"
        with connection.transaction(force_rollback=True):
            connection.execute("GRANT SELECT ON written.things TO reading")
            assert connection.execute(granted.encode()).fetchone() == (True,)
            assert other.execute(granted.encode()).fetchone() == (False,)
        assert connection.execute(granted.encode()).fetchone() == (False,)
        connection.execute("DROP ROLE reading")


@pytest.mark.parametrize(
    "text",
    [
        "SELECT n, 'own'::regclass AS r FROM written.things",
        "SELECT n FROM written.things WHERE NULL::own IS NULL",
        "SELECT n, NULL::own AS r FROM written.things",
    ],
)
def test_a_view_does_not_hang_on_a_temporary_table(gateway: Target, text: str) -> None:
    """PostgreSQL would drop it with the table, and the control tables would not hear of that."""
    with gateway.connect() as connection, gateway.connect() as other:
        connection.execute("CREATE TEMP TABLE own (a int)")
        with pytest.raises(psycopg.errors.FeatureNotSupported, match="cannot depend on"):
            run_block(connection, f"CREATE VIEW written.seen AS {text}")
        connection.execute("DROP TABLE own CASCADE")
        assert other.execute(NAMES.encode()).fetchall() == [("things", "BASE TABLE")]


HELD = "SELECT has_table_privilege(oid, 'SELECT') FROM pg_class WHERE oid = 'written.things'::regclass"


def test_rights_of_before_stay_in_their_block(gateway: Target) -> None:
    """What its statements are answered from is of no use to those after it, on the same backend."""
    with gateway.connect() as admin:
        admin.execute("CREATE ROLE held LOGIN PASSWORD 'only for tests'")
        admin.execute("GRANT USAGE ON SCHEMA written TO held")
        admin.execute("GRANT SELECT, INSERT ON written.things TO held")
        with gateway.as_user("held", "only for tests").connect() as user:
            with user.transaction():
                user.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
                user.execute("SELECT count(*) FROM pg_class")
                admin.execute("REVOKE SELECT ON written.things FROM held")
                assert user.execute(HELD.encode()).fetchone() == (True,)
            assert user.execute(HELD.encode()).fetchone() == (False,)
        admin.execute("REVOKE INSERT ON written.things FROM held")
        admin.execute("REVOKE USAGE ON SCHEMA written FROM held")
        admin.execute("DROP ROLE held")
