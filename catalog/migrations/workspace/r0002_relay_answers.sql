-- Answers about privileges from the control tables. Names, arguments and result types are pg_catalog's and
-- information_schema's, so that a relayed statement needs no more than another schema's name.
--
-- Functions that read control tables are SECURITY DEFINER and take the role as an argument; those that a statement calls
-- run as the caller, because only there current_user and the search path are the caller's.

CREATE FUNCTION lakegate.role_oid(name text) RETURNS oid
LANGUAGE sql STABLE STRICT
RETURN CASE WHEN $1 = 'public' THEN 0::oid ELSE quote_ident($1)::regrole::oid END;

-- Whether the role has what is granted to the grantee: as itself, through a group, or because everybody has.
CREATE FUNCTION lakegate.acts_as(role oid, grantee text) RETURNS boolean
LANGUAGE sql STABLE
RETURN $2 = 'public' OR EXISTS (SELECT FROM pg_roles r WHERE r.rolname = $2 AND pg_has_role($1, r.oid, 'USAGE'));

CREATE FUNCTION lakegate.owns(role oid, owner text) RETURNS boolean
LANGUAGE sql STABLE
RETURN lakegate.acts_as($1, $2) OR lakegate.acts_as($1, 'lakegate_admin');

-- 'SELECT, insert with grant option' -> one row each. The error is PostgreSQL's.
CREATE FUNCTION lakegate.parse_privileges(list text, known text[]) RETURNS TABLE (privilege text, grantable boolean)
LANGUAGE plpgsql IMMUTABLE STRICT SET search_path = pg_catalog AS $$
DECLARE
    part text;
BEGIN
    FOREACH part IN ARRAY string_to_array(list, ',') LOOP
        part := btrim(part, E' \t\n\r');
        grantable := upper(part) LIKE '% WITH GRANT OPTION';
        privilege := regexp_replace(upper(part), ' WITH GRANT OPTION$', '');
        IF NOT privilege = ANY (known) THEN
            RAISE EXCEPTION 'unrecognized privilege type: "%"', part USING ERRCODE = '22023';
        END IF;
        RETURN NEXT;
    END LOOP;
END
$$;

CREATE FUNCTION lakegate.check_table(role oid, relation oid, list text, known text[]) RETURNS boolean
LANGUAGE sql STABLE STRICT SECURITY DEFINER SET search_path = pg_catalog
RETURN (
    SELECT bool_or(lakegate.owns(role, t.owner) OR NOT w.grantable AND EXISTS (
        SELECT FROM lakegate.table_grants g
        WHERE g.table_id = t.id AND g.privilege = w.privilege AND lakegate.acts_as(role, g.grantee)))
    FROM lakegate.tables t, lakegate.parse_privileges(list, known) w WHERE t.shadow = relation
);

CREATE FUNCTION lakegate.check_schema(role oid, namespace oid, list text) RETURNS boolean
LANGUAGE sql STABLE STRICT SECURITY DEFINER SET search_path = pg_catalog
RETURN (
    SELECT bool_or(lakegate.owns(role, s.owner) OR NOT w.grantable AND EXISTS (
        SELECT FROM lakegate.schema_grants g
        WHERE g.schema_name = s.name AND g.privilege = w.privilege AND lakegate.acts_as(role, g.grantee)))
    FROM pg_namespace n JOIN lakegate.schemas s ON s.name = n.nspname, lakegate.parse_privileges(list, '{CREATE,USAGE}') w
    WHERE n.oid = namespace
);

-- One overload for each of PostgreSQL's. $r, $o, $c and $p below are the role, object, column and privileges.
DO $generate$
DECLARE
    role_type text;
    object_type text;
    column_type text;
    types text[];
    role_given text;
    object_given text;
    call text;
    at integer;
