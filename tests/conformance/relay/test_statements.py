"""Statements through the relay, against the real server: rows, parameters, formats, errors, descriptions."""

import pytest

from catalog.errors import (
    CharacterNotInRepertoire,
    InsufficientPrivilege,
    InvalidTextRepresentation,
    SqlSyntaxError,
    UndefinedColumn,
)
from catalog.types import Oid, PgType, ResultColumn, numeric
from gateway.relay import Relay, report_of
from tests.conformance.relay.reading import fetch, query, read_columns, read_rows, value


async def test_select(relay: Relay) -> None:
    session = relay.open("alice", "lake")
    portal = await session.execute("SELECT 1 AS one, 'x' AS two", (), (), (), (), {})
    assert read_columns(portal.description) == [("one", Oid.INT4, 0), ("two", Oid.TEXT, 0)]
    assert await fetch(portal) == [(b"1", b"x")]
    assert portal.tag == "SELECT 1"


async def test_backend_is_the_users_own_role(relay: Relay) -> None:
    assert await value(relay.open("alice", "lake"), "SELECT session_user") == "alice"
    assert await value(relay.open("bob", "lake"), "SELECT current_user") == "bob"


async def test_parameters(relay: Relay) -> None:
    session = relay.open("alice", "lake")
    sql = "SELECT $1::int + 1, $2::text, $3::text IS NULL"
    assert await query(session, sql, (b"41", b"", None)) == [(b"42", b"", b"t")]
    binary = (41).to_bytes(4, "big")
    assert await query(session, sql, (binary, b"x", None), formats=(1, 0, 0)) == [(b"42", b"x", b"t")]


async def test_result_formats(relay: Relay) -> None:
    session = relay.open("alice", "lake")
    for _ in range(2):
        portal = await session.execute("SELECT 1, 'x'", (), (), (), (1,), {})
        assert [column[2] for column in read_columns(portal.description)] == [1, 1]
        assert await fetch(portal) == [(b"\0\0\0\1", b"x")]
        assert await query(session, "SELECT 1, 'x'", result_formats=(0, 1)) == [(b"1", b"x")]


async def test_declared_parameter_types(relay: Relay) -> None:
    session = relay.open("alice", "lake")
    description = await session.describe("SELECT $1", (Oid.INT8,), {})
    assert description.parameters == (Oid.INT8,)
    assert await query(session, "SELECT pg_typeof($1)::text", (b"1",), types=(Oid.INT8,)) == [(b"bigint",)]
    assert await query(session, "SELECT pg_typeof($1)::text", (b"1",), types=(Oid.INT2,)) == [(b"smallint",)]


async def test_describe_on_a_shadow(relay: Relay) -> None:
    description = await relay.open("alice", "lake").describe(
        "SELECT id, price, price / 2 AS half FROM sales.orders WHERE note = $1", (), {}
    )
    assert description.parameters == (Oid.TEXT,)
    assert description.columns == (
        ResultColumn("id", PgType(Oid.INT8)),
        ResultColumn("price", numeric(15, 2)),
        ResultColumn("half", PgType(Oid.NUMERIC)),
    )


async def test_describe_without_rows(relay: Relay) -> None:
    description = await relay.open("alice", "lake").describe("INSERT INTO sales.orders VALUES ($1)", (), {})
    assert (description.parameters, description.columns, description.row_description) == ((Oid.INT8,), None, b"")


async def test_reading_a_shadow_fails_and_says_that_postgresql_refused(relay: Relay) -> None:
    session = relay.open("alice", "lake")
    with pytest.raises(InsufficientPrivilege) as caught:
        await query(session, "SELECT count(*) FROM sales.orders")
    report = report_of(caught.value)
    assert report is not None
    assert report.fields["C"] == "42501"
    assert await value(session, "SELECT 1") == "1"


