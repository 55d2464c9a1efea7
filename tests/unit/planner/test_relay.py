"""What PostgreSQL may be sent, and what it never is."""

import re

import pytest

from catalog.errors import FeatureNotSupported, ReservedName
from planner.plan import Execute, Metadata, Prepare, ShowVariable
from tests.unit.planner.warehouse import planned

RELAYED = (
    "SELECT txid_current()",
    "SELECT pg_blocking_pids(1)",
    "SELECT 1",
    "VALUES (1), (2)",
    "SHOW server_version",
    "EXPLAIN ANALYZE SELECT count(*) FROM pg_class",
    "CREATE TEMP TABLE t (a int)",
    "CREATE TABLE pg_temp.t (a int)",
    "CREATE TEMP TABLE t AS SELECT 1",
    "INSERT INTO t VALUES (1)",
    "UPDATE t SET a = 1",
    "DELETE FROM t",
    "DROP TABLE t",
    "TRUNCATE t",
    "CREATE TEMP VIEW v AS SELECT 1",
    "SELECT random(), pg_sleep(1), pg_get_viewdef(1)",
    "SELECT relname FROM pg_class, information_schema.tables",
    "LISTEN x",
    "NOTIFY x, 'y'",
    "UNLISTEN *",
    "SELECT * FROM pg_listening_channels()",
)
REFUSED = (
    "DO $$ BEGIN END $$",
    "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "COPY pg_class TO '/tmp/x'",
    "COPY t FROM PROGRAM 'id'",
    "SELECT * FROM pg_class FOR UPDATE",
    "LOCK TABLE pg_class",
    "SELECT 1 INTO t",
    "SELECT query_to_xml('SELECT 1', true, true, '')",
    "SELECT * FROM ts_stat('SELECT 1')",
    "SELECT table_to_xml('shop.orders', true, true, '')",
    "SELECT database_to_xml(true, true, '')",
    "SELECT cursor_to_xml('c', 1, true, true, '')",
    "SELECT schema_to_xml_and_xmlschema('shop', true, true, '')",
    "SELECT ts_rewrite('a'::tsquery, 'SELECT 1')",
    "SELECT dblink('', 'SELECT 1')",
    "SELECT lo_import('/etc/passwd')",
    "SELECT pg_advisory_lock(1)",
    "SELECT (1::bigint).pg_advisory_lock",
    "SELECT (1) /* */ . pg_cancel_backend",
    "SELECT (ARRAY[2.5])[1].pg_sleep",
    "SELECT ('x'::text).pg_read_file FROM pg_class",
    "SELECT pg_read_file('/etc/passwd')",
    "SELECT * FROM pg_ls_dir('/')",
    "SELECT nextval('s'), currval('s')",
    "SELECT set_config(relname, 'x', false) FROM pg_class",
    "SELECT set_config('roles'::varchar(4), 'x', false)",
    "SELECT set_config('ROLE'::name, 'x', false)",
    "CREATE TEMP TABLE t (a text DEFAULT set_config('work_mem', '1MB', false))",
    "EXPLAIN ANALYZE SELECT set_config('work_mem', '1MB', false)",
    "SELECT set_config('work_mem', '1MB', relname = 'x') FROM pg_class",
    "INSERT INTO t SELECT set_config('work_mem', '1MB', false)",
    "EXECUTE p (set_config('work_mem', '1MB', false))",
    "EXECUTE p (lo_creat(-1))",
    "SELECT unheard_of()",
    "SELECT lakegate.role_oid('x')",
    "SELECT * FROM lakegate.tables",
    "CREATE TEMP VIEW v AS SELECT query_to_xml('SELECT 1', true, true, '')",
    "EXPLAIN SELECT pg_read_file('x')",
    "CREATE EXTENSION dblink",
    "ALTER SYSTEM SET fsync = off",
    "CALL f()",
    "VACUUM",
    "SECURITY LABEL ON ROLE x IS 'y'",
    "CREATE MATERIALIZED VIEW v AS SELECT 1",
    "CREATE SEQUENCE s",
    "DROP FUNCTION f",
    "DROP OWNED BY x",
    "REASSIGN OWNED BY x TO y",
    "CREATE RULE r AS ON SELECT TO t DO INSTEAD SELECT 1",
    "IMPORT FOREIGN SCHEMA a FROM SERVER b INTO c",
)
LAKEHOUSE = (
    "CREATE TEMP VIEW v AS SELECT * FROM orders",
    "SELECT * INTO t FROM orders",
    "SELECT * FROM orders, pg_class",
    "SELECT * FROM orders FOR UPDATE",
    "SELECT (SELECT count(*) FROM orders) FROM pg_class",
    "WITH x AS (DELETE FROM orders RETURNING *) SELECT * FROM x",
    "COPY orders TO STDOUT",
    "COPY (SELECT * FROM orders) TO STDOUT",
    "LOCK TABLE orders",
    "CREATE INDEX ON orders (id)",
    "SELECT ctid FROM orders",
    "SELECT orders FROM orders",
    "SELECT count(orders) FROM orders",
    "CREATE RULE r AS ON SELECT TO orders DO INSTEAD SELECT 1",
    "CREATE TRIGGER t BEFORE INSERT ON orders EXECUTE FUNCTION f()",
    "GRANT TRIGGER ON orders TO bob",
)
REWRITTEN = (
    ("SELECT pg_backend_pid()", "SELECT lakegate.pg_backend_pid()"),
    ("SELECT pg_catalog.pg_cancel_backend (3)", "SELECT lakegate.pg_cancel_backend (3)"),
    ("SELECT ssl FROM pg_stat_ssl", "SELECT ssl FROM lakegate.pg_stat_ssl"),
    ("TABLE pg_catalog.pg_stat_gssapi", "TABLE lakegate.pg_stat_gssapi"),
    ("SELECT d.datname FROM pg_catalog.pg_database d", "SELECT d.datname FROM lakegate.pg_database d"),
    ("SELECT xmin FROM pg_database", "SELECT xmin FROM pg_database"),
    ("SELECT d.daticulocale FROM pg_database d", "SELECT d.daticulocale FROM lakegate.pg_database_16 d"),
    ("SELECT role_oid('x'), OWNS (1, '')", "SELECT pg_catalog.role_oid('x'), pg_catalog.owns (1, '')"),
    ("SELECT pg_export_snapshot()", "SELECT lakegate.pg_export_snapshot()"),
    ("SELECT 'ü', pid FROM pg_stat_activity a", "SELECT 'ü', pid FROM lakegate.pg_stat_activity a"),
    ("SELECT relacl FROM pg_class", "SELECT relacl FROM lakegate.pg_class"),
    ("SELECT relname FROM pg_class", "SELECT relname FROM pg_class"),
    ("SELECT xmin, relowner FROM pg_class", "SELECT xmin, relowner FROM pg_class"),
    ("SELECT * FROM pg_catalog.pg_class", "SELECT * FROM lakegate.pg_class"),
    ("SELECT * FROM information_schema.table_privileges", "SELECT * FROM lakegate.table_privileges"),
    ("SELECT has_table_privilege('x', 'SELECT')", "SELECT lakegate.has_table_privilege('x', 'SELECT')"),
    (
        "SELECT pg_table_size('t'), pg_indexes_size(a)",
        "SELECT lakegate.pg_table_size('t'), lakegate.pg_indexes_size(a)",
    ),
    (
        "SELECT pg_relation_size(c.oid::regclass) FROM t",
        "SELECT lakegate.each_pg_relation_size((SELECT lakegate_bytes FROM lakegate.sizes WHERE lakegate_relation ="
        ' "c"."oid"::pg_catalog.regclass), c.oid::regclass) FROM t',
    ),
    ("SELECT has_schema_privilege(a, 'usage') FROM t", "SELECT has_schema_privilege(a, 'usage') FROM t"),
    ("SELECT has_schema_privilege(a, 'create') FROM t", "SELECT lakegate.has_schema_privilege(a, 'create') FROM t"),
    (
        "SELECT has_table_privilege(oid, ' select ') FROM pg_class",
        "SELECT lakegate.each_has_table_privilege(lakegate.held('SELECT'), oid, ' select ') FROM pg_class",
    ),
    (
        "SELECT pg_catalog.has_column_privilege /* ( */ (user, 'ü' || a, 1, 'UPDATE') FROM t",
        "SELECT lakegate.each_has_column_privilege(lakegate.held('UPDATE'), user, 'ü' || a, 1, 'UPDATE') FROM t",
    ),
    *(
        (f"SELECT {question} FROM t", f"SELECT lakegate.{question} FROM t")
        for question in (
            "has_table_privilege('bob', a, 'SELECT')",
            "has_table_privilege(session_user, a, 'SELECT')",
            "has_table_privilege(a, 'REFERENCES')",
            "has_table_privilege(a, 'SELECT, INSERT')",
            "has_table_privilege(a, b)",
            "has_any_column_privilege(a, 'DELETE')",
            "has_column_privilege('t', a, 'SELECT')",
            "has_table_privilege(a)",
        )
    ),
    ("SELECT p.name FROM pg_prepared_statements p", "SELECT p.name FROM lakegate.pg_prepared_statements p"),
    ("TABLE pg_catalog.pg_cursors", "TABLE lakegate.pg_cursors"),
    (
        "SELECT pg_cursor(), pg_catalog.pg_prepared_statement()",
        "SELECT lakegate.pg_cursor(), lakegate.pg_prepared_statement()",
    ),
    ("SELECT 'pg_backend_pid()' -- pg_stat_activity", "SELECT 'pg_backend_pid()' -- pg_stat_activity"),
)


