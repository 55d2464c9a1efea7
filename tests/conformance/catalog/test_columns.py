"""Generated and identity columns, partitions and properties: what the log says of them is what the catalogs show."""

import json
from pathlib import Path
from typing import Any

import pytest

from catalog.changes import CreateSchema, Grant, Privilege, RegisterTable
from catalog.names import TableName, TableReference
from tests.conformance.catalog.test_relay_answers import ask
from tests.fix_metastore import Metastore
from tests.lakes import field, write_log

TABLE, REFERENCE = TableName("sales", "orders"), TableReference("orders", "sales")
IDENTITY: dict[str, Any] = {
    "delta.identity.start": 0,
    "delta.identity.step": 5,
    "delta.identity.allowExplicitInsert": False,
}
GENERATED: dict[str, Any] = {"delta.generationExpression": "CAST(at AS DATE)"}
FIELDS = [
    field("id", "long", **IDENTITY),
    field("free", "long", **(IDENTITY | {"delta.identity.step": -1, "delta.identity.allowExplicitInsert": True})),
    field("at", "timestamp", nullable=False, comment="when"),
    field("day", "date", **GENERATED),
]
SHOWN = """
SELECT column_name, data_type, is_nullable, is_identity, identity_generation, identity_start, identity_increment,
       is_generated, generation_expression
FROM information_schema.columns WHERE table_schema = 'sales' ORDER BY ordinal_position
"""
MARKS = """
SELECT attname::text, attidentity::text, attgenerated::text FROM pg_attribute
WHERE attrelid = 'sales.orders'::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum
"""


def log(folder: Path, fields: list[dict[str, Any]], version: int = 0) -> str:
    location = write_log(folder, fields, version=version, partitions=["day"], reader=1)
    commit = folder / "_delta_log" / f"{version:020}.json"
    actions = [json.loads(line) for line in commit.read_text().splitlines()]
    actions[0]["protocol"] |= {"minWriterVersion": 6}
    actions[1]["metaData"]["configuration"] = {"delta.appendOnly": "true"}
    commit.write_text("\n".join(json.dumps(action) for action in actions))
    return location


@pytest.fixture
async def sales(metastore: Metastore) -> Metastore:
    await metastore.apply(CreateSchema("sales"))
    await metastore.apply(RegisterTable(TABLE, log(metastore.warehouse / "t", FIELDS)))
    return metastore


async def test_columns_are_marked(sales: Metastore) -> None:
    assert await sales.query(MARKS) == [("id", "a", ""), ("free", "d", ""), ("at", "", ""), ("day", "", "s")]
    expression = "lakegate.delta_expression('CAST(at AS DATE)'::text, NULL::date)"
    assert await ask(sales, sales.admin.name, SHOWN) == [
        ("id", "bigint", "NO", "YES", "ALWAYS", "0", "5", "NEVER", None),
        ("free", "bigint", "NO", "YES", "BY DEFAULT", "0", "-1", "NEVER", None),
        ("at", "timestamp with time zone", "NO", "NO", None, None, None, "NEVER", None),
        ("day", "date", "YES", "NO", None, None, None, "ALWAYS", expression),
    ]


async def test_an_expression_of_the_log_is_only_text(sales: Metastore) -> None:
    evil: dict[str, Any] = {"delta.generationExpression": "'); DROP TABLE lakegate.tables; --"}
    log(sales.warehouse / "t", [*FIELDS, field("odd", "string", **evil)], version=1)
    await sales.resolve(REFERENCE)
    assert (await sales.query(MARKS))[-1] == ("odd", "", "s")


@pytest.mark.parametrize(
    ("fields", "marks"),
    [
        ([FIELDS[0], FIELDS[1], FIELDS[2], field("day", "date")], [("a", ""), ("d", ""), ("", ""), ("", "")]),
        ([field("id", "long"), *FIELDS[1:]], [("", ""), ("d", ""), ("", ""), ("", "s")]),
        ([*FIELDS, field("more", "long", **IDENTITY)], [("a", ""), ("d", ""), ("", ""), ("", "s"), ("a", "")]),
    ],
    ids=["no longer generated", "no longer an identity", "another identity"],
)
async def test_marks_follow_outside_writers(
    sales: Metastore, fields: list[dict[str, Any]], marks: list[tuple[str, str]]
) -> None:
    log(sales.warehouse / "t", fields, version=1)
    await sales.resolve(REFERENCE)
    assert [row[1:] for row in await sales.query(MARKS)] == marks


@pytest.mark.parametrize("type_", ["string", "decimal(10,2)", "timestamp_ntz", "binary", "boolean"])
async def test_generated_columns_of_every_type(metastore: Metastore, type_: str) -> None:
    await metastore.apply(CreateSchema("sales"))
    fields = [field("a", "long"), field("day", type_, **GENERATED)]
    await metastore.apply(RegisterTable(TABLE, log(metastore.warehouse / "t", fields)))
    assert (await metastore.query(MARKS))[1] == ("day", "", "s")


DETAILS = {
    "delta_tables": """SELECT table_name, owner, format, version, num_files, num_rows, size_bytes, min_writer_version,
                              location LIKE '%/t' FROM lakegate.delta_tables""",
    "partition_columns": "SELECT table_name, column_name, ordinal_position FROM lakegate.partition_columns",
    "table_properties": "SELECT table_name, key, value FROM lakegate.table_properties",
}


async def test_what_catalogs_have_no_place_for(sales: Metastore) -> None:
    user, stranger = await sales.make_user("user"), await sales.make_user("stranger")
    await sales.apply(Grant(frozenset({Privilege.SELECT}), (user.name,), tables=(TABLE,)))
    answers = {
        "delta_tables": [("orders", "admin", "delta", 0, 0, 0, 0, 6, True)],
        "partition_columns": [("orders", "day", 1)],
        "table_properties": [("orders", "delta.appendOnly", "true")],
    }
    for name, query in DETAILS.items():
        assert await ask(sales, user.name, query) == answers[name]
        assert await ask(sales, sales.admin.name, query) == answers[name]
        assert await ask(sales, stranger.name, query) == []