async def test_error_has_postgresqls_words(relay: Relay) -> None:
    session = relay.open("alice", "lake")
    with pytest.raises(UndefinedColumn, match='column "prize" does not exist') as caught:
        await session.describe("SELECT 'ä', prize FROM sales.orders", (), {})
    assert caught.value.position == 13
    assert caught.value.hint == 'Perhaps you meant to reference the column "orders.price".'
    with pytest.raises(SqlSyntaxError, match='syntax error at or near "SELEC"') as syntax:
        await query(session, "SELEC 1")
    assert syntax.value.position == 1


async def test_bad_parameter(relay: Relay) -> None:
    session = relay.open("alice", "lake")
    with pytest.raises(InvalidTextRepresentation):
        await query(session, "SELECT $1::int", (b"x",))
    assert await query(session, "SELECT $1::int", (b"7",)) == [(b"7",)]


async def test_several_statements_are_refused(relay: Relay) -> None:
    with pytest.raises(SqlSyntaxError, match="cannot insert multiple commands into a prepared statement"):
        await query(relay.open("alice", "lake"), "SELECT 1; SELECT 2")


async def test_nul_is_refused(relay: Relay) -> None:
    session = relay.open("alice", "lake")
    with pytest.raises(CharacterNotInRepertoire):
        await query(session, "SELECT '\0'")
    with pytest.raises(CharacterNotInRepertoire):
        await query(session, "SELECT $1::text", (b"a\0b",))
    assert await value(session, "SELECT 1") == "1"


async def test_empty_statement(relay: Relay) -> None:
    portal = await relay.open("alice", "lake").execute("", (), (), (), (), {})
    assert await fetch(portal) == []
    assert (portal.tag, portal.description) == ("", b"")


async def test_notices_are_forwarded(relay: Relay) -> None:
    session = relay.open("alice", "lake")
    portal = await session.execute("DROP TABLE IF EXISTS pg_temp.nothing", (), (), (), (), {})
    runs = b"".join([run async for run in portal.fetch()])
    assert runs.startswith(b"N")
    assert b"does not exist, skipping" in runs
    assert portal.tag == "DROP TABLE"


async def test_repeated_text_is_parsed_once(relay: Relay) -> None:
    session = relay.open("alice", "lake")
    for number in range(3):
        assert await query(session, "SELECT $1::text", (str(number).encode(),)) == [(str(number).encode(),)]
    prepared = "SELECT count(*) FROM pg_prepared_statements WHERE statement = 'SELECT $1::text'"
    assert await value(session, prepared) == "1"


@pytest.mark.parametrize("custom", [True, False])
async def test_what_has_no_name_is_planned_for_its_values(relay: Relay, custom: bool) -> None:
    session, sql = relay.open("alice", "lake"), "SELECT relname FROM pg_catalog.pg_class WHERE oid = $1"
    for _ in range(12):
        portal = await session.execute(sql, (Oid.OID,), (), (b"1259",), (), {}, custom=custom)
        assert await fetch(portal) == [(b"pg_class",)]
    kept = f"SELECT generic_plans FROM pg_catalog.pg_prepared_statements WHERE statement = '{sql}'"
    ((plans,),) = await query(session, kept)
    assert plans == (b"0" if custom else b"7")


async def test_the_present_is_read_each_time(relay: Relay) -> None:
    """A literal like 'now' is a constant of the parsed statement."""
    session = relay.open("alice", "lake")
    first = await value(session, "SELECT 'now'::timestamptz")
    assert await value(session, "SELECT 'now'::timestamptz") != first


async def test_big_result_is_whole(relay: Relay) -> None:
    rows = await query(relay.open("alice", "lake"), "SELECT i, repeat('x', 100) FROM generate_series(1, 50000) i")
    assert len(rows) == 50000
    assert [int(row[0] or b"") for row in rows] == list(range(1, 50001))


async def test_answer_at_once(relay: Relay) -> None:
    portal = await relay.open("alice", "lake").execute("SELECT 7", (), (), (), (), {})
    answer = portal.take_answer()
    assert answer is not None
    assert read_rows(answer) == [(b"7",)]
    assert answer.endswith(b"C\0\0\0\rSELECT 1\0")
    assert (portal.tag, await fetch(portal)) == ("SELECT 1", [])
