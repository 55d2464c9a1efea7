"""Session statements, roles, definitions, writes and routes: text in, plan out."""

import pytest

from catalog.changes import (
    AlterRole,
    CommentOnTable,
    CreateRole,
    CreateSchema,
    CreateView,
    DropRole,
    DropTable,
    Grant,
    GrantMembership,
    Privilege,
    RegisterTable,
    RenameTable,
    SyncTable,
)
from catalog.errors import DuplicateTable, FeatureNotSupported, InsufficientPrivilege, InvalidSchemaName
from catalog.names import TableName
from catalog.types import Oid, PgType, ResultColumn
from planner.plan import (
    Begin,
    CatalogChange,
    Commit,
    Constant,
    Deallocate,
    Discard,
    Lane,
    Modes,
    Plan,
    Query,
    Release,
    ResetVariable,
    Rollback,
    RollbackTo,
    Savepoint,
    SetModes,
    Settings,
    SetVariable,
)
from tests.unit.planner.warehouse import ORDER_COLUMNS, ORDERS, changed, planned

PLANS: tuple[tuple[str, Plan], ...] = (
    ("BEGIN", Begin()),
    (
        "START TRANSACTION ISOLATION LEVEL SERIALIZABLE READ ONLY",
        Begin(Modes("serializable", read_only=True), "START TRANSACTION"),
    ),
    ("BEGIN READ WRITE, NOT DEFERRABLE", Begin(Modes(read_only=False, deferrable=False))),
    ("SAVEPOINT A", Savepoint("a")),
    ('RELEASE "A"', Release("A")),
    ("ROLLBACK TO SAVEPOINT a", RollbackTo("a")),
    ("END", Commit()),
    ("COMMIT AND CHAIN", Commit(True)),
    ("ABORT", Rollback()),
    ('SET search_path TO a, B, "C"', SetVariable("search_path", 'a, b, "C"')),
    ("SET LOCAL work_mem = DEFAULT", SetVariable("work_mem", None, True)),
    ("SET TIME ZONE 'UTC'", SetVariable("timezone", "UTC")),
    ("SET TIME ZONE INTERVAL '-8' HOUR", SetVariable("timezone", "INTERVAL '-8 hours'")),
    ("SET TIME ZONE INTERVAL '-1:30:10' HOUR TO MINUTE", SetVariable("timezone", "INTERVAL '-90 minutes'")),
    ("SET TIME ZONE INTERVAL '1 day' HOUR", SetVariable("timezone", "INTERVAL '1 day'")),
    ("SET work_mem FROM CURRENT", SetVariable("work_mem", None, keeps=True)),
    ("SET TRANSACTION READ ONLY", SetModes(Modes(read_only=True))),
    ("SET transaction_deferrable = off", SetModes(Modes(deferrable=False), by_name=True)),
    (
        "SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL READ COMMITTED, READ WRITE",
        SetModes(Modes("read committed", read_only=False), for_session=True),
    ),
    ("SET ROLE NONE", SetVariable("role", "none")),
    ("RESET ALL", ResetVariable(None)),
    ("DISCARD TEMP", Discard("TEMP")),
    ("DEALLOCATE p", Deallocate("p")),
    ("CREATE USER bob PASSWORD 'x'", CatalogChange(CreateRole("bob", "x", True), "CREATE ROLE")),
    ("CREATE ROLE readers NOSUPERUSER", CatalogChange(CreateRole("readers", None, False), "CREATE ROLE")),
    ("ALTER USER bob NOLOGIN", CatalogChange(AlterRole("bob", None, False), "ALTER ROLE")),
    ("DROP ROLE IF EXISTS bob, ann", CatalogChange(DropRole(("bob", "ann"), True), "DROP ROLE")),
    ("GRANT readers TO bob", CatalogChange(GrantMembership(("readers",), ("bob",)), "GRANT ROLE")),
    (
        "GRANT SELECT ON orders TO bob, PUBLIC",
        CatalogChange(Grant(frozenset({Privilege.SELECT}), ("bob", "public"), tables=(ORDERS,)), "GRANT"),
    ),
    (
        "REVOKE USAGE ON SCHEMA shop FROM bob",
        CatalogChange(Grant(frozenset({Privilege.USAGE}), ("bob",), schemas=("shop",), revoke=True), "REVOKE"),
    ),
    ("CREATE SCHEMA s", CatalogChange(CreateSchema("s"), "CREATE SCHEMA")),
    ("DROP TABLE shop.orders", CatalogChange(DropTable(ORDERS), "DROP TABLE")),
    ("DROP TABLE orders CASCADE", CatalogChange(DropTable(ORDERS, cascade=True), "DROP TABLE")),
    ("ALTER TABLE orders RENAME TO o", CatalogChange(RenameTable(ORDERS, "o"), "ALTER TABLE")),
    (
        "CREATE OR REPLACE VIEW v (a) AS WITH items AS (SELECT 1 AS id) SELECT o.id FROM orders o, items, shop.items i",
        CatalogChange(
            CreateView(
                TableName("shop", "v"),
                'CREATE OR REPLACE VIEW "shop"."v" (a) AS WITH items AS (SELECT 1 AS id) '
                'SELECT o.id FROM "shop"."orders" o, items, "shop"."items" i',
                replace=True,
            ),
            "CREATE VIEW",
        ),
    ),
    (
        "CREATE VIEW shop . v AS SELECT relname FROM pg_class",
        CatalogChange(
            CreateView(
                TableName("shop", "v"), 'CREATE VIEW "shop"."v" AS SELECT relname FROM pg_class', unknown="pg_class"
            ),
            "CREATE VIEW",
        ),
    ),
    ("COMMENT ON COLUMN orders.id IS 'x'", CatalogChange(CommentOnTable(ORDERS, "id", "x"), "COMMENT")),
)
WRITES = (
    ("TRUNCATE orders", "DELETE FROM delta.`/lake/orders`", "TRUNCATE TABLE"),
    (
        "INSERT INTO items VALUES (1, '2.5'), (2, NULL)",
        "INSERT INTO delta.`/lake/items` SELECT q.c0 AS `id`, q.c1 AS `amount` FROM (SELECT CAST(1 AS BIGINT) AS `c0`, "
        "CAST(2.5 AS DECIMAL(15,2)) AS `c1` UNION ALL SELECT CAST(2 AS BIGINT) AS `c0`, "
        "CAST(NULL AS DECIMAL(15,2)) AS `c1`) AS q",
        "INSERT 0",
    ),
    (
        "UPDATE orders o SET note = 'it''s' WHERE o.id = 5",
        "UPDATE delta.`/lake/orders` AS t1 SET `note` = 'it\\'s' WHERE (t1.`id` = 5)",
        "UPDATE",
    ),
    (
        "DELETE FROM orders USING items WHERE items.id = orders.id",
        "MERGE INTO delta.`/lake/orders` AS t2 USING (SELECT * FROM delta.`/lake/items` VERSION AS OF 3) AS t1 "
        "ON (t1.`id` = t2.`id`) WHEN MATCHED THEN DELETE",
        "DELETE",
    ),
)
ON_SPARK = Settings(lane=Lane.SPARK)
REFUSED = (
    "PREPARE TRANSACTION 'x'",
    "SET TRANSACTION SNAPSHOT 'x'",
    "CREATE ROLE x SUPERUSER",
    "CREATE ROLE x BYPASSRLS",
    "ALTER ROLE x CREATEROLE",
    "ALTER ROLE x SET work_mem = 1",
    "GRANT SELECT (id) ON orders TO bob",
    "GRANT EXECUTE ON FUNCTION f TO bob",
    "GRANT SELECT ON orders TO bob WITH GRANT OPTION",
    "CREATE TABLE t (a numeric)",
    "CREATE TABLE t (a serial)",
    "CREATE TABLE t (a int) LOCATION '/etc'",
    "CREATE TABLE t (a int) USING parquet",
    "CREATE UNLOGGED TABLE t (a int)",
    "INSERT INTO orders (id) VALUES (1) ON CONFLICT DO NOTHING",
    "INSERT INTO orders (id) VALUES (1) RETURNING id",
    "UPDATE orders SET note = (SELECT 'x')",
    "DELETE FROM orders WHERE id NOT IN (SELECT id FROM items)",
    "ALTER TABLE orders DROP COLUMN note",
    "ALTER TABLE orders RENAME CONSTRAINT a TO b",
    "CREATE VIEW v AS SELECT id FROM orders FOR VERSION AS OF 1",
    "CREATE VIEW v WITH (security_barrier) AS SELECT id FROM orders",
    "CREATE VIEW v AS SELECT id FROM orders WITH LOCAL CHECK OPTION",
    "ALTER VIEW orders SET (security_invoker)",
)


