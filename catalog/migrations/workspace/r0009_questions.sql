-- What pg_class shows of tables, and what questions about rights are answered from, in a table of its own: a statement that
-- reads it of every table there is reads few pages. It follows a table's shadow, and is written with the mirror. `owner_role`
-- NULL: no role has that name; `acl` NULL: nobody but the owner has any right.
CREATE TABLE lakegate.rights (
    table_id bigint PRIMARY KEY REFERENCES lakegate.tables ON DELETE CASCADE,
    shadow oid UNIQUE,
    owner_role oid,
    acl aclitem[]
);
INSERT INTO lakegate.rights SELECT id, shadow, owner_role, acl FROM lakegate.tables;

DO $generate$
BEGIN
    EXECUTE (
        SELECT format('CREATE OR REPLACE VIEW lakegate.pg_class AS SELECT %s FROM pg_catalog.pg_class c '
                      'LEFT JOIN lakegate.rights o ON o.shadow = c.oid',
            string_agg(CASE attname
                WHEN 'relacl' THEN 'CASE WHEN o.table_id IS NULL THEN c.relacl ELSE o.acl END AS relacl'
                WHEN 'relowner' THEN 'coalesce(o.owner_role, c.relowner) AS relowner'
                ELSE format('c.%I', attname) END, ', ' ORDER BY attnum))
        FROM pg_attribute
        WHERE attrelid = 'pg_catalog.pg_class'::regclass AND attnum > 0 AND NOT attisdropped);
END
$generate$;

-- One privilege is what nearly every statement asks for; a list is taken apart. An owner and an admin may grant what they
-- hold, nobody else may.
CREATE OR REPLACE FUNCTION lakegate.check_table(role oid, relation oid, list text, known text[]) RETURNS boolean
LANGUAGE sql STABLE STRICT SECURITY DEFINER SET search_path = pg_catalog, pg_temp
RETURN (
    SELECT CASE WHEN upper(list) <> ALL (known) THEN (
            SELECT bool_or(NOT w.grantable AND lakegate.holds(role, r.owner_role, r.acl, w.privilege)
                           OR lakegate.holds(role, r.owner_role, NULL, w.privilege))
            FROM lakegate.parse_privileges(list, known) w)
        ELSE lakegate.holds(role, r.owner_role, r.acl, upper(list)) END
    FROM lakegate.rights r WHERE r.shadow = relation
);
ALTER TABLE lakegate.tables DROP COLUMN owner_role, DROP COLUMN acl;

-- Questions that a statement asks of each table there is. The gateway writes which tables the statement's user holds the
-- privilege on into the statement, as a call of `held` that PostgreSQL evaluates once, when it plans: the gateway has a
-- statement planned anew whenever the catalog's version or the role changes, so nothing else can change the answer.
--
-- Of the privileges that are asked here nobody but the metastore has any on a shadow, so PostgreSQL's own functions deny
-- them there, and answer for every other relation.

CREATE FUNCTION lakegate.held(privilege text) RETURNS oid[]
LANGUAGE sql IMMUTABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    WITH me AS MATERIALIZED (
        SELECT r.oid, pg_has_role(r.oid, 'lakegate_admin', 'USAGE') AS admin FROM pg_roles r
        WHERE r.rolname = session_user -- no principal becomes another role
    )
    SELECT coalesce(array_agg(r.shadow), '{}') FROM me JOIN lakegate.rights r
        ON me.admin OR lakegate.holds(me.oid, r.owner_role, r.acl, privilege)
    WHERE r.shadow IS NOT NULL;
END;

-- As PostgreSQL's functions, after the tables that are held. One overload for each that is asked of the statement's user.
DO $generate$
DECLARE
    asked text;
    role_type text;
    relation_type text;
    column_type text;
    types text;
    given text;
    relation text;
    at integer;