BEGIN
    FOREACH role_type IN ARRAY '{none,name,oid}'::text[] LOOP
        role_given := CASE role_type WHEN 'none' THEN 'lakegate.role_oid(current_user::text)'
            WHEN 'name' THEN 'lakegate.role_oid($1::text)' ELSE '$1' END;
        FOREACH object_type IN ARRAY '{text,oid}'::text[] LOOP
            types := array_remove(ARRAY[role_type, object_type, 'text'], 'none');
            at := cardinality(types) - 1;
            object_given := CASE object_type WHEN 'oid' THEN format('$%s', at) ELSE format('$%s::regclass::oid', at) END;
            call := format('%s, %s, $%s', role_given, object_given, at + 1);
            EXECUTE format(
                'CREATE FUNCTION lakegate.has_table_privilege(%s) RETURNS boolean LANGUAGE sql STABLE STRICT '
                'RETURN coalesce(lakegate.check_table(%s, ''{SELECT,INSERT,UPDATE,DELETE,TRUNCATE,REFERENCES,TRIGGER,MAINTAIN}''), '
                'pg_catalog.has_table_privilege(%2$s))', array_to_string(types, ', '), call);
            EXECUTE format(
                'CREATE FUNCTION lakegate.has_any_column_privilege(%s) RETURNS boolean LANGUAGE sql STABLE STRICT '
                'RETURN coalesce(lakegate.check_table(%s, ''{SELECT,INSERT,UPDATE,REFERENCES}''), '
                'pg_catalog.has_any_column_privilege(%2$s))', array_to_string(types, ', '), call);
            object_given := CASE object_type WHEN 'oid' THEN format('$%s', at)
                ELSE format('quote_ident($%s)::regnamespace::oid', at) END;
            EXECUTE format(
                'CREATE FUNCTION lakegate.has_schema_privilege(%s) RETURNS boolean LANGUAGE sql STABLE STRICT '
                'RETURN coalesce(lakegate.check_schema(%s), pg_catalog.has_schema_privilege(%2$s))',
                array_to_string(types, ', '), format('%s, %s, $%s', role_given, object_given, at + 1));
            FOREACH column_type IN ARRAY '{text,smallint}'::text[] LOOP
                types := array_remove(ARRAY[role_type, object_type, column_type, 'text'], 'none');
                at := cardinality(types) - 2;
                object_given := CASE object_type WHEN 'oid' THEN format('$%s', at) ELSE format('$%s::regclass::oid', at) END;
                -- PostgreSQL's own function first: it raises for a column that is not there, and is NULL for a dropped one.
                EXECUTE format(
                    'CREATE FUNCTION lakegate.has_column_privilege(%s) RETURNS boolean LANGUAGE sql STABLE STRICT '
                    'RETURN CASE WHEN pg_catalog.has_column_privilege(%s, %s, $%s, $%s) IS NULL THEN NULL ELSE '
                    'coalesce(lakegate.check_table(%2$s, %3$s, $%5$s, ''{SELECT,INSERT,UPDATE,REFERENCES}''), '
                    'pg_catalog.has_column_privilege(%2$s, %3$s, $%4$s, $%5$s)) END',
                    array_to_string(types, ', '), role_given, object_given, at + 1, at + 2);
            END LOOP;
        END LOOP;
    END LOOP;
END
$generate$;

-- Access lists and owners, for pg_class and pg_namespace.
CREATE FUNCTION lakegate.find_role(name text) RETURNS oid
LANGUAGE sql STABLE STRICT
RETURN (SELECT oid FROM pg_roles WHERE rolname = $1);

CREATE FUNCTION lakegate.build_acl(owner text, grants text[], all_privileges text) RETURNS aclitem[]
LANGUAGE sql STABLE SET search_path = pg_catalog AS $$
    SELECT array_agg(item) FROM (
        SELECT makeaclitem(lakegate.find_role(owner), lakegate.find_role(owner), all_privileges, false) AS item
        WHERE cardinality(grants) > 0
        UNION ALL
        SELECT makeaclitem(CASE WHEN g.grantee = 'public' THEN 0::oid ELSE lakegate.find_role(g.grantee) END,
                           lakegate.find_role(owner), string_agg(g.privilege, ','), false)
        FROM (SELECT grants[i] AS grantee, grants[i + 1] AS privilege
              FROM generate_series(1, cardinality(grants), 2) i) g
        GROUP BY g.grantee
    ) items WHERE item IS NOT NULL
$$;