@pytest.mark.parametrize(("text", "plan"), PLANS)
def test_plans(text: str, plan: Plan) -> None:
    assert planned(text) == plan


@pytest.mark.parametrize("text", REFUSED)
def test_refusals(text: str) -> None:
    with pytest.raises(FeatureNotSupported):
        planned(text)


@pytest.mark.parametrize(("text", "sql", "tag"), WRITES)
def test_writes_run_on_spark_by_path(text: str, sql: str, tag: str) -> None:
    query = planned(text, settings=ON_SPARK)
    assert isinstance(query, Query)
    assert (query.lane, query.sql, query.tag) == (Lane.SPARK, sql, tag)
    assert query.writes is not None


def test_tables_are_made_and_registered() -> None:
    text = "CREATE TABLE IF NOT EXISTS t (a int NOT NULL, b varchar(5)) USING delta PARTITIONED BY (a)"
    made = planned(text, settings=ON_SPARK)
    assert isinstance(made, Query)
    assert (
        made.sql
        == "CREATE TABLE delta.`/lake/fresh` (`a` INT NOT NULL, `b` VARCHAR(5)) USING delta PARTITIONED BY (`a`)"
    )
    assert (made.then, made.location) == (RegisterTable(TableName("shop", "t"), "/lake/fresh"), "/lake/fresh")
    altered = planned("ALTER TABLE orders ADD COLUMN x bigint")
    assert isinstance(altered, Query)
    assert altered.then == SyncTable(ORDERS)
    with pytest.raises(DuplicateTable):
        planned("CREATE TABLE orders (a int)")
    skipped = planned("CREATE TABLE IF NOT EXISTS orders (a int)")
    assert isinstance(skipped, Constant)
    (remark,) = skipped.remarks
    assert (remark.sqlstate, remark.message) == ("42P07", 'relation "orders" already exists, skipping')
    with pytest.raises(InsufficientPrivilege, match="permission denied for schema closed"):
        planned("CREATE TABLE closed.t (a int)")
    with pytest.raises(InvalidSchemaName):
        planned("CREATE TABLE nowhere.t (a int)")


