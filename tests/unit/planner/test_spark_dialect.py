"""The spark dialect: what it becomes, and what is refused."""

import re

import pytest

from catalog.changes import CreateSchema, DropTable, Privilege, RegisterTable
from catalog.errors import FeatureNotSupported, InsufficientPrivilege, SqlSyntaxError, UndefinedTable
from catalog.names import TableName
from planner import parse
from planner.plan import (
    CatalogChange,
    Constant,
    Dialect,
    Lane,
    Metadata,
    Plan,
    Query,
    SessionValue,
    Settings,
    SetVariable,
)
from tests.unit.planner.warehouse import ORDERS, planned

ATTACKS = (
    "SELECT * FROM delta.`/etc`",
    "SELECT * FROM `delta`.`/lake/orders`",
    "SELECT * FROM parquet.`/lake/orders/0.parquet`",
    "SELECT * FROM csv.`file:///etc/passwd`",
    "CREATE TABLE t AS SELECT * FROM text.`/etc/passwd`",
    "INSERT INTO orders SELECT * FROM json.`/x`",
    "SELECT reflect('java.lang.System', 'getenv')",
    "SELECT `reflect`('java.lang.System', 'getenv')",
    "SELECT system.builtin.reflect('java.lang.System', 'getenv')",
    "SELECT java_method('java.lang.System', 'exit', 1)",
    "SELECT try_reflect('a', 'b')",
    "ADD JAR '/tmp/x.jar'",
    "ADD FILE '/etc/passwd'",
    "LIST JAR",
    "CREATE FUNCTION f AS 'com.example.F'",
    "CREATE TEMPORARY FUNCTION f AS 'com.example.F' USING JAR '/x'",
    "SELECT TRANSFORM(id) USING 'cat' FROM orders",
    "EXECUTE IMMEDIATE 'SELECT 1'",
    "SELECT * FROM IDENTIFIER('orders')",
    "SELECT * FROM IDENTIFIER(:name)",
    "INSERT OVERWRITE DIRECTORY '/x' SELECT 1",
    "INSERT OVERWRITE LOCAL DIRECTORY '/x' USING csv SELECT 1",
    "CREATE TABLE t (a INT) USING delta LOCATION '/etc'",
    "CREATE TABLE t (a INT) USING parquet",
    "CREATE TABLE t USING csv OPTIONS (path '/etc/passwd')",
    "CREATE TEMPORARY VIEW v USING csv OPTIONS (path '/etc/passwd')",
    "SET spark.sql.ansi.enabled = false",
    "SET",
    "SELECT * FROM read_files('/etc')",
    "SELECT input_file_name() FROM orders",
    "SELECT _metadata.file_path FROM orders",
    "CACHE TABLE orders",
    "CREATE VIEW v AS SELECT 1",
    "LOAD DATA INPATH '/x' INTO TABLE orders",
    "COPY INTO orders FROM '/x'",
    "SELECT /*+ BROADCAST(orders) */ * FROM orders",
    "VACUUM orders",
    "CALL system.f()",
    "CREATE TABLE t SHALLOW CLONE orders",
    "CREATE TABLE t LIKE orders",
    "SELECT ${spark.master}",
    "SELECT * FROM orders TIMESTAMP AS OF '2020-01-01'",
    "EXPLAIN SELECT 1",
    "DESCRIBE FUNCTION upper",
    "SHOW FUNCTIONS",
    "SHOW CREATE TABLE orders",
    "SELECT raise_error('x')",
    "SELECT assert_true(false)",
)


def in_spark(text: str, **given: object) -> Plan:
    return planned(text, dialect=Dialect.SPARK, **given)  # type: ignore[arg-type]


@pytest.mark.parametrize("text", ATTACKS)
def test_attacks_are_refused(text: str) -> None:
    with pytest.raises((FeatureNotSupported, SqlSyntaxError, UndefinedTable)):
        in_spark(text)


