"""Views as PostgreSQL writes them: on both lanes, with the rights that count behind them, pruned by filters outside."""

from dataclasses import replace

import pytest

from catalog.changes import Privilege
from catalog.errors import FeatureNotSupported, InsufficientPrivilege, ProgramLimitExceeded
from catalog.names import TableName
from catalog.resolution import Resolution, ResolvedTable, ResolvedView
from catalog.types import Description, Oid, PgType, ResultColumn
from planner import parse, plan
from planner.plan import Dialect, Lane, Query, Settings
from tests.unit.planner.warehouse import ALL, ORDERS, SNAPSHOTS, resolve

VIEW = TableName("shop", "v")
TABLE = ResolvedTable(ORDERS, ALL, SNAPSHOTS["orders"], "owner")
TEXTS = {
    "SELECT id FROM shop.orders WHERE (id = ANY (ARRAY[(1)::bigint, (2)::bigint]))": Oid.INT8,
    "SELECT id FROM shop.orders WHERE (id = ANY ('{}'::bigint[])) OR (id <> ALL (ARRAY[]::bigint[]))": Oid.INT8,
    "SELECT note FROM shop.orders WHERE (note <> ALL (ARRAY['a'::text, 'b'::text])) OR (note !~~ 'A'::text)": Oid.TEXT,
    "SELECT note FROM shop.orders WHERE ((note)::text = ANY ((ARRAY['a'::character varying])::text[]))": Oid.TEXT,
    "SELECT note FROM shop.orders WHERE (note ~~* 'a_'::text)": Oid.TEXT,
    "SELECT ((orders.id)::numeric * 1.5) AS more FROM shop.orders": Oid.NUMERIC,
    "SELECT '-1'::integer AS less, NULL::text AS nothing FROM shop.orders": Oid.INT4,
    "SELECT o.id FROM shop.orders o WHERE (o.day < ('1996-01-01'::date + '1 mon'::interval))": Oid.INT8,
    "SELECT EXTRACT(year FROM max(orders.day)) AS year FROM shop.orders GROUP BY orders.region": Oid.NUMERIC,
    "WITH c AS ( SELECT count(*) AS n FROM shop.orders GROUP BY orders.region) SELECT n FROM c WHERE (n > 0)": Oid.INT8,
    "SELECT row_number() OVER (PARTITION BY region ORDER BY note) AS place FROM shop.orders LIMIT 7": Oid.INT8,
    "SELECT upper(SUBSTRING(orders.note FROM 1 FOR 3)) AS start FROM shop.orders": Oid.TEXT,
    "SELECT 1 AS one": Oid.INT4,
    "SELECT o.id FROM (shop.orders o JOIN shop.orders a ON ((o.id = a.id)))": Oid.INT8,
}


def view(text: str, *oids: int, **relations: ResolvedTable) -> ResolvedTable:
    columns = tuple(ResultColumn(f"a{number}", PgType(oid)) for number, oid in enumerate(oids))
    behind = {table.name: table for table in (TABLE, *relations.values())}
    return ResolvedTable(VIEW, ALL, None, "owner", None, ResolvedView(text, columns, behind))


def read(relation: ResolvedTable, query: str = "SELECT * FROM v", lane: Lane | None = None) -> Query:
    assert relation.view is not None
    (statement,) = parse(query, Dialect.POSTGRES)
    resolution: Resolution = replace(resolve(statement), tables=dict.fromkeys(statement.references, relation))
    planned = plan(statement, resolution, Settings(lane=lane), Description((), relation.view.columns))
    assert isinstance(planned, Query)
    return planned


@pytest.mark.parametrize("lane", Lane)
@pytest.mark.parametrize("text", TEXTS)
def test_what_the_deparser_writes_is_understood(text: str, lane: Lane) -> None:
    found = view(text, *([Oid.INT4, Oid.TEXT] if "nothing" in text else [TEXTS[text]]))
    read(found, "SELECT * FROM v AS it WHERE it.a0 IS NOT NULL", lane)


@pytest.mark.parametrize(
    ("test", "sql"), [("= ANY ('{}'::bigint[])", "(FALSE)"), ("<> ALL ('{}'::bigint[])", "(TRUE)")]
)
def test_of_nothing_it_is_known_whether_all_or_any_is_so(test: str, sql: str) -> None:
    """Also where the operand is NULL."""
    planned = read(view(f"SELECT (id {test}) AS known FROM shop.orders", Oid.BOOL))
    assert f"{sql} AS" in planned.sql


def scanned(text: str) -> int:
    (scan,) = read(view(text, Oid.INT8, Oid.TEXT), "SELECT * FROM v WHERE a0 < 50").scans
    return len(scan.files)


@pytest.mark.parametrize(
    ("text", "files"),
    [
        ("SELECT id, note FROM shop.orders", 1),
        ("SELECT id, max(note) AS note FROM shop.orders GROUP BY id", 1),
        ("SELECT DISTINCT id, note FROM shop.orders", 1),
        ("SELECT id, note FROM shop.orders ORDER BY id LIMIT 5", 4),
        ("SELECT id, first_value(note) OVER (ORDER BY id) AS note FROM shop.orders", 4),
        ("SELECT id, note FROM shop.orders UNION ALL SELECT 1, 'x'::text AS note", 4),
        ("SELECT (id + 0) AS id, note FROM shop.orders", 4),
    ],
)
def test_filters_outside_prune(text: str, files: int) -> None:
    assert scanned(text) == files


def test_the_null_side_of_a_join_is_not_pruned() -> None:
    found = view("SELECT id, note FROM shop.orders", Oid.INT8, Oid.TEXT)
    query = read(found, "SELECT l.a0, l.a1 FROM v l LEFT JOIN v r ON l.a0 = r.a0 WHERE r.a0 IS NULL OR r.a0 < 50")
    assert [len(scan.files) for scan in query.scans] == [4, 4]


def test_a_view_hides_the_names_of_the_statement_around_it() -> None:
    found = view("SELECT id FROM shop.orders", Oid.INT8)
    query = read(found, "WITH orders AS (SELECT 1 AS id) SELECT v.a0 FROM v, orders")
    assert len(query.scans) == 1


@pytest.mark.parametrize("kept", [frozenset(), frozenset({Privilege.INSERT})])
def test_who_counts_behind_it_needs_rights(kept: frozenset[Privilege]) -> None:
    found = view("SELECT id FROM shop.orders", Oid.INT8, orders=replace(TABLE, privileges=kept))
    read(view("SELECT id FROM shop.orders", Oid.INT8))
    with pytest.raises(InsufficientPrivilege, match="permission denied for table orders"):
        read(found)
    with pytest.raises(InsufficientPrivilege, match="permission denied for view v"):
        read(replace(found, privileges=kept))


@pytest.mark.parametrize("text", ["INSERT INTO v VALUES (1)", "UPDATE v SET a0 = 1", "DELETE FROM v", "TRUNCATE v"])
def test_views_are_only_read(text: str) -> None:
    with pytest.raises(FeatureNotSupported, match='"v" is a view'):
        read(view("SELECT id FROM shop.orders", Oid.INT8), text)


def test_views_that_grow_too_large() -> None:
    found = view("SELECT id FROM shop.orders", Oid.INT8)
    for _ in range(11):
        found = view("SELECT a.a0 FROM shop.v a CROSS JOIN shop.v b", Oid.INT8, v=found)
    with pytest.raises(ProgramLimitExceeded):
        read(found)