@pytest.mark.parametrize(
    "text",
    [
        "SELECT id, amount FROM orders",
        "INSERT INTO orders (id) SELECT id FROM items",
        "INSERT INTO orders (id) VALUES (1)",
        "UPDATE orders SET note = 'x'",
        "DELETE FROM orders",
        "TRUNCATE orders",
        "MERGE INTO orders t USING items s ON t.id = s.id WHEN MATCHED THEN DELETE",
        "CREATE TABLE t AS SELECT id FROM orders",
    ],
)
def test_privileges_are_needed(text: str) -> None:
    with pytest.raises(InsufficientPrivilege, match="permission denied for table"):
        planned(text, ORDER_COLUMNS, privileges=frozenset[Privilege](), admin=False)


@pytest.mark.parametrize(
    "text", ["DROP TABLE orders", "ALTER TABLE orders ADD COLUMN x int", "COMMENT ON TABLE orders IS 'x'"]
)
def test_ownership_is_needed(text: str) -> None:
    with pytest.raises(InsufficientPrivilege, match="must be owner of table orders"):
        planned(text, admin=False)


READ = "SELECT id, amount FROM orders"


def test_a_small_read_goes_to_duckdb() -> None:
    query = planned(READ, ORDER_COLUMNS)
    assert isinstance(query, Query)
    assert (query.lane, query.reads) == (Lane.DUCKDB, ((ORDERS, 7),))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"version": 8, "has_deletion_vectors": True}, "table orders has deletion vectors"),
        (
            {"version": 9, "reader_features": frozenset({"variantType"})},
            "table orders uses the reader feature variantType",
        ),
        ({"version": 10, "readable": False}, "table orders cannot be read from its log here"),
    ],
)
def test_what_duckdb_cannot_read_goes_to_spark(change: dict[str, object], reason: str) -> None:
    orders = changed("orders", **change)
    query = planned(READ, ORDER_COLUMNS, orders=orders)
    assert isinstance(query, Query)
    assert (query.lane, query.reason) == (Lane.SPARK, reason)
    with pytest.raises(FeatureNotSupported, match="the DuckDB lane cannot run this statement"):
        planned(READ, ORDER_COLUMNS, orders=orders, settings=Settings(lane=Lane.DUCKDB))


