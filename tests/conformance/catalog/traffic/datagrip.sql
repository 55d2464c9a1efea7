-- DataGrip and IntelliJ: one look at the server, then every catalog with its xmin, to see what has changed.

-- rows differ: every server has databases of its own
SELECT current_database() AS a, current_schemas(false) AS b;

-- At connect.
SHOW TRANSACTION ISOLATION LEVEL;

-- rows differ: every server started at its own time
SELECT round(extract(epoch FROM pg_postmaster_start_time() AT TIME ZONE 'UTC')) AS startup_time;

-- rows differ: every server has transactions of its own
SELECT l.transactionid::varchar::bigint AS transaction_id FROM pg_catalog.pg_locks l
WHERE l.transactionid IS NOT NULL ORDER BY pg_catalog.age(l.transactionid) DESC LIMIT 1;

-- rows differ: every server has transactions of its own
SELECT CASE WHEN pg_catalog.pg_is_in_recovery() THEN NULL
            ELSE (pg_catalog.txid_current() % 4294967296)::varchar::bigint END AS current_txid;

-- rows differ: every server has databases of its own
SELECT n.oid::bigint AS id, datname AS name, d.description, datistemplate AS is_template,
       datallowconn AS allow_connections, pg_catalog.pg_get_userbyid(n.datdba) AS "owner"
FROM pg_catalog.pg_database n LEFT JOIN pg_catalog.pg_shdescription d ON n.oid = d.objoid
ORDER BY CASE WHEN datname = pg_catalog.current_database() THEN -1::bigint ELSE n.oid::bigint END;

-- rows differ: oids and owners
SELECT n.oid::bigint AS id, n.xmin AS state_number, nspname AS name, d.description,
       pg_catalog.pg_get_userbyid(n.nspowner) AS "owner"
FROM pg_catalog.pg_namespace n LEFT JOIN pg_catalog.pg_description d ON n.oid = d.objoid
ORDER BY CASE WHEN nspname = pg_catalog.current_schema() THEN -1::bigint ELSE n.oid::bigint END;

-- rows differ: the clock decides which zones have summer time
SELECT name, is_dst FROM pg_catalog.pg_timezone_names
UNION DISTINCT SELECT abbrev AS name, is_dst FROM pg_catalog.pg_timezone_abbrevs;

-- rows differ: every server has users of its own
SELECT r.oid::bigint AS role_id, rolname AS role_name, rolsuper AS is_super, rolinherit AS is_inherit,
       rolcreaterole AS can_createrole, rolcreatedb AS can_createdb, rolcanlogin AS can_login,
       rolreplication AS is_replication, rolconnlimit AS conn_limit, rolvaliduntil AS valid_until,
       rolbypassrls AS bypass_rls, rolconfig AS config, d.description
FROM pg_catalog.pg_roles r LEFT JOIN pg_catalog.pg_shdescription d ON d.objoid = r.oid;

-- rows differ: every server has users of its own
SELECT member AS id, roleid AS role_id, admin_option FROM pg_catalog.pg_auth_members ORDER BY id, roleid::text;

-- rows differ: oids and owners
SELECT t.oid::bigint AS id, t.spcname AS name, t.xmin AS state_number, pg_catalog.pg_get_userbyid(t.spcowner) AS owner,
       pg_catalog.pg_tablespace_location(t.oid) AS location, t.spcoptions AS options, d.description AS comment
FROM pg_catalog.pg_tablespace t LEFT JOIN pg_catalog.pg_shdescription d ON d.objoid = t.oid;

-- rows differ: oids and owners
SELECT t.oid AS object_id, t.spcacl AS acl FROM pg_catalog.pg_tablespace t
UNION ALL SELECT t.oid AS object_id, t.datacl AS acl FROM pg_catalog.pg_database t;

-- What kind of type an array of names is.
SELECT typinput = 'pg_catalog.array_in'::regproc AS is_array, typtype, typname, pg_type.oid FROM pg_catalog.pg_type
LEFT JOIN (SELECT ns.oid AS nspoid, ns.nspname, r.r FROM pg_namespace AS ns
           JOIN (SELECT s.r, (current_schemas(false))[s.r] AS nspname
                 FROM generate_series(1, array_upper(current_schemas(false), 1)) AS s(r)) AS r USING (nspname)) AS sp
  ON sp.nspoid = typnamespace
WHERE pg_type.oid = '1003' ORDER BY sp.r, pg_type.oid DESC;

-- How an array's text parts its elements.
SELECT e.typdelim FROM pg_catalog.pg_type t, pg_catalog.pg_type e WHERE t.oid = '1034' AND t.typelem = e.oid;

-- rows differ: the gateway ends TLS itself
SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid();

-- rows differ: oids and owners
SELECT t.relkind AS table_kind, t.relname AS table_name, t.oid AS table_id, t.xmin AS table_state_number,
       t.relpersistence AS persistence, t.reloptions AS options, pg_catalog.pg_get_userbyid(t.relowner) AS "owner"
FROM pg_catalog.pg_class t
WHERE relnamespace = 'tpch'::regnamespace AND relkind IN ('r', 'm', 'v', 'f', 'p') ORDER BY table_kind, table_id;

-- Columns of a schema.
SELECT t.relname, c.attnum AS column_position, c.attname AS column_name, c.attisdropped AS column_is_dropped,
       c.atttypmod AS type_mod, c.attndims AS dimensions_number, pg_catalog.format_type(c.atttypid, c.atttypmod) AS type_spec,
       c.atttypid AS type_id, c.attnotnull AS mandatory, d.adbin IS NOT NULL AS has_default, c.attidentity, c.attgenerated
FROM pg_catalog.pg_class t
JOIN pg_catalog.pg_attribute c ON t.oid = c.attrelid
LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = t.oid AND d.adnum = c.attnum
WHERE t.relnamespace = 'tpch'::regnamespace AND t.relkind IN ('r', 'v', 'm', 'f', 'p') AND c.attnum > 0
ORDER BY 1, 2;

-- Rules, triggers, aggregates and extensions.
SELECT r.rulename, r.ev_type, r.is_instead FROM pg_catalog.pg_rewrite r
JOIN pg_catalog.pg_class t ON t.oid = r.ev_class WHERE t.relnamespace = 'tpch'::regnamespace;

-- Triggers.
SELECT t.tgname, t.tgenabled, pg_catalog.pg_get_triggerdef(t.oid, true) AS source_code FROM pg_catalog.pg_trigger t
JOIN pg_catalog.pg_class c ON c.oid = t.tgrelid WHERE c.relnamespace = 'tpch'::regnamespace AND NOT t.tgisinternal;

-- Aggregates, which are built in.
SELECT p.proname, a.aggkind, pg_catalog.pg_get_function_arguments(p.oid) AS arguments FROM pg_catalog.pg_aggregate a
JOIN pg_catalog.pg_proc p ON a.aggfnoid = p.oid WHERE p.proname LIKE 'regr\_%' ORDER BY 1;

-- Extensions.
SELECT e.extname, e.extversion FROM pg_catalog.pg_extension e WHERE e.extname = 'plpgsql';
