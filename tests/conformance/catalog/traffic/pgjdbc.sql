-- pgjdbc: what programs of Java send beside DatabaseMetaData, which the driver's own tests ask for.

-- At connect.
SET extra_float_digits = 3;

-- Read-only sessions.
SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY;

-- And back.
SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE;

-- isValid().
SELECT 1 WHERE false;

-- getCatalog() is known; getSchema() asks.
SELECT current_schema();

-- rows differ: every server has databases of its own
SELECT current_catalog;

-- Its lookup of a type by name.
SELECT pg_type.oid, typname FROM pg_catalog.pg_type
LEFT JOIN (SELECT ns.oid AS nspoid, ns.nspname, r.r FROM pg_namespace AS ns
           JOIN (SELECT s.r, (current_schemas(false))[s.r] AS nspname
                 FROM generate_series(1, array_upper(current_schemas(false), 1)) AS s(r)) AS r USING (nspname)) AS sp
  ON sp.nspoid = typnamespace
WHERE typname = 'numeric' ORDER BY sp.r, pg_type.oid DESC LIMIT 1;

-- Its lookup of an array's type by its element's.
SELECT t.typname, t.oid FROM pg_type t WHERE t.oid = (SELECT typarray FROM pg_type WHERE oid = 1700);

-- Multihost's question for who is primary.
SHOW transaction_read_only;
