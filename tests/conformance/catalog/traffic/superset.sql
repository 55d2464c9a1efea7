-- Superset: its own statements beside SQLAlchemy's, which are replayed by SQLAlchemy itself.

-- SQLAlchemy at connect.
SELECT pg_catalog.version() IS NOT NULL AS answered;

-- SQLAlchemy at connect.
SELECT current_schema();

-- SQLAlchemy at connect.
SHOW standard_conforming_strings;

-- SQLAlchemy at connect.
SHOW transaction isolation level;

-- The schema that a query is run in.
SET search_path = "tpch";

-- rows differ: every session has a number of its own
SELECT pg_backend_pid();

-- What its Stop button does, for a session that is gone.
SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid = '999999999';

-- The cost of a query, which it shows before it runs.
EXPLAIN SELECT 1;

-- Functions for completion.
SELECT DISTINCT proname FROM pg_proc WHERE proname LIKE 'date\_%' ORDER BY 1;

-- Views of a schema.
SELECT c.relname FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = ANY (ARRAY['v']) AND c.relpersistence != 't' AND n.nspname = 'tpch';