@pytest.mark.parametrize("text", RELAYED)
def test_metadata_is_relayed_as_it_is(text: str) -> None:
    assert planned(text) == Metadata(text)


@pytest.mark.parametrize("text", REFUSED + LAKEHOUSE)
def test_what_is_not_metadata_is_refused(text: str) -> None:
    with pytest.raises(FeatureNotSupported):
        planned(text)


@pytest.mark.parametrize(("text", "sent"), REWRITTEN)
def test_names_are_rewritten(text: str, sent: str) -> None:
    asks = re.search(r"lakegate\.pg_(stat_\w+|backend_pid|(cancel|terminate)_backend)", sent)
    names = re.search(r"lakegate\.pg_(cursor|prepared_statement)", sent) is not None
    assert planned(text) == Metadata(
        sent,
        asks_for_sessions=asks is not None,
        asks_for_all=asks is not None and asks[1] != "backend_pid",
        asks_for_names=names,
        asks_for_statistics="* FROM lakegate.pg_class" in sent or "_size(" in sent,
    )


def test_arguments_of_an_execute_are_rewritten_and_placed() -> None:
    assert planned("EXECUTE p") == Execute("p", 0, Metadata(""), 9)
    arguments = Metadata("(1, lakegate.pg_backend_pid())", asks_for_sessions=True)
    assert planned('EXECUTE /* ( */ "(" (1, pg_backend_pid())') == Execute("(", 2, arguments, 20)


