SHOW search_path
SELECT current_schemas(false)
SET ROLE crew
SELECT current_schemas(false), current_schema()
SET search_path = "$user", tpch
SELECT current_schemas(false), current_schema()
SELECT count(*) FROM region
SELECT count(*) FROM customer
SET ROLE fleet
SELECT count(*) FROM nation
SELECT count(*) FROM region
SELECT to_regclass('region')::text
