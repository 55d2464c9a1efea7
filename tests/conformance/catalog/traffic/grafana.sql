-- Grafana's PostgreSQL data source: the version, then the query builder's lists of schemas, tables and columns.

-- The version as a number that it compares.
SELECT current_setting('server_version_num')::int / 100 AS version;

-- Whether a time series extension is there.
SELECT extversion FROM pg_extension WHERE extname = 'timescaledb';

-- rows differ: the metastore has a schema of its own
SELECT schema_name AS "name" FROM information_schema.schemata
WHERE schema_name NOT IN ('information_schema', 'pg_catalog', 'pg_toast') ORDER BY schema_name;

-- The tables of a schema.
SELECT quote_ident(table_name) AS "table" FROM information_schema.tables
WHERE quote_ident(table_schema) = 'tpch' ORDER BY 1;

-- All tables, those on the search path without their schema.
SELECT CASE WHEN quote_ident(table_schema) IN (
           SELECT CASE WHEN trim(part[i]) = '"$user"' THEN user ELSE trim(part[i]) END
           FROM generate_series(
                    array_lower(string_to_array(current_setting('search_path'), ','), 1),
                    array_upper(string_to_array(current_setting('search_path'), ','), 1)) AS i,
                string_to_array(current_setting('search_path'), ',') AS part)
       THEN quote_ident(table_name)
       ELSE quote_ident(table_schema) || '.' || quote_ident(table_name) END AS "table"
FROM information_schema.tables
WHERE quote_ident(table_schema) NOT IN ('information_schema', 'pg_catalog', 'lakegate') ORDER BY 1;

-- The columns of a table, whose name may hold its schema.
SELECT quote_ident(column_name) AS "column", data_type AS "type" FROM information_schema.columns
WHERE CASE WHEN array_length(parse_ident('tpch.lineitem'), 1) = 2
           THEN quote_ident(table_schema) = (parse_ident('tpch.lineitem'))[1]
                AND quote_ident(table_name) = (parse_ident('tpch.lineitem'))[2]
           ELSE quote_ident(table_name) = 'tpch.lineitem' END
ORDER BY ordinal_position;
