-- Looker: its tests of a connection, what it looks for before it builds derived tables, and the spelling of its queries
-- where they read no table. It reaches PostgreSQL by pgjdbc, whose questions for schemas, tables and columns are
-- `test_jdbc_metadata.py`'s; the queries of its explores, which read tables, are in `tests/sql/queries.sql`.
--
-- No recording of Looker's own is public; these are put together from what is told of it. Which tests a connection has to
-- pass, and that they look for a scratch schema, cancel a query and make a temporary table: the README of Henry, a tool
-- of Looker's makers. That cancelling asks pg_stat_activity: Materialize's issue on Looker. Names of tables in the scratch
-- schema: Looker's help, "PDT Naming Convention". Comments in its queries, limits by FETCH, dates, time zones and
-- intervals: queries of explores that users have published, for PostgreSQL and for what speaks its protocol.

-- Can connect, and run a simple query.
SELECT 1;

-- rows differ: the build of the server is told
SELECT version();

-- The same as a setting.
SHOW server_version_num;

-- The user and the database that it has reached.
SELECT current_user IS NOT NULL AS named, current_database() IS NOT NULL AS connected;

-- The session's time zone, which a connection may say.
SET TimeZone = 'UTC';

-- And asks for.
SHOW TimeZone;

-- Can find the scratch schema.
SELECT count(*) FROM information_schema.schemata WHERE schema_name = 'looker_scratch';

-- Whether the user may write there.
SELECT has_schema_privilege(current_user, oid, 'CREATE') FROM pg_namespace WHERE nspname = 'looker_scratch';

-- The search path that its user is given, so that the scratch schema is found.
SET search_path = '$user', 'looker_scratch', 'public';

-- The register of Looker's own connections, before it is made.
SELECT table_name FROM information_schema.tables
WHERE table_schema = 'looker_scratch' AND table_name = 'connection_reg_r3';

-- Derived tables that are there already: LR$ and a two-letter key of the connection begin their names.
SELECT table_schema, table_name FROM information_schema.tables
WHERE table_schema = 'looker_scratch' AND table_name LIKE 'LR$ZK%' ORDER BY table_name;

-- Can make a temporary table.
CREATE TEMPORARY TABLE looker_tmp_test AS SELECT 1 AS looker_test;

-- And read it.
SELECT looker_test FROM looker_tmp_test;

-- And drop it.
DROP TABLE looker_tmp_test;

-- A temporary derived table, with the comments that go around it.
-- generate derived table source_rank
-- Building temporary derived table model::source_rank on instance 7ecf10dbe337872a19ea64ca19132ba5
CREATE TEMPORARY TABLE "LR$ZKTMP1763531790092_source_rank" AS SELECT 1 AS one, 'web'::varchar AS source
-- finished source_rank => LR$ZKTMP1763531790092_source_rank
;

-- The explore over it.
SELECT
    source_rank.source  AS "source_rank.source",
    COUNT(*) AS "source_rank.count"
FROM "LR$ZKTMP1763531790092_source_rank" AS source_rank
GROUP BY
    1
ORDER BY
    2 DESC
FETCH NEXT 500 ROWS ONLY
-- Looker Query Context '{"user_id":6,"history_slug":"fc83573987b999306eaf6e1a3f2cde70","instance_slug":"71d4667f0b76c001"}'
;

-- Its total, where the query has more rows than its limit.
-- sql for creating the total and/or determining pivot columns
SELECT COUNT(*) AS "source_rank.count" FROM "LR$ZKTMP1763531790092_source_rank" AS source_rank
FETCH NEXT 1 ROWS ONLY
;

-- An index on a derived table.
CREATE INDEX ON "LR$ZKTMP1763531790092_source_rank" (source);

-- The trigger of a datagroup.
SELECT DATE_TRUNC('day', CURRENT_TIMESTAMP AT TIME ZONE 'America/Los_Angeles') IS NOT NULL AS changed;

-- Bounds of a relative date filter, as far as they do not move.
SELECT (SELECT (DATE_TRUNC('month', DATE_TRUNC('day', TIMESTAMP '2024-02-29' AT TIME ZONE 'America/Chicago')))) AS "from",
       (SELECT (DATE_TRUNC('year', TIMESTAMP '2024-02-29 12:00') + (-1 || ' year')::INTERVAL)) AS "to";

-- A sum over a hashed key, for measures of a table that a join repeats.
SELECT COALESCE(CAST( ( SUM(DISTINCT (CAST(FLOOR(COALESCE( one ,0)*(1000000*1.0)) AS DECIMAL(65,0))) + ('x' || MD5(source ::varchar))::bit(64)::bigint::DECIMAL(65,0)  *18446744073709551616 + ('x' || SUBSTR(MD5(source ::varchar),17))::bit(64)::bigint::DECIMAL(65,0) ) - SUM(DISTINCT ('x' || MD5(source ::varchar))::bit(64)::bigint::DECIMAL(65,0)  *18446744073709551616 + ('x' || SUBSTR(MD5(source ::varchar),17))::bit(64)::bigint::DECIMAL(65,0)) )  AS DOUBLE PRECISION) / CAST((1000000*1.0) AS DOUBLE PRECISION), 0) AS "source_rank.total"
FROM "LR$ZKTMP1763531790092_source_rank";

-- Can cancel queries: the session that runs one is looked for by a mark in its text.
SELECT pid, usename, query FROM pg_stat_activity
WHERE query LIKE '%looker_kill_test_fc83573987b9%' AND pid <> pg_backend_pid();

-- And is cancelled: here one that is not there any more.
SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE query LIKE '%looker_kill_test_fc83573987b9%' AND pid <> pg_backend_pid();

-- Plans, in its SQL runner.
EXPLAIN (COSTS FALSE) SELECT source FROM "LR$ZKTMP1763531790092_source_rank" LIMIT 1;

-- Columns of a table, in its SQL runner.
SELECT column_name, data_type, is_nullable, ordinal_position, character_maximum_length, numeric_precision, numeric_scale
FROM information_schema.columns WHERE table_schema = 'tpch' AND table_name = 'orders' ORDER BY ordinal_position;
