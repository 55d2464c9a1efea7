-- Tableau and other programs of ODBC: what psqlODBC asks at connect, and for SQLTables, SQLColumns and the keys.

-- At connect.
SET DateStyle = 'ISO';

-- At connect.
SHOW transaction_isolation;

-- At connect.
SET extra_float_digits = 2;

-- How long a name may be.
SHOW max_identifier_length;

-- Whether large objects have a type of their own.
SELECT oid, typbasetype FROM pg_type WHERE typname = 'lo';

-- The form of dates.
SHOW DateStyle;

-- Schemas.
SELECT nspname FROM pg_catalog.pg_namespace WHERE nspname IN ('tpch', 'sample', 'pg_catalog') ORDER BY nspname;

-- rows differ: every server has databases of its own
SELECT datname FROM pg_catalog.pg_database WHERE datallowconn ORDER BY datname;

-- Tables and views.
SELECT relname, nspname, relkind FROM pg_catalog.pg_class c
INNER JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE relkind IN ('r', 'v', 'm', 'f', 'p')
  AND nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast', 'pg_temp_1', 'lakegate')
  AND n.oid <> ALL (SELECT oid FROM pg_namespace WHERE nspname = 'nothing')
ORDER BY nspname, relname;

-- Columns of a table, by a pattern that escapes.
SELECT n.nspname, c.relname, a.attname, a.atttypid, t.typname, a.attnum, a.attlen, a.atttypmod, a.attnotnull,
       c.relhasrules, c.relkind, pg_get_expr(d.adbin, d.adrelid),
       CASE t.typtype WHEN 'd' THEN t.typbasetype ELSE 0 END, t.typtypmod, 0, attidentity
FROM pg_catalog.pg_class c
INNER JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace AND c.relname LIKE E'every\\_type' AND n.nspname LIKE 'sample'
INNER JOIN pg_catalog.pg_attribute a ON NOT a.attisdropped AND a.attnum > 0 AND a.attrelid = c.oid
INNER JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
LEFT OUTER JOIN pg_attrdef d ON a.atthasdef AND d.adrelid = a.attrelid AND d.adnum = a.attnum
ORDER BY n.nspname, c.relname, attnum;

-- The columns of a primary key.
SELECT ta.attname, ia.attnum, ic.relname, n.nspname, tc.relname
FROM pg_catalog.pg_attribute ta, pg_catalog.pg_attribute ia, pg_catalog.pg_class tc, pg_catalog.pg_index i,
     pg_catalog.pg_namespace n, pg_catalog.pg_class ic
WHERE tc.relname = 'nation' AND n.nspname = 'tpch' AND tc.oid = i.indrelid AND n.oid = tc.relnamespace
  AND i.indisprimary = 't' AND ia.attrelid = i.indexrelid AND ta.attrelid = i.indrelid
  AND ta.attnum = i.indkey[ia.attnum - 1] AND NOT ta.attisdropped AND NOT ia.attisdropped AND ic.oid = i.indexrelid
ORDER BY ia.attnum;

-- Statistics and indexes.
SELECT c.relname, i.indkey, i.indisunique, i.indisclustered, a.amname, c.relhasrules, n.nspname, c.oid,
       CASE WHEN i.indisprimary THEN i.indrelid ELSE 0 END, i.indoption
FROM pg_catalog.pg_index i, pg_catalog.pg_class c, pg_catalog.pg_class d, pg_catalog.pg_am a, pg_catalog.pg_namespace n
WHERE d.relname = 'nation' AND n.nspname = 'tpch' AND n.oid = d.relnamespace AND d.oid = i.indrelid
  AND i.indexrelid = c.oid AND c.relam = a.oid
ORDER BY i.indisprimary DESC, i.indisunique, n.nspname, c.relname;

-- Foreign keys out of a table.
SELECT current_database() IS NOT NULL AS "PKTABLE_CAT", n2.nspname AS "PKTABLE_SCHEM", c2.relname AS "PKTABLE_NAME",
       a2.attname AS "PKCOLUMN_NAME", n1.nspname AS "FKTABLE_SCHEM", c1.relname AS "FKTABLE_NAME",
       a1.attname AS "FKCOLUMN_NAME", i::int2 AS "KEY_SEQ",
       CASE ref.confupdtype WHEN 'c' THEN 0::int2 WHEN 'n' THEN 2::int2 WHEN 'd' THEN 4::int2 WHEN 'r' THEN 1::int2
            ELSE 3::int2 END AS "UPDATE_RULE",
       ref.conname AS "FK_NAME", cn.conname AS "PK_NAME"
FROM (SELECT cn.oid, conrelid, conkey, confrelid, confkey, generate_series(array_lower(conkey, 1), array_upper(conkey, 1)) AS i,
             confupdtype, confdeltype, conname, condeferrable, condeferred
      FROM pg_catalog.pg_constraint cn, pg_catalog.pg_class c, pg_catalog.pg_namespace n
      WHERE contype = 'f' AND conrelid = c.oid AND relname = 'nation' AND n.oid = c.relnamespace AND n.nspname = 'tpch') ref
INNER JOIN pg_catalog.pg_class c1 ON c1.oid = ref.conrelid
INNER JOIN pg_catalog.pg_namespace n1 ON n1.oid = c1.relnamespace
INNER JOIN pg_catalog.pg_attribute a1 ON a1.attrelid = c1.oid AND a1.attnum = conkey[i]
INNER JOIN pg_catalog.pg_class c2 ON c2.oid = ref.confrelid
INNER JOIN pg_catalog.pg_namespace n2 ON n2.oid = c2.relnamespace
INNER JOIN pg_catalog.pg_attribute a2 ON a2.attrelid = c2.oid AND a2.attnum = confkey[i]
LEFT OUTER JOIN pg_catalog.pg_constraint cn ON cn.conrelid = ref.confrelid AND cn.contype = 'p'
ORDER BY ref.oid, ref.i;

-- Whether a temporary table can be made.
CREATE LOCAL TEMPORARY TABLE "#Tableau_1_Connect_Check" ("COL" INTEGER) ON COMMIT PRESERVE ROWS;

-- Then it goes.
DROP TABLE "#Tableau_1_Connect_Check";

-- What a server groups by.
SELECT "SUBCOL" AS "COL" FROM (SELECT 1 AS "SUBCOL") "SUBQUERY" GROUP BY 1;