BEGIN
    FOREACH role_type IN ARRAY '{none,name}'::text[] LOOP
        at := CASE role_type WHEN 'none' THEN 2 ELSE 3 END;
        FOREACH relation_type IN ARRAY '{text,oid}'::text[] LOOP
            relation := format(CASE relation_type WHEN 'oid' THEN '$%s' ELSE '$%s::regclass::oid' END, at);
            types := array_to_string(array_remove(ARRAY['oid[]', role_type, relation_type], 'none'), ', ');
            given := array_to_string(array_remove(ARRAY[CASE role_type WHEN 'name' THEN '$2' END, format('$%s', at)], NULL), ', ');
            FOREACH asked IN ARRAY '{has_table_privilege,has_any_column_privilege}'::text[] LOOP
                EXECUTE format('CREATE FUNCTION lakegate.each_%1$s(%2$s, text) RETURNS boolean LANGUAGE sql STABLE '
                               'RETURN %3$s = ANY ($1) OR pg_catalog.%1$s(%4$s, $%5$s)',
                               asked, types, relation, given, at + 1);
            END LOOP;
            -- PostgreSQL's own function first: it raises for a column that is not there, and is NULL for a dropped one.
            FOREACH column_type IN ARRAY '{text,smallint}'::text[] LOOP
                EXECUTE format('CREATE FUNCTION lakegate.each_has_column_privilege(%1$s, %2$s, text) RETURNS boolean '
                               'LANGUAGE sql STABLE RETURN CASE pg_catalog.has_column_privilege(%3$s, $%4$s, $%5$s) '
                               'WHEN true THEN true WHEN false THEN %6$s = ANY ($1) END',
                               types, column_type, given, at + 1, at + 2, relation);
            END LOOP;
        END LOOP;
    END LOOP;
END
$generate$;

