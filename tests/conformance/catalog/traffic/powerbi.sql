-- Power BI over Npgsql: the driver's loading of types, then the navigator and the model's relations.

-- rows differ: the build is the same, the text names the compiler
SELECT version();

-- Types of every kind, containers after what they contain.
SELECT ns.nspname, t.oid, t.typname, t.typtype, t.typnotnull, t.elemtypoid
FROM (SELECT typ.*, el.typname AS elemtypname, elc.relkind AS elemrelkind,
             CASE WHEN elp.proname = 'array_recv' THEN 'a' ELSE el.typtype END AS elemtyptype
      FROM (SELECT ty.oid, typnamespace, typname, typrelid, typnotnull, relkind,
                   CASE WHEN p.proname = 'array_recv' THEN 'a' ELSE ty.typtype END AS typtype,
                   CASE WHEN p.proname = 'array_recv' THEN ty.typelem
                        WHEN ty.typtype = 'r' THEN rngsubtype
                        WHEN ty.typtype = 'm' THEN (SELECT rngtypid FROM pg_range WHERE rngmultitypid = ty.oid)
                        WHEN ty.typtype = 'd' THEN ty.typbasetype END AS elemtypoid
            FROM pg_type AS ty
            LEFT JOIN pg_class AS cls ON cls.oid = ty.typrelid
            LEFT JOIN pg_proc AS p ON p.oid = ty.typreceive
            LEFT JOIN pg_range ON pg_range.rngtypid = ty.oid) AS typ
      LEFT JOIN pg_type AS el ON el.oid = elemtypoid
      LEFT JOIN pg_class AS elc ON elc.oid = el.typrelid
      LEFT JOIN pg_proc AS elp ON elp.oid = el.typreceive) AS t
JOIN pg_namespace AS ns ON ns.oid = typnamespace
WHERE typtype IN ('b', 'r', 'm', 'e', 'd')
   OR (typtype = 'c' AND relkind = 'c')
   OR (typtype = 'p' AND typname IN ('record', 'void'))
   OR (typtype = 'a' AND (elemtyptype IN ('b', 'r', 'm', 'e', 'd') OR (elemtyptype = 'p' AND elemtypname IN ('record', 'void'))
                          OR (elemtyptype = 'c' AND elemrelkind = 'c')))
ORDER BY CASE WHEN typtype IN ('b', 'e', 'p') THEN 0 WHEN typtype = 'r' THEN 1 WHEN typtype = 'm' THEN 2
              WHEN typtype = 'c' THEN 3 WHEN typtype = 'd' AND elemtyptype <> 'a' THEN 4 WHEN typtype = 'a' THEN 5
              ELSE 6 END, t.oid;

-- The fields of composite types that stand alone.
SELECT typ.oid, att.attname, att.atttypid FROM pg_type AS typ
JOIN pg_namespace AS ns ON ns.oid = typ.typnamespace
JOIN pg_class AS cls ON cls.oid = typ.typrelid
JOIN pg_attribute AS att ON att.attrelid = typ.typrelid
WHERE typ.typtype = 'c' AND cls.relkind = 'c' AND attnum > 0 AND NOT attisdropped ORDER BY typ.oid, att.attnum;

-- The labels of enumerations.
SELECT pg_type.oid, enumlabel FROM pg_enum JOIN pg_type ON pg_type.oid = enumtypid ORDER BY oid, enumsortorder;

-- The character set.
SELECT character_set_name FROM information_schema.character_sets;

-- The navigator's tables.
SELECT table_schema, table_name, table_type FROM information_schema.tables
WHERE table_schema NOT IN ('information_schema', 'pg_catalog', 'lakegate') ORDER BY table_schema, table_name;

-- The columns of one of them.
SELECT column_name, ordinal_position, is_nullable,
       CASE WHEN data_type = 'ARRAY' THEN data_type || ' of ' || udt_name ELSE data_type END AS data_type
FROM information_schema.columns WHERE table_schema = 'tpch' AND table_name = 'lineitem'
ORDER BY table_schema, table_name, ordinal_position;

-- Its unique keys.
SELECT i.constraint_schema || '_' || i.constraint_name AS index_name, ii.column_name, ii.ordinal_position,
       CASE WHEN i.constraint_type = 'PRIMARY KEY' THEN 'Y' ELSE 'N' END AS primary_key
FROM information_schema.table_constraints i
JOIN information_schema.key_column_usage ii
  ON i.constraint_schema = ii.constraint_schema AND i.constraint_name = ii.constraint_name
 AND i.table_schema = ii.table_schema AND i.table_name = ii.table_name
WHERE i.table_schema = 'tpch' AND i.table_name = 'nation' AND i.constraint_type IN ('PRIMARY KEY', 'UNIQUE')
ORDER BY 1, 3;

-- The tables that it refers to.
SELECT pk.table_schema AS pk_table_schema, pk.table_name AS pk_table_name, pk.column_name AS pk_column_name,
       fk.column_name AS fk_column_name, fk.ordinal_position AS ordinal,
       con.constraint_schema || '_nation_' || pk.table_name || '_' || con.constraint_name AS fk_name
FROM (SELECT DISTINCT constraint_catalog, constraint_schema, unique_constraint_schema, constraint_name, unique_constraint_name
      FROM information_schema.referential_constraints) con
JOIN information_schema.key_column_usage fk
  ON con.constraint_schema = fk.constraint_schema AND con.constraint_name = fk.constraint_name
JOIN information_schema.key_column_usage pk
  ON con.unique_constraint_schema = pk.constraint_schema AND con.unique_constraint_name = pk.constraint_name
WHERE fk.table_schema = 'tpch' AND fk.table_name = 'nation' AND pk.ordinal_position = fk.ordinal_position
ORDER BY fk_name, fk.ordinal_position;

-- When the connection goes back to the pool.
DISCARD ALL;