def test_a_prepare_has_its_types_as_they_are_written() -> None:
    prepare = planned('PREPARE p (int, unknown, numeric(5, 2)[], "a,b") AS SELECT $1')
    assert isinstance(prepare, Prepare)
    assert prepare.types == (("int", 11), None, (" numeric(5, 2)[]", 24), (' "a,b"', 41))
    assert prepare.query.offset == 52
    assert prepare.query.text == "SELECT $1"


@pytest.mark.parametrize(
    ("text", "sent"),
    [
        ("SELECT reltuples FROM pg_class", None),
        ("SELECT pg_catalog.pg_table_size(1)", "SELECT lakegate.pg_table_size(1)"),
        ("SELECT pg_database_size('demo')", "SELECT lakegate.pg_database_size('demo')"),
        ("SELECT * FROM lakegate.delta_tables", None),
    ],
)
def test_what_tells_of_rows_and_sizes(text: str, sent: str | None) -> None:
    assert planned(text) == Metadata(sent or text, asks_for_statistics=True)


@pytest.mark.parametrize("name", ["tables", "snapshots", "view_states", "sessions"])
def test_control_tables_are_the_gateways_own(name: str) -> None:
    with pytest.raises(FeatureNotSupported, match="schema lakegate"):
        planned(f"SELECT * FROM lakegate.{name}")


@pytest.mark.parametrize(
    "text", ["LISTEN lakegate_signal", "NOTIFY lakegate", "NOTIFY \"lakegate_version\", '[1, null]'"]
)
def test_the_gateways_own_channels_are_reserved(text: str) -> None:
    with pytest.raises(ReservedName, match="is reserved"):
        planned(text)


def test_settings_that_the_gateway_keeps_are_shown_by_it() -> None:
    assert planned("SHOW idle_session_timeout") == ShowVariable("idle_session_timeout")
    assert planned("SHOW Statement_Timeout") == Metadata("SHOW Statement_Timeout")