def test_tables_become_paths_at_versions() -> None:
    query = in_spark("SELECT o.id, current_user() FROM shop.orders o JOIN Items USING (id) -- note")
    assert isinstance(query, Query)
    assert query.sql == (
        "SELECT o.id, 'ann' FROM delta.`/lake/orders` VERSION AS OF 7 AS o "
        "JOIN delta.`/lake/items` VERSION AS OF 3 AS `Items` USING (id)"
    )
    assert query.columns is None
    assert dict(query.reads) == {ORDERS: 7, TableName("shop", "items"): 3}


def test_what_draws_at_random_gets_a_seed_of_the_sessions() -> None:
    query = in_spark("SELECT rand(), uniform(1, 2) + randn() AS n, rand(7) AS r FROM orders")
    assert isinstance(query, Query)
    assert re.sub(":p[123]", ":p", query.sql).startswith(
        "SELECT RAND(:p) AS `rand()`, UNIFORM(1, 2, :p) + RANDN(:p) AS n, RAND(7) AS r FROM"
    )
    assert {(parameter.name, parameter.source) for parameter in query.parameters} == {
        (f"p{number}", SessionValue.SEED) for number in (1, 2, 3)
    }


def test_a_cte_hides_a_table_only_where_it_is_seen() -> None:
    query = in_spark("WITH orders AS (SELECT id FROM orders) SELECT * FROM orders")
    assert isinstance(query, Query)
    assert query.sql.count("/lake/orders") == 1


def test_commands_are_answered_from_the_metastore() -> None:
    assert isinstance(in_spark("SHOW TABLES IN shop"), Metadata)
    assert in_spark("USE shop") == SetVariable("search_path", "shop")
    assert in_spark("SET lakegate.dialect = postgres") == SetVariable("lakegate.dialect", "postgres")
    columns, schemas = in_spark("SHOW COLUMNS IN orders"), in_spark("SHOW SCHEMAS")
    assert isinstance(columns, Constant)
    assert columns.rows == (("id",), ("amount",), ("day",), ("note",), ("region",))
    assert isinstance(schemas, Constant)
    assert schemas.rows == (("closed",), ("shop",))


def test_definitions_change_the_catalog() -> None:
    made = in_spark("CREATE TABLE t (a INT NOT NULL) PARTITIONED BY (a)")
    assert isinstance(made, Query)
    assert made.sql == "CREATE TABLE delta.`/lake/fresh` (a INT NOT NULL) PARTITIONED BY (a) USING DELTA"
    assert made.then == RegisterTable(TableName("shop", "t"), "/lake/fresh")
    assert in_spark("DROP TABLE orders") == CatalogChange(DropTable(ORDERS), "DROP TABLE")
    assert in_spark("CREATE SCHEMA s") == CatalogChange(CreateSchema("s"), "CREATE SCHEMA")


@pytest.mark.parametrize(
    "text",
    [
        "SELECT * FROM orders",
        "INSERT INTO orders SELECT * FROM items",
        "UPDATE orders SET note = 'x'",
        "DELETE FROM orders",
        "MERGE INTO orders t USING items s ON t.id = s.id WHEN MATCHED THEN DELETE",
        "DESCRIBE HISTORY orders",
        "CREATE TABLE t AS SELECT * FROM orders",
        "TRUNCATE TABLE orders",
    ],
)
def test_privileges_are_needed(text: str) -> None:
    with pytest.raises(InsufficientPrivilege, match="permission denied for table"):
        in_spark(text, privileges=frozenset[Privilege](), admin=False)


def test_the_duckdb_lane_cannot_be_forced() -> None:
    with pytest.raises(FeatureNotSupported, match="DuckDB lane cannot run"):
        in_spark("SELECT * FROM orders", settings=Settings(dialect=Dialect.SPARK, lane=Lane.DUCKDB))


def test_statements_are_split_outside_strings() -> None:
    assert [s.text for s in parse("SELECT ';' ; SELECT 2;", Dialect.SPARK)] == ["SELECT ';'", "SELECT 2"]