CREATE FUNCTION lakegate.table_acl(relation oid, own aclitem[]) RETURNS aclitem[]
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog AS $$
    SELECT CASE WHEN t.id IS NULL THEN own ELSE lakegate.build_acl(t.owner, ARRAY(
        SELECT unnest(ARRAY[g.grantee, g.privilege]) FROM lakegate.table_grants g WHERE g.table_id = t.id
    ), 'SELECT,INSERT,UPDATE,DELETE,TRUNCATE') END
    FROM (SELECT) one LEFT JOIN lakegate.tables t ON t.shadow = relation
$$;

CREATE FUNCTION lakegate.table_owner(relation oid, own oid) RETURNS oid
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog AS $$
    SELECT coalesce((SELECT lakegate.find_role(t.owner) FROM lakegate.tables t WHERE t.shadow = relation), own)
$$;

CREATE FUNCTION lakegate.schema_acl(name name, own aclitem[]) RETURNS aclitem[]
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog AS $$
    SELECT CASE WHEN s.name IS NULL THEN own ELSE lakegate.build_acl(s.owner, ARRAY(
        SELECT unnest(ARRAY[g.grantee, g.privilege]) FROM lakegate.schema_grants g WHERE g.schema_name = s.name
    ), 'USAGE,CREATE') END
    FROM (SELECT) one LEFT JOIN lakegate.schemas s ON s.name = $1
$$;

CREATE FUNCTION lakegate.schema_owner(name name, own oid) RETURNS oid
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog AS $$
    SELECT coalesce((SELECT lakegate.find_role(s.owner) FROM lakegate.schemas s WHERE s.name = $1), own)
$$;

-- The same columns in the same order, with true owners and access lists. What is not selected is not computed.
DO $generate$
DECLARE
    relation text;
    answers jsonb := '{
        "pg_class": {"relacl": "lakegate.table_acl(oid, relacl)", "relowner": "lakegate.table_owner(oid, relowner)"},
        "pg_namespace": {"nspacl": "lakegate.schema_acl(nspname, nspacl)",
                         "nspowner": "lakegate.schema_owner(nspname, nspowner)"}}';
BEGIN
    FOR relation IN SELECT jsonb_object_keys(answers) LOOP
        EXECUTE (
            SELECT format('CREATE VIEW lakegate.%I AS SELECT %s FROM pg_catalog.%1$I', relation, string_agg(
                coalesce((answers -> relation ->> attname) || format(' AS %I', attname), quote_ident(attname)),
                ', ' ORDER BY attnum))
            FROM pg_attribute
            WHERE attrelid = format('pg_catalog.%I', relation)::regclass AND attnum > 0 AND NOT attisdropped);
    END LOOP;
END
$generate$;

-- The owner holds every privilege and may grant it; the others hold what the control tables say.
CREATE VIEW lakegate.held_table_privileges AS
    SELECT t.owner AS grantor, h.grantee, t.schema_name, t.name, h.privilege, h.grantee = t.owner AS grantable, t.shadow
    FROM lakegate.tables t, LATERAL (
        SELECT t.owner AS grantee, unnest('{SELECT,INSERT,UPDATE,DELETE,TRUNCATE}'::text[]) AS privilege
        UNION
        SELECT CASE g.grantee WHEN 'public' THEN 'PUBLIC' ELSE g.grantee END, g.privilege
        FROM lakegate.table_grants g WHERE g.table_id = t.id AND g.grantee <> t.owner
    ) h
    WHERE t.shadow IS NOT NULL
      AND (h.grantee = 'PUBLIC' OR lakegate.acts_as(lakegate.role_oid(current_user::text), t.owner)
           OR lakegate.acts_as(lakegate.role_oid(current_user::text), h.grantee));

CREATE VIEW lakegate.table_privileges AS
    SELECT p.* FROM information_schema.table_privileges p
    WHERE NOT EXISTS (SELECT FROM lakegate.schemas s WHERE s.name = p.table_schema)
    UNION ALL
    SELECT grantor::information_schema.sql_identifier, grantee::information_schema.sql_identifier,
           current_database()::information_schema.sql_identifier, schema_name::information_schema.sql_identifier,
           name::information_schema.sql_identifier, privilege::information_schema.character_data,
           CASE WHEN grantable THEN 'YES' ELSE 'NO' END::information_schema.yes_or_no,
           CASE WHEN privilege = 'SELECT' THEN 'YES' ELSE 'NO' END::information_schema.yes_or_no
    FROM lakegate.held_table_privileges;

