PREPARE counts AS SELECT count(*) FROM tpch.customer
PREPARE who AS SELECT current_user, session_user
PREPARE rights AS SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = 'tpch' AND c.relkind = 'r' AND has_table_privilege(c.oid, 'SELECT') ORDER BY 1
EXECUTE counts
EXECUTE who
EXECUTE rights
SET ROLE crew
EXECUTE counts
EXECUTE who
EXECUTE rights
SET ROLE fleet
EXECUTE rights
SELECT count(*) FROM tpch.customer
RESET ROLE
EXECUTE counts
EXECUTE rights
