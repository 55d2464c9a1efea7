SET ROLE crew
SELECT count(*) FROM tpch.region
SELECT r_name FROM tpch.region WHERE r_regionkey = 1
SELECT count(*) FROM tpch.nation
SELECT count(*) FROM tpch.customer
SELECT count(*) FROM tpch.region, tpch.customer
SELECT n.nspname, has_schema_privilege(n.oid, 'USAGE'), has_schema_privilege(n.oid, 'CREATE') FROM pg_namespace n WHERE n.nspname IN ('tpch', 'sample') ORDER BY 1
SELECT has_table_privilege('tpch.region', 'SELECT'), has_table_privilege('tpch.customer', 'SELECT'), has_table_privilege(session_user, 'tpch.customer', 'SELECT')
SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = 'tpch' AND c.relkind = 'r' AND has_table_privilege(c.oid, 'SELECT') ORDER BY 1
SELECT table_name::text FROM information_schema.tables WHERE table_schema = 'tpch' ORDER BY 1
INSERT INTO tpch.region VALUES (9, 'x', 'y')
SELECT count(*) FROM sample.every_type
SET ROLE fleet
SELECT count(*) FROM tpch.region
SELECT count(*) FROM tpch.nation
SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = 'tpch' AND c.relkind = 'r' AND has_table_privilege(c.oid, 'SELECT') ORDER BY 1
SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = 'tpch' AND c.relkind = 'r' AND has_table_privilege(session_user, c.oid, 'SELECT') ORDER BY 1
RESET ROLE
SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = 'tpch' AND c.relkind = 'r' AND has_table_privilege(c.oid, 'SELECT') ORDER BY 1
SELECT count(*) FROM tpch.customer
SELECT current_user, session_user, count(*) FROM tpch.region
SET ROLE crew
SELECT current_user, session_user, count(*) FROM tpch.region
SET ROLE fleet
SELECT current_user, session_user, count(*) FROM tpch.region
