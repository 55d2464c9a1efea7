SELECT n.nspname, r.r_name FROM pg_namespace n JOIN tpch.region r ON n.nspname = 'tpch' ORDER BY 2
SELECT c.relname, c.relkind, count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace CROSS JOIN tpch.region WHERE n.nspname = 'tpch' AND c.relkind = 'r' GROUP BY 1, 2 ORDER BY 1
SELECT r_name FROM tpch.region WHERE EXISTS (SELECT 1 FROM pg_catalog.pg_class WHERE relname = lower(r_name) || 's') ORDER BY 1
SELECT c.column_name, c.ordinal_position, c.is_nullable, r_name FROM information_schema.columns c JOIN tpch.region ON r_regionkey = c.ordinal_position WHERE c.table_schema = 'tpch' AND c.table_name = 'region' ORDER BY 2
SELECT t.typname, n_name FROM pg_type t JOIN tpch.nation ON n_nationkey::int = t.typlen WHERE t.typname IN ('int4', 'int8') ORDER BY 1
SELECT a.rolname, r_name FROM pg_authid a, tpch.region r