CREATE VIEW lakegate.column_privileges AS
    SELECT p.* FROM information_schema.column_privileges p
    WHERE NOT EXISTS (SELECT FROM lakegate.schemas s WHERE s.name = p.table_schema)
    UNION ALL
    SELECT h.grantor::information_schema.sql_identifier, h.grantee::information_schema.sql_identifier,
           current_database()::information_schema.sql_identifier, h.schema_name::information_schema.sql_identifier,
           h.name::information_schema.sql_identifier, a.attname::information_schema.sql_identifier,
           h.privilege::information_schema.character_data,
           CASE WHEN h.grantable THEN 'YES' ELSE 'NO' END::information_schema.yes_or_no
    FROM lakegate.held_table_privileges h
    JOIN pg_attribute a ON a.attrelid = h.shadow AND a.attnum > 0 AND NOT a.attisdropped
    WHERE h.privilege IN ('SELECT', 'INSERT', 'UPDATE');

CREATE VIEW lakegate.role_table_grants AS
    SELECT * FROM lakegate.table_privileges
    WHERE grantor IN (SELECT role_name FROM information_schema.enabled_roles)
       OR grantee IN (SELECT role_name FROM information_schema.enabled_roles);

CREATE VIEW lakegate.role_column_grants AS
    SELECT * FROM lakegate.column_privileges
    WHERE grantor IN (SELECT role_name FROM information_schema.enabled_roles)
       OR grantee IN (SELECT role_name FROM information_schema.enabled_roles);

GRANT SELECT ON lakegate.pg_class, lakegate.pg_namespace, lakegate.table_privileges, lakegate.column_privileges,
    lakegate.role_table_grants, lakegate.role_column_grants TO lakegate_principal;

-- Sessions. The gateway sets lakegate.session to the number that its client got as process id, and listens on the channel
-- lakegate_signal for [signal, process id, who asks]; it decides whether that principal may.
CREATE FUNCTION lakegate.pg_backend_pid() RETURNS integer
LANGUAGE sql STABLE
RETURN nullif(current_setting('lakegate.session', true), '')::integer;

CREATE FUNCTION lakegate.send_signal(signal text, pid integer, asker name) RETURNS boolean
LANGUAGE plpgsql VOLATILE STRICT SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM lakegate.sessions s WHERE s.pid = send_signal.pid) THEN
        RAISE WARNING 'PID % is not a PostgreSQL backend process', pid;
        RETURN false;
    END IF;
    PERFORM pg_notify('lakegate_signal', jsonb_build_array(signal, pid, asker)::text);
    RETURN true;
END
$$;

CREATE FUNCTION lakegate.pg_cancel_backend(integer) RETURNS boolean
LANGUAGE sql VOLATILE STRICT
RETURN lakegate.send_signal('cancel', $1, current_user);

CREATE FUNCTION lakegate.pg_terminate_backend(integer, bigint DEFAULT 0) RETURNS boolean
LANGUAGE sql VOLATILE STRICT
RETURN lakegate.send_signal('terminate', $1, current_user);

-- Each gateway writes its own sessions here before it relays a statement that asks for them. `activity` has the columns of
-- pg_stat_activity as keys.
CREATE UNLOGGED TABLE lakegate.sessions (
    replica text NOT NULL,
    pid integer NOT NULL,
    activity jsonb NOT NULL,
    PRIMARY KEY (replica, pid)
);

CREATE VIEW lakegate.pg_stat_activity AS
    SELECT shown.*
    FROM lakegate.sessions s,
         jsonb_populate_record(NULL::pg_catalog.pg_stat_activity, CASE
             WHEN lakegate.owns(lakegate.role_oid(current_user::text), s.activity ->> 'usename') THEN s.activity
             ELSE s.activity - '{state,client_addr,client_port,query_start,state_change}'::text[]
                  || '{"query": "<insufficient privilege>"}' END) shown;

GRANT SELECT ON lakegate.pg_stat_activity TO lakegate_principal;
