"""The gateway's variables are the truth on every backend, whoever had it before."""

import pytest

from catalog.errors import (
    FeatureNotSupported,
    InsufficientPrivilege,
    InvalidParameterValue,
    SqlError,
    UndefinedObject,
    UndefinedTable,
)
from gateway.relay import Relay, RelayLimits
from tests.conformance.relay.conftest import Metastore, Relays
from tests.conformance.relay.reading import fetch, query, value

BACKEND = "SELECT pg_backend_pid()"
ZONE = "SELECT current_setting('TimeZone')"


async def test_sessions_share_a_backend_but_no_settings(relay: Relay) -> None:
    first, second = relay.open("alice", "lake"), relay.open("alice", "lake")
    tokyo = {"timezone": "Asia/Tokyo"}
    assert await value(first, ZONE, tokyo) == "Asia/Tokyo"
    assert await value(second, ZONE) == "UTC"
    assert await value(first, ZONE, tokyo) == "Asia/Tokyo"
    assert await value(first, BACKEND, tokyo) == await value(second, BACKEND)


async def test_a_failed_statement_leaves_no_setting_behind(relay: Relay) -> None:
    session = relay.open("alice", "lake")
    rome = {"timezone": "Europe/Rome"}
    with pytest.raises(SqlError, match="division by zero"):
        await query(session, "SELECT 1/0", variables=rome)
    assert await value(session, ZONE, rome) == "Europe/Rome"
    assert await value(session, ZONE) == "UTC"


async def test_a_role_that_went_with_its_transaction_is_taken_anew(relay: Relay) -> None:
    """The backend that has rolled it back would do what follows with the rights of the user herself."""
    session, acting = relay.open("alice", "lake"), {"role": "analysts"}
    sql = "SELECT 1 / (3 - n) FROM generate_series(1, 3) n"
    portal = await session.execute(sql, (), (), (), (), acting, max_rows=1)
    assert await fetch(portal) == [(b"0",)]
    with pytest.raises(SqlError, match="division by zero"):
        await fetch(portal)
    assert await value(session, "SELECT current_user", acting) == "analysts"


async def test_a_role_that_went_with_a_failed_commit_is_taken_anew(relay: Relay) -> None:
    session, acting = relay.open("alice", "lake"), {"role": "analysts"}
    await query(session, "CREATE TEMP TABLE once (a int UNIQUE DEFERRABLE INITIALLY DEFERRED)", variables=acting)
    await session.begin()
    assert await value(session, "SELECT current_user") == "alice"
    assert await value(session, "SELECT current_user", acting) == "analysts"
    await query(session, "INSERT INTO once VALUES (1), (1)", variables=acting)
    with pytest.raises(SqlError, match="duplicate key"):
        await session.end(commit=True)
    assert await value(session, "SELECT current_user", acting) == "analysts"
    await session.close()


async def test_settings_take_part_in_the_statement(relay: Relay) -> None:
    session = relay.open("alice", "lake")
    midnight = "SELECT timestamptz '2026-01-01 00:00:00+00'"
    assert await value(session, midnight) == "2026-01-01 00:00:00+00"
    assert await value(session, midnight, {"timezone": "Asia/Tokyo"}) == "2026-01-01 09:00:00+09"
    assert await value(session, midnight, {"datestyle": "German, DMY"}) == "01.01.2026 00:00:00 UTC"


async def test_set_variable_is_canonical(relay: Relay) -> None:
    session = relay.open("alice", "lake")
    assert await session.set_variable("DateStyle", "german", {}) == "German, DMY"
    assert await session.set_variable("work_mem", "4096", {}) == "4MB"
    assert await session.set_variable("work_mem", None, {"work_mem": "4MB"}) == "8MB"
    assert await session.show("work_mem", {"work_mem": "5MB"}) == "5MB"
    assert await session.show("work_mem", {}) == "8MB"


