"""A lakehouse table reached in odd ways is answered rightly or refused, and never comes out empty, for `admin` too."""

import psycopg
import pytest

from tests.target import Target

ANSWERED = (
    "SELECT count(*) FROM tpch.region",
    "SELECT count(*) FROM (SELECT * FROM (SELECT * FROM tpch.region) a) b",
    "SELECT (SELECT count(*) FROM tpch.region)",
    "WITH region AS (SELECT * FROM tpch.region) SELECT count(*) FROM region",
    "SELECT count(*) FROM ONLY (tpch.region)",
    "SELECT count(*) FROM demo.tpch.region",
    "PREPARE p AS SELECT count(*) FROM tpch.region; EXECUTE p",
    "CREATE TEMP TABLE t AS SELECT * FROM tpch.region; SELECT count(*) FROM t",
    "SELECT * INTO TEMP t FROM tpch.region; SELECT count(*) FROM t",
    "CREATE TEMP TABLE t (a int); INSERT INTO t SELECT r_regionkey FROM tpch.region; SELECT count(a) FROM t",
    "SELECT count(DISTINCT r_name) FROM pg_class, tpch.region",
)
REFUSED = (
    "DECLARE c CURSOR WITH HOLD FOR SELECT region FROM tpch.region",
    "CREATE TEMP VIEW v AS SELECT * FROM tpch.region",
    "CREATE TEMP TABLE t (LIKE tpch.region); INSERT INTO t TABLE tpch.region",
    "SELECT query_to_xml('SELECT * FROM tpch.region', true, true, '')",
    "SELECT table_to_xml('tpch.region', true, true, '')",
    "SELECT schema_to_xml('tpch', true, true, '')",
    "SELECT database_to_xml(true, true, '')",
    "SELECT cursor_to_xml('c', 1, true, true, '')",
    "SELECT * FROM ts_stat('SELECT r_name::tsvector FROM tpch.region')",
    "COPY (SELECT region FROM tpch.region) TO STDOUT",
    "SELECT 1 WHERE EXISTS (SELECT FROM pg_class WHERE relname IN (SELECT r_name FROM tpch.region))",
    "SELECT * FROM tpch.region FOR UPDATE",
    "LOCK TABLE tpch.region",
    "DO $$ BEGIN PERFORM * FROM tpch.region; END $$",
    "CREATE RULE r AS ON SELECT TO tpch.region DO INSTEAD SELECT 1",
    "ANALYZE tpch.region",
    "SELECT region FROM tpch.region",
    "SELECT ctid FROM tpch.region",
    "SELECT r.*, ctid FROM tpch.region r LIMIT 501",
    "SELECT r.* IS NULL FROM tpch.region r",
)


@pytest.mark.parametrize("statement", ANSWERED)
def test_answered_rightly(gateway: Target, statement: str) -> None:
    with gateway.connect() as connection:
        answer = connection.execute(statement.encode())
        while answer.nextset():
            pass
        assert answer.fetchone() == (5,)


def test_the_table_command_gives_all_rows(gateway: Target) -> None:
    with gateway.connect() as connection:
        assert len(connection.execute("TABLE tpch.region").fetchall()) == 5


@pytest.mark.parametrize("statement", REFUSED)
def test_refused_with_a_reason(gateway: Target, statement: str) -> None:
    with gateway.connect() as connection:
        with pytest.raises((psycopg.errors.FeatureNotSupported, psycopg.errors.InsufficientPrivilege)) as refusal:
            connection.execute(statement.encode())
        assert refusal.value.diag.message_primary
        assert connection.execute("SELECT 1").fetchone() == (1,)
