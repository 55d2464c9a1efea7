-- pgAdmin: at connect, and as its tree of a database is opened.

-- At connect.
SET DateStyle = ISO;

-- At connect.
SET client_min_messages = notice;

-- At connect: a setting, changed only where the server has it.
SELECT set_config('bytea_output', 'hex', false) FROM pg_show_all_settings() WHERE name = 'bytea_output';

-- Whether the session is encrypted in the other way.
SELECT gss_authenticated, encrypted FROM pg_catalog.pg_stat_gssapi WHERE pid = pg_backend_pid();

-- rows differ: every server has databases of its own
SELECT db.oid AS did, db.datname, db.datallowconn, pg_encoding_to_char(db.encoding) AS serverencoding,
       has_database_privilege(db.oid, 'CREATE') AS cancreate, datistemplate
FROM pg_catalog.pg_database db WHERE db.datname = current_database();

-- rows differ: every server has users of its own
SELECT roles.oid AS id, roles.rolname AS name, roles.rolsuper AS is_superuser,
       CASE WHEN roles.rolsuper THEN true ELSE roles.rolcreaterole END AS can_create_role,
       CASE WHEN roles.rolsuper THEN true ELSE roles.rolcreatedb END AS can_create_db,
       CASE WHEN 'pg_signal_backend' = ANY (ARRAY(
           WITH RECURSIVE cte AS (SELECT pg_roles.oid, pg_roles.rolname FROM pg_roles WHERE pg_roles.oid = roles.oid
                                  UNION ALL
                                  SELECT m.roleid, pgr.rolname FROM cte cte_1
                                  JOIN pg_auth_members m ON m.member = cte_1.oid JOIN pg_roles pgr ON pgr.oid = m.roleid)
           SELECT rolname FROM cte)) THEN true ELSE false END AS can_signal_backend
FROM pg_catalog.pg_roles AS roles WHERE rolname = current_user;

-- Whether an extension replicates.
SELECT count(*) FROM pg_catalog.pg_extension WHERE extname = 'bdr';

-- Whether it replicates otherwise.
SELECT count(*) FROM pg_catalog.pg_replication_slots;

-- Schemas of the tree.
SELECT nsp.nspname AS name, des.description, nsp.nspname LIKE 'pg\_%' AS is_system
FROM pg_catalog.pg_namespace nsp
LEFT OUTER JOIN pg_catalog.pg_description des ON des.objoid = nsp.oid AND des.classoid = 'pg_namespace'::regclass
WHERE nspname IN ('tpch', 'sample') ORDER BY nspname;

-- Tables of a schema.
SELECT rel.relname AS name, (SELECT count(*) FROM pg_catalog.pg_trigger WHERE tgrelid = rel.oid AND tgisinternal = false) AS triggercount,
       (SELECT count(*) FROM pg_catalog.pg_inherits i WHERE i.inhrelid = rel.oid LIMIT 1) AS is_inherits,
       (SELECT count(*) FROM pg_catalog.pg_inherits i WHERE i.inhparent = rel.oid LIMIT 1) AS is_inherited, des.description
FROM pg_catalog.pg_class rel
LEFT OUTER JOIN pg_catalog.pg_description des
  ON des.objoid = rel.oid AND des.objsubid = 0 AND des.classoid = 'pg_class'::regclass
WHERE rel.relkind IN ('r', 's', 't', 'p') AND rel.relnamespace = 'tpch'::regnamespace AND NOT rel.relispartition
ORDER BY rel.relname;

-- Columns of a table.
SELECT att.attname AS name, att.attnum, att.atttypid AS elemoid, format_type(att.atttypid, att.atttypmod) AS cltype,
       pg_catalog.format_type(ty.oid, NULL) AS typname, att.attnotnull, att.attstorage, coll.collname AS collation,
       pg_catalog.pg_get_expr(def.adbin, def.adrelid) AS defval, des.description,
       EXISTS (SELECT 1 FROM pg_catalog.pg_index WHERE indrelid = att.attrelid AND indisprimary AND att.attnum = ANY (indkey)) AS is_pk
FROM pg_catalog.pg_attribute att
JOIN pg_catalog.pg_type ty ON ty.oid = atttypid
LEFT OUTER JOIN pg_catalog.pg_attrdef def ON adrelid = att.attrelid AND adnum = att.attnum
LEFT OUTER JOIN pg_catalog.pg_description des
  ON des.objoid = att.attrelid AND des.objsubid = att.attnum AND des.classoid = 'pg_class'::regclass
LEFT OUTER JOIN pg_catalog.pg_collation coll ON att.attcollation = coll.oid
WHERE att.attrelid = 'sample.every_type'::regclass AND att.attnum > 0 AND att.attisdropped IS FALSE ORDER BY att.attnum;

-- rows differ: owners
SELECT rel.relname, pg_get_userbyid(rel.relowner) AS relowner, pg_catalog.array_to_string(rel.relacl::text[], ', ') AS acl,
       rel.relhassubclass, rel.reltuples, rel.reloptions, spc.spcname
FROM pg_catalog.pg_class rel LEFT OUTER JOIN pg_catalog.pg_tablespace spc ON spc.oid = rel.reltablespace
WHERE rel.relnamespace = 'tpch'::regnamespace ORDER BY 1;

-- rows differ: what a server does meanwhile
SELECT 'session_stats' AS chart_name, (SELECT count(*) FROM pg_catalog.pg_stat_activity) AS total,
       (SELECT count(*) FROM pg_catalog.pg_stat_activity WHERE state = 'active') AS active;

-- rows differ: what a server does meanwhile
SELECT pid, datname, usename, application_name, client_addr,
       pg_catalog.to_char(backend_start, 'YYYY-MM-DD HH24:MI:SS TZ') AS backend_start, state,
       wait_event_type || ': ' || wait_event AS wait_event, array_to_string(pg_catalog.pg_blocking_pids(pid), ', ') AS blocking_pids,
       query, backend_type
FROM pg_catalog.pg_stat_activity WHERE datname = current_database() ORDER BY pid;

-- Settings of the server, for the configuration's page.
SELECT name, category, vartype, context FROM pg_catalog.pg_settings WHERE name IN ('DateStyle', 'TimeZone', 'bytea_output', 'search_path', 'statement_timeout') ORDER BY 1;