async def test_set_variable_is_postgresqls_to_refuse(relay: Relay) -> None:
    session = relay.open("alice", "lake")
    with pytest.raises(InvalidParameterValue, match='invalid value for parameter "TimeZone": "Nowhere"'):
        await session.set_variable("TimeZone", "Nowhere", {})
    with pytest.raises(UndefinedObject, match='unrecognized configuration parameter "no_such"'):
        await session.set_variable("no_such", "1", {})
    with pytest.raises(UndefinedObject, match='unrecognized configuration parameter "no_such"'):
        await session.show("no_such", {})
    with pytest.raises(InsufficientPrivilege):
        await session.set_variable("temp_file_limit", "-1", {})


@pytest.mark.parametrize(("name", "setting"), [("client_encoding", "LATIN1"), ("standard_conforming_strings", "off")])
async def test_settings_that_change_how_sql_is_read_are_refused(relay: Relay, name: str, setting: str) -> None:
    session = relay.open("alice", "lake")
    before = await session.show(name, {})
    with pytest.raises(FeatureNotSupported):
        await session.set_variable(name, setting, {})
    assert await session.show(name, {}) == before


async def test_no_role_but_ones_own(relay: Relay) -> None:
    session = relay.open("alice", "lake")
    for statement in ("SET ROLE bob", "SET SESSION AUTHORIZATION bob", "SET ROLE lakegate"):
        with pytest.raises(InsufficientPrivilege):
            await query(session, statement)
    for name in ("role", "session_authorization"):
        with pytest.raises(InsufficientPrivilege):
            await session.set_variable(name, "lakegate", {})
    for statement in ("RESET ROLE", "RESET SESSION AUTHORIZATION", "SET ROLE NONE"):
        await query(session, statement)
        assert await value(session, "SELECT current_user") == "alice"


@pytest.mark.parametrize(
    ("statement", "name"),
    [
        ("SELECT set_config('TimeZone', 'Asia/Tokyo', false)", "timezone"),
        ("SET TimeZone = 'Asia/Tokyo'", "timezone"),
        ("SET work_mem = '1MB'", "work_mem"),
        ("SET ROLE analysts", "role"),
        ("SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY", "default_transaction_read_only"),
    ],
)
async def test_a_setting_changed_behind_the_gateways_back_goes(relay: Relay, statement: str, name: str) -> None:
    session = relay.open("alice", "lake")
    before = await session.show(name, {})
    await query(session, statement)
    assert await session.show(name, {}) == before


async def test_variables_of_the_gateway_are_told(relay: Relay) -> None:
    session = relay.open("alice", "lake")
    for lane in ("spark", "duckdb"):
        assert await session.show("lakegate.lane", {"lakegate.lane": lane}) == lane


async def test_description_follows_the_search_path(relay: Relay, metastore: Metastore) -> None:
    session = relay.open("alice", "lake")
    with pytest.raises(UndefinedTable):
        await session.describe("TABLE orders", (), {})
    described = await session.describe("TABLE orders", (), {"search_path": "sales"})
    assert [column.name for column in described.columns or ()] == ["id", "price", "note"]
    with pytest.raises(UndefinedTable):
        await session.describe("TABLE orders", (), {})


async def test_description_follows_the_catalog(relay: Relay, metastore: Metastore) -> None:
    session = relay.open("alice", "lake")
    metastore.execute("CREATE TABLE sales.growing (a int)", "GRANT REFERENCES ON sales.growing TO alice")
    try:
        before = await session.describe("TABLE sales.growing", (), {})
        assert await session.describe("TABLE sales.growing", (), {}) is before
        metastore.execute("ALTER TABLE sales.growing ADD b text")
        metastore.version += 1
        after = await session.describe("TABLE sales.growing", (), {})
        assert [column.name for column in after.columns or ()] == ["a", "b"]
    finally:
        metastore.execute("DROP TABLE sales.growing")


async def test_backends_limits_are_the_defaults(relays: Relays) -> None:
    session = relays(RelayLimits(lock_milliseconds=1234)).open("alice", "lake")
    assert await session.show("lock_timeout", {}) == "1234ms"
    assert (await session.read_defaults())["server_version"].startswith("18")
