-- DBeaver: what it asks at connect and when a schema's tree is opened.

-- At connect.
SET extra_float_digits = 3;

-- Its name, which a person sets.
SET application_name = 'DBeaver - Main';

-- rows differ: every server has users of its own
SELECT current_schema(), session_user;

-- rows differ: oids and owners
SELECT n.oid, n.*, d.description FROM pg_catalog.pg_namespace n
LEFT OUTER JOIN pg_catalog.pg_description d
  ON d.objoid = n.oid AND d.objsubid = 0 AND d.classoid = 'pg_namespace'::regclass
ORDER BY nspname;

-- Where an array's type is.
SELECT n.nspname = ANY (current_schemas(true)), n.nspname, t.typname
FROM pg_catalog.pg_type t JOIN pg_catalog.pg_namespace n ON t.typnamespace = n.oid WHERE t.oid = 1034;

-- The path that names are looked for on.
SHOW search_path;

-- rows differ: every server has databases of its own
SELECT db.oid, db.* FROM pg_catalog.pg_database db WHERE datname = current_database();

-- One setting, with all that is known of it.
SELECT name, setting, unit, category, vartype, enumvals, boot_val FROM pg_catalog.pg_settings
WHERE name = 'standard_conforming_strings';

-- Keywords beside the standard's.
SELECT string_agg(word, ',' ORDER BY word) FROM pg_catalog.pg_get_keywords()
WHERE word <> ALL ('{a,abs,absolute,action,select,from,where,table}'::text[]);

-- Probes for what a catalog may lack.
SELECT * FROM pg_catalog.pg_enum WHERE 1 <> 1 LIMIT 1;

-- Another.
SELECT reltype FROM pg_catalog.pg_class WHERE 1 <> 1 LIMIT 1;

-- rows differ: shadows' own types have other oids
SELECT t.oid, t.*, c.relkind, format_type(nullif(t.typbasetype, 0), t.typtypmod) AS base_type_name, d.description
FROM pg_catalog.pg_type t
LEFT OUTER JOIN pg_catalog.pg_type et ON et.oid = t.typelem
LEFT OUTER JOIN pg_catalog.pg_class c ON c.oid = t.typrelid
LEFT OUTER JOIN pg_catalog.pg_description d ON t.oid = d.objoid
WHERE t.typname IS NOT NULL AND (c.relkind IS NULL OR c.relkind = 'c')
  AND (et.typcategory IS NULL OR et.typcategory <> 'C');

-- rows differ: oids, owners and sizes
SELECT c.oid, c.*, d.description, pg_catalog.pg_get_expr(c.relpartbound, c.oid) AS partition_expr,
       pg_catalog.pg_get_partkeydef(c.oid) AS partition_key
FROM pg_catalog.pg_class c
LEFT OUTER JOIN pg_catalog.pg_description d
  ON d.objoid = c.oid AND d.objsubid = 0 AND d.classoid = 'pg_class'::regclass
WHERE c.relnamespace = 'tpch'::regnamespace AND c.relkind NOT IN ('i', 'I', 'c');

-- A table's columns.
SELECT c.relname, a.attname, a.attnum, a.atttypid, a.atttypmod, a.attnotnull, a.attidentity, a.attgenerated,
       pg_catalog.pg_get_expr(ad.adbin, ad.adrelid, true) AS def_value, dsc.description, dep.objid
FROM pg_catalog.pg_attribute a
JOIN pg_catalog.pg_class c ON a.attrelid = c.oid
LEFT OUTER JOIN pg_catalog.pg_attrdef ad ON a.attrelid = ad.adrelid AND a.attnum = ad.adnum
LEFT OUTER JOIN pg_catalog.pg_description dsc ON c.oid = dsc.objoid AND a.attnum = dsc.objsubid
LEFT OUTER JOIN pg_depend dep ON dep.refobjid = a.attrelid AND dep.deptype = 'i' AND dep.refobjsubid = a.attnum
  AND dep.classid = dep.refclassid
WHERE NOT a.attisdropped AND c.oid = 'sample.every_type'::regclass AND a.attnum > 0 ORDER BY a.attnum;

-- rows differ: sizes
SELECT c.relname, pg_catalog.pg_total_relation_size(c.oid) AS total_rel_size, pg_catalog.pg_relation_size(c.oid) AS rel_size
FROM pg_class c WHERE c.relnamespace = 'tpch'::regnamespace ORDER BY 1;

-- Constraints of a schema's tables.
SELECT c.conname, c.contype, t.relname AS tabrelname, rt.relnamespace AS refnamespace, d.description,
       pg_catalog.pg_get_constraintdef(c.oid) AS definition
FROM pg_catalog.pg_constraint c
INNER JOIN pg_catalog.pg_class t ON t.oid = c.conrelid
LEFT OUTER JOIN pg_catalog.pg_class rt ON rt.oid = c.confrelid
LEFT OUTER JOIN pg_catalog.pg_description d
  ON d.objoid = c.oid AND d.objsubid = 0 AND d.classoid = 'pg_constraint'::regclass
WHERE t.relnamespace = 'tpch'::regnamespace ORDER BY t.relname, c.conname;

-- Indexes of a schema's tables.
SELECT i.indkey, ci.relname, am.amname, i.indisunique, pg_catalog.pg_stat_get_numscans(i.indexrelid) AS scans
FROM pg_catalog.pg_index i
INNER JOIN pg_catalog.pg_class ci ON ci.oid = i.indexrelid
LEFT JOIN pg_catalog.pg_am am ON ci.relam = am.oid
JOIN pg_catalog.pg_class t ON t.oid = i.indrelid
WHERE t.relnamespace = 'tpch'::regnamespace ORDER BY ci.relname;

-- Dependencies that make a tree of inheritance.
SELECT i.*, c.relname, c.relnamespace FROM pg_catalog.pg_inherits i, pg_catalog.pg_class c
WHERE i.inhrelid = 'tpch.orders'::regclass AND c.oid = i.inhparent ORDER BY i.inhseqno;

-- The planner's view of a query, for completion.
SELECT DISTINCT n.nspname, p.proname FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON p.pronamespace = n.oid
WHERE p.proname LIKE 'array\_%' AND n.nspname = 'pg_catalog' ORDER BY 2;
