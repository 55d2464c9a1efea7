-- Metabase: what its sync asks beside the driver's own DatabaseMetaData.

-- Before and after a sync.
SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL READ COMMITTED;

-- The level in force.
SHOW TRANSACTION ISOLATION LEVEL;

-- The session's time zone.
SHOW timezone;

-- rows differ: the metastore has a schema of its own
SELECT nspname AS "TABLE_SCHEM", current_database() AS "TABLE_CATALOG" FROM pg_catalog.pg_namespace
WHERE nspname <> 'pg_toast'
  AND (nspname !~ '^pg_temp_' OR nspname = (pg_catalog.current_schemas(true))[1])
  AND (nspname !~ '^pg_toast_temp_'
       OR nspname = replace((pg_catalog.current_schemas(true))[1], 'pg_temp_', 'pg_toast_temp_'))
ORDER BY 1;

-- What the user may do with each table and view.
WITH objects AS (
    SELECT schemaname, tablename AS name FROM pg_catalog.pg_tables
    UNION SELECT schemaname, viewname FROM pg_catalog.pg_views
    UNION SELECT schemaname, matviewname FROM pg_catalog.pg_matviews
), quoted AS (
    SELECT *, format('"%s"."%s"', replace(schemaname, '"', '""'), replace(name, '"', '""')) AS path FROM objects
    WHERE schemaname !~ '^pg_' AND schemaname NOT IN ('information_schema', 'lakegate')
)
SELECT NULL AS role, schemaname AS schema, name AS "table",
       pg_catalog.has_any_column_privilege(current_user, path, 'update') AS "update",
       pg_catalog.has_any_column_privilege(current_user, path, 'select') AS "select",
       pg_catalog.has_any_column_privilege(current_user, path, 'insert') AS "insert",
       pg_catalog.has_table_privilege(current_user, path, 'delete') AS "delete"
FROM quoted WHERE pg_catalog.has_schema_privilege(current_user, schemaname, 'usage')
ORDER BY 2, 3;

-- Tables with comments and an estimate of their rows.
SELECT n.nspname AS schema, c.relname AS name,
       CASE c.relkind WHEN 'r' THEN 'TABLE' WHEN 'p' THEN 'PARTITIONED TABLE' WHEN 'v' THEN 'VIEW'
            WHEN 'f' THEN 'FOREIGN TABLE' WHEN 'm' THEN 'MATERIALIZED VIEW' END AS type,
       d.description, s.n_live_tup AS estimated_row_count
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON c.relnamespace = n.oid
LEFT JOIN pg_catalog.pg_description d ON c.oid = d.objoid AND d.objsubid = 0 AND d.classoid = 'pg_class'::regclass
LEFT JOIN pg_stat_user_tables s ON n.nspname = s.schemaname AND c.relname = s.relname
WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
  AND c.relkind IN ('r', 'p', 'v', 'f', 'm') AND n.nspname IN ('tpch', 'sample')
ORDER BY 3, 1, 2;

-- Columns with everything that the sync keeps of them.
SELECT c.column_name AS name, c.udt_name AS "database-type", c.ordinal_position - 1 AS "database-position",
       c.table_schema AS "table-schema", c.table_name AS "table-name", pk.column_name IS NOT NULL AS "pk?",
       col_description(format('%I.%I', c.table_schema, c.table_name)::regclass, c.ordinal_position) AS "field-comment",
       c.column_default IS NULL AND c.is_nullable = 'NO' AND c.is_identity = 'NO' AS "database-required",
       c.is_identity <> 'NO' OR c.column_default LIKE 'nextval(%' AS "database-is-auto-increment"
FROM information_schema.columns c
LEFT JOIN (SELECT t.table_schema, t.table_name, k.column_name
           FROM information_schema.table_constraints t
           JOIN information_schema.key_column_usage k
             ON t.constraint_name = k.constraint_name AND t.table_schema = k.table_schema AND t.table_name = k.table_name
           WHERE t.constraint_type = 'PRIMARY KEY') pk
  ON c.table_schema = pk.table_schema AND c.table_name = pk.table_name AND c.column_name = pk.column_name
WHERE c.table_schema !~ '^information_schema|catalog_history|pg_' AND c.table_schema IN ('tpch', 'sample')
ORDER BY 4, 5, 3;

-- Foreign keys of every table.
SELECT fn.nspname AS "fk-table-schema", ft.relname AS "fk-table-name", fc.attname AS "fk-column-name",
       pn.nspname AS "pk-table-schema", pt.relname AS "pk-table-name", pc.attname AS "pk-column-name"
FROM pg_constraint c
JOIN pg_class ft ON c.conrelid = ft.oid JOIN pg_namespace fn ON ft.relnamespace = fn.oid
JOIN pg_class pt ON c.confrelid = pt.oid JOIN pg_namespace pn ON pt.relnamespace = pn.oid
JOIN pg_attribute fc ON fc.attrelid = ft.oid AND fc.attnum = c.conkey[1]
JOIN pg_attribute pc ON pc.attrelid = pt.oid AND pc.attnum = c.confkey[1]
WHERE fn.nspname !~ '^information_schema|catalog_history|pg_|lakegate'
ORDER BY 1, 2;