-- Sessions are told by the statement that asks, as its user may see them: lakegate.sessions has the rows, lakegate.owners
-- a line for each, of process id and owner's name in JSON. The table of that name is what gateways tell each other.
DO $generate$
BEGIN
    EXECUTE (
        SELECT format('CREATE OR REPLACE VIEW lakegate.pg_stat_activity AS SELECT %s FROM jsonb_populate_recordset('
                      'NULL::pg_catalog.pg_stat_activity, nullif(current_setting(''lakegate.sessions'', true), '''')::jsonb) s',
            string_agg(CASE attname
                WHEN 'datid' THEN '(SELECT oid FROM pg_database WHERE datname = current_database()) AS datid'
                WHEN 'usesysid' THEN 'to_regrole(quote_ident(s.usename))::oid AS usesysid'
                ELSE format('s.%I', attname) END, ', ' ORDER BY attnum))
        FROM pg_attribute
        WHERE attrelid = 'pg_catalog.pg_stat_activity'::regclass AND attnum > 0 AND NOT attisdropped);
END
$generate$;

-- PostgreSQL's rule on who may signal a session, in its words. The gateway that has the session looks at it again, and
-- tells the client nothing of the INFO that it hears.
CREATE OR REPLACE FUNCTION lakegate.send_signal(signal text, pid integer, asker name) RETURNS boolean
LANGUAGE plpgsql VOLATILE STRICT SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    owner text := substring(current_setting('lakegate.owners', true) FROM format(E'\n%s ([^\n]*)', pid))::jsonb #>> '{}';
    what text := CASE signal WHEN 'cancel' THEN 'cancel query' ELSE 'terminate process' END;
    whose text := CASE signal WHEN 'cancel' THEN 'query is being canceled' ELSE 'process is being terminated' END;
    which text := CASE signal WHEN 'cancel' THEN 'cancel this query' ELSE 'terminate this process' END;
BEGIN
    IF owner IS NULL THEN
        RAISE WARNING 'PID % is not a PostgreSQL backend process', pid;
        RETURN false;
    END IF;
    IF NOT lakegate.owns(lakegate.role_oid(asker::text), owner) THEN
        RAISE EXCEPTION 'permission denied to %', what USING ERRCODE = '42501', DETAIL = format(
            'Only roles with privileges of the role whose %s or with privileges of the "pg_signal_backend" role may %s.',
            whose, which);
    END IF;
    RAISE INFO USING ERRCODE = 'LG001', MESSAGE = jsonb_build_array(signal, pid, asker)::text;
    RETURN true;
END
$$;

-- Sizes: PostgreSQL is not asked how large a shadow is, which costs it a look at each of its files. What is asked of one
-- relation is a function; where a statement asks of each that it reads, the gateway writes a look into `sizes` before the
-- arguments. Its names are such that no column of a statement's is hidden by them.
CREATE VIEW lakegate.sizes AS
    SELECT t.shadow AS lakegate_relation, ARRAY[s.bytes] AS lakegate_bytes -- NULL where its log does not tell
    FROM lakegate.tables t LEFT JOIN lakegate.snapshots s ON s.table_id = t.id WHERE t.location <> ''
    UNION ALL
    SELECT i.indexrelid, ARRAY[0::bigint]
    FROM pg_catalog.pg_index i JOIN lakegate.tables t ON t.shadow = i.indrelid WHERE t.location <> '';
GRANT SELECT ON lakegate.sizes TO lakegate_principal;

DO $generate$
DECLARE
    measure record;
BEGIN
    FOR measure IN SELECT * FROM (VALUES
        ('pg_table_size', 'regclass', '$1', 'true', 'lakegate_bytes'),
        ('pg_total_relation_size', 'regclass', '$1', 'true', 'lakegate_bytes'),
        ('pg_indexes_size', 'regclass', '$1', 'true', 'ARRAY[0::bigint]'),
        ('pg_relation_size', 'regclass', '$1', 'true', 'lakegate_bytes'),
        ('pg_relation_size', 'regclass, text', '$1, $2', '$2 IN (''main'', ''fsm'', ''vm'', ''init'')',
         'CASE $2 WHEN ''main'' THEN lakegate_bytes ELSE ARRAY[0::bigint] END')
    ) AS v (name, types, given, valid, size) LOOP
        EXECUTE format('CREATE OR REPLACE FUNCTION lakegate.%1$I(%2$s) RETURNS bigint LANGUAGE sql VOLATILE STRICT '
            'SECURITY DEFINER SET search_path = pg_catalog, pg_temp RETURN (coalesce((SELECT %5$s FROM lakegate.sizes '
            'WHERE lakegate_relation = $1 AND %4$s), ARRAY[pg_catalog.%1$I(%3$s)]))[1]',
            measure.name, measure.types, measure.given, measure.valid, measure.size);
        IF measure.size = 'lakegate_bytes' THEN
            EXECUTE format('CREATE FUNCTION lakegate.each_%1$I(bigint[], regclass) RETURNS bigint LANGUAGE sql VOLATILE '
                'RETURN (coalesce($1, ARRAY[pg_catalog.%1$I($2)]))[1]', measure.name);
        END IF;
    END LOOP;
END
$generate$;

DROP FUNCTION lakegate.relation_size(oid, bigint, boolean);

-- Settings of which a backend has other values than the session, or none, come with the statement that asks: each is 0
-- until it is set.
CREATE FUNCTION lakegate.own_settings() RETURNS jsonb LANGUAGE sql STABLE
RETURN coalesce(nullif(pg_catalog.current_setting('lakegate.settings', true), ''), '{}')::jsonb;

CREATE FUNCTION lakegate.current_setting(text) RETURNS text LANGUAGE sql STABLE STRICT
RETURN CASE WHEN lakegate.own_settings() ? lower($1) THEN coalesce(lakegate.own_settings() ->> lower($1), '0')
            ELSE pg_catalog.current_setting($1) END;

CREATE FUNCTION lakegate.current_setting(text, boolean) RETURNS text LANGUAGE sql STABLE STRICT
RETURN CASE WHEN lakegate.own_settings() ? lower($1) THEN coalesce(lakegate.own_settings() ->> lower($1), '0')
            ELSE pg_catalog.current_setting($1, $2) END;

-- As a number, in the unit that the view tells: their texts are intervals too.
DO $generate$
BEGIN
    EXECUTE (
        SELECT format('CREATE VIEW lakegate.pg_settings AS SELECT %s FROM pg_catalog.pg_settings s '
                      'CROSS JOIN lakegate.own_settings() AS o (own)', string_agg(CASE attname
            WHEN 'setting' THEN 'CASE WHEN NOT own ? name THEN setting WHEN own ->> name IS NULL THEN ''0'' '
                'WHEN unit = ''ms'' THEN (extract(epoch FROM (own ->> name)::interval) * 1000)::bigint::text '
                'ELSE own ->> name END AS setting'
            WHEN 'reset_val' THEN 'CASE WHEN own ? name THEN boot_val ELSE reset_val END AS reset_val'
            WHEN 'source' THEN 'CASE WHEN NOT own ? name THEN source WHEN own ->> name IS NULL THEN ''default'' '
                'ELSE ''session'' END AS source'
            ELSE format('s.%I', attname) END, ', ' ORDER BY attnum))
        FROM pg_attribute
        WHERE attrelid = 'pg_catalog.pg_settings'::regclass AND attnum > 0 AND NOT attisdropped);
END
$generate$;
GRANT SELECT ON lakegate.pg_settings TO lakegate_principal;

CREATE FUNCTION lakegate.show_all(OUT name text, OUT setting text, OUT description text) RETURNS SETOF record
LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT s.name, lakegate.current_setting(s.name), s.short_desc FROM pg_catalog.pg_settings s;
END;
