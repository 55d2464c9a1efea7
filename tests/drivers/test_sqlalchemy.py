"""SQLAlchemy 2: reflection of every table and Core selects of every type, through psycopg, psycopg2 and asyncpg."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import Connection, MetaData, Table, create_engine, func, inspect, select
from sqlalchemy.dialects import postgresql
from sqlalchemy.engine.interfaces import ReflectedColumn
from sqlalchemy.ext.asyncio import create_async_engine

from tests import samples
from tests.alike import asked_of_both
from tests.target import Target

pytestmark = pytest.mark.driver

SCHEMAS = ("tpch", "sample")
COMMENTS = (
    ("TABLE sample.every_type", "one column a type"),
    ("COLUMN tpch.region.r_name", 'it\'s a "name"'),
    ("COLUMN sample.every_type.int8", "ünïcode 🦆"),
)
SCALARS = [column for column in samples.COLUMNS if not column.endswith("_array")]
DIALECTS = ("psycopg", "psycopg2", "asyncpg")


def in_dialect(dialect: str, ask: Callable[[Connection], Any]) -> Callable[[Target], Any]:
    """The question, asked over a connection of that driver."""
    return lambda target: asyncio.run(_ask(target, ask)) if dialect == "asyncpg" else _ask_now(target, dialect, ask)


def _ask_now(target: Target, dialect: str, ask: Callable[[Connection], Any]) -> Any:
    """Without the look-up of an extension's type, which needs a savepoint."""
    engine = create_engine(target.url(f"postgresql+{dialect}", sslmode=target.sslmode), use_native_hstore=False)
    try:
        with engine.connect() as connection:
            return ask(connection)
    finally:
        engine.dispose()


async def _ask(target: Target, ask: Callable[[Connection], Any]) -> Any:
    engine = create_async_engine(target.url("postgresql+asyncpg", ssl=target.sslmode))
    try:
        async with engine.connect() as connection:
            return await connection.run_sync(ask)
    finally:
        await engine.dispose()


@contextmanager
def commented(*targets: Target) -> Iterator[None]:
    """Both have the same comments meanwhile, on what has none otherwise: the tables are other tests' too."""
    for target in targets:
        with target.connect() as connection:
            for place, text in COMMENTS:
                connection.execute(f"COMMENT ON {place} IS $${text}$$".encode())
    try:
        yield
    finally:
        for target in targets:
            with target.connect() as connection:
                for place, _ in COMMENTS:
                    connection.execute(f"COMMENT ON {place} IS NULL".encode())


def reflect(connection: Connection) -> dict[str, Any]:
    """All that an inspector tells of the schemas."""
    inspector = inspect(connection)
    found: dict[str, Any] = {}
    for schema in SCHEMAS:
        columns = inspector.get_multi_columns(schema)
        found[schema] = {
            "tables": sorted(inspector.get_table_names(schema)),
            "views": inspector.get_view_names(schema),
            "columns": {name: [spelled(column) for column in found] for name, found in columns.items()},
            "keys": inspector.get_multi_pk_constraint(schema),
            "foreign keys": inspector.get_multi_foreign_keys(schema),
            "unique": inspector.get_multi_unique_constraints(schema),
            "checks": inspector.get_multi_check_constraints(schema),
            "indexes": inspector.get_multi_indexes(schema),
            "comments": inspector.get_multi_table_comment(schema),
            "options": inspector.get_multi_table_options(schema),
        }
    return found


def spelled(column: ReflectedColumn) -> dict[str, Any]:
    return {**column, "type": column["type"].compile(postgresql.dialect())}


@pytest.mark.parametrize("dialect", DIALECTS)
def test_reflection_of_every_table(bare_oracle: Target, gateway: Target, dialect: str) -> None:
    with commented(bare_oracle, gateway):
        found = asked_of_both(bare_oracle, gateway, in_dialect(dialect, reflect))
    assert len(found["tpch"]["tables"]) == 8
    assert found["tpch"]["comments"]["tpch", "region"] == {"text": "TPC-H region, scale factor 0.1"}
    assert found["sample"]["comments"]["sample", "every_type"] == {"text": "one column a type"}


def read_every_type(connection: Connection) -> Any:
    """Rows of the reflected table, and by an equal value of each column its row."""
    table = Table("every_type", MetaData(), schema="sample", autoload_with=connection)
    rows = [tuple(row) for row in connection.execute(select(table).where(table.c.id < 3).order_by(table.c.id))]
    found = {
        column: connection.execute(
            select(table.c.id).where(table.c[column] == samples.ORDINARY[column]).order_by(table.c.id)
        )
        .scalars()
        .first()
        for column in SCALARS
    }
    return rows, found


@pytest.mark.parametrize("dialect", DIALECTS)
def test_selects_of_every_type(oracle: Target, gateway: Target, dialect: str) -> None:
    rows, found = asked_of_both(oracle, gateway, in_dialect(dialect, read_every_type))
    assert len(rows) == 2
    assert found == dict.fromkeys(SCALARS, 1)


def read_joined(connection: Connection) -> Any:
    metadata = MetaData()
    nation, region = (Table(name, metadata, schema="tpch", autoload_with=connection) for name in ("nation", "region"))
    return [
        tuple(row)
        for row in connection.execute(
            select(region.c.r_name, func.count().label("nations"), func.max(nation.c.n_name))
            .join(nation, nation.c.n_regionkey == region.c.r_regionkey)
            .where(region.c.r_name.in_(["ASIA", "EUROPE", "AFRICA"]))
            .group_by(region.c.r_name)
            .order_by(region.c.r_name.desc())
            .limit(2)
        )
    ]


@pytest.mark.parametrize("dialect", DIALECTS)
def test_joins_and_groups(oracle: Target, gateway: Target, dialect: str) -> None:
    assert asked_of_both(oracle, gateway, in_dialect(dialect, read_joined)) == [
        ("EUROPE", 5, "UNITED KINGDOM"),
        ("ASIA", 5, "VIETNAM"),
    ]