def test_a_type_that_postgres_announced_otherwise_is_refused() -> None:
    with pytest.raises(FeatureNotSupported, match='column "id" is bigint here, integer in PostgreSQL'):
        planned(READ, (ResultColumn("id", PgType(Oid.INT4)), ORDER_COLUMNS[1]))


def test_identifiers_and_literals_cannot_leave_their_quotes() -> None:
    columns = (ResultColumn('x" FROM y; --', PgType(Oid.TEXT)), ORDER_COLUMNS[0])
    text = "SELECT 'it''s \\', id FROM orders WHERE note = '''; DROP TABLE x; --'"
    small, large = (planned(text, columns, settings=Settings(lane=lane)) for lane in (Lane.DUCKDB, Lane.SPARK))
    assert isinstance(small, Query)
    assert isinstance(large, Query)
    assert small.sql.startswith("SELECT 'it''s \\' AS \"x\"\" FROM y; --\", ")
    assert small.sql.endswith("WHERE (t1.\"note\" = '''; DROP TABLE x; --')")
    assert large.sql.startswith("SELECT 'it\\'s \\\\' AS `x\" FROM y; --`, ")


def test_explain_route_tells_lane_and_files() -> None:
    told = planned("EXPLAIN (ROUTE) SELECT id FROM orders WHERE id = 5")
    assert isinstance(told, Constant)
    assert ("lane", "duckdb") in told.rows
    assert ("scan", "scan_0: 1 of 4 files, 1000 bytes") in told.rows
    assert planned("EXPLAIN (ROUTE) SELECT 1") == Constant(
        "EXPLAIN", told.columns, (("lane", "none"), ("reason", "Metadata: no compute is needed"))
    )


@pytest.mark.parametrize(
    "text",
    [
        "CREATE TABLE shop.t USING delta LOCATION 's3://lake/t'",
        "CREATE TABLE shop.t() USING delta LOCATION 's3://lake/t'",
        "CREATE TABLE shop.t LOCATION 's3://lake/t'",
    ],
)
def test_a_table_that_exists_is_named_by_its_place(text: str) -> None:
    assert planned(text) == CatalogChange(RegisterTable(TableName("shop", "t"), "s3://lake/t"), "CREATE TABLE")


def test_columns_that_are_listed_must_be_its() -> None:
    made = RegisterTable(TableName("shop", "t"), "s3://lake/t", columns=(ResultColumn("a", PgType(Oid.INT4)),))
    assert planned("CREATE TABLE shop.t (a int) LOCATION 's3://lake/t'") == CatalogChange(made, "CREATE TABLE")


@pytest.mark.parametrize(
    "text",
    [
        "CREATE TABLE shop.t USING delta PARTITIONED BY (a) LOCATION 's3://lake/t'",
        "CREATE TABLE shop.t USING delta LOCATION '/lake/t'",
        "CREATE TABLE shop.t USING delta LOCATION 's3a://lake/t'",
        "CREATE TABLE shop.t USING delta LOCATION 's3://lake/t' AS SELECT 1 AS a",
    ],
)
def test_a_place_is_of_a_table_that_exists(text: str) -> None:
    with pytest.raises(FeatureNotSupported):
        planned(text)


@pytest.mark.parametrize(
    "text",
    ["DELETE FROM orders", "ALTER TABLE orders ADD COLUMN x int", "SELECT amount FROM orders", "TRUNCATE orders"],
)
def test_spark_has_no_way_to_an_object_store(text: str) -> None:
    stored = changed("orders", location="s3://lake/orders")
    with pytest.raises(FeatureNotSupported, match="object store"):
        planned(text, (ORDER_COLUMNS[1],), settings=Settings(lane=Lane.SPARK), orders=stored)
