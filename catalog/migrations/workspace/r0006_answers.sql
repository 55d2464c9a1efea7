-- What pg_class and pg_namespace show of a table and a schema: the owner's role and the access list. They follow from the
-- owner and the grants, and are written together with the privileges that mirror these. NULL: no role has that name;
-- nobody but the owner has any right.
ALTER TABLE lakegate.tables ADD COLUMN owner_role oid, ADD COLUMN acl aclitem[];
ALTER TABLE lakegate.schemas ADD COLUMN owner_role oid, ADD COLUMN acl aclitem[];
UPDATE lakegate.tables SET owner_role = lakegate.find_role(owner), acl = lakegate.table_acl(shadow, NULL);
UPDATE lakegate.schemas SET owner_role = lakegate.find_role(owner), acl = lakegate.schema_acl(name::name, NULL);

-- Views read as their owner, so they may read the control tables; a join that a statement needs nothing of is left out.
DO $generate$
DECLARE
    one record;
BEGIN
    FOR one IN SELECT * FROM (VALUES
        ('pg_class', '{"relacl": "CASE WHEN o.id IS NULL THEN c.relacl ELSE o.acl END",
                       "relowner": "coalesce(o.owner_role, c.relowner)"}'::jsonb, 'tables o ON o.shadow = c.oid'),
        ('pg_namespace', '{"nspacl": "CASE WHEN o.name IS NULL THEN c.nspacl ELSE o.acl END",
                           "nspowner": "coalesce(o.owner_role, c.nspowner)"}', 'schemas o ON o.name = c.nspname')
    ) AS v (relation, answers, joined) LOOP
        EXECUTE (
            SELECT format('CREATE OR REPLACE VIEW lakegate.%I AS SELECT %s FROM pg_catalog.%1$I c LEFT JOIN lakegate.%3$s',
                one.relation, string_agg(coalesce((one.answers ->> attname) || format(' AS %I', attname),
                    'c.' || quote_ident(attname)), ', ' ORDER BY attnum), one.joined)
            FROM pg_attribute
            WHERE attrelid = format('pg_catalog.%I', one.relation)::regclass AND attnum > 0 AND NOT attisdropped);
    END LOOP;
END
$generate$;

DROP FUNCTION lakegate.table_acl(oid, aclitem[]);
DROP FUNCTION lakegate.table_owner(oid, oid);
DROP FUNCTION lakegate.schema_acl(name, aclitem[]);
DROP FUNCTION lakegate.schema_owner(name, oid);

-- Whether the role holds that one privilege by the owner's role, as an admin, or by the access list.
CREATE FUNCTION lakegate.holds(role oid, owner_role oid, acl aclitem[], privilege text) RETURNS boolean
LANGUAGE sql STABLE
RETURN coalesce(pg_has_role($1, $2, 'USAGE'), false) OR pg_has_role($1, 'lakegate_admin', 'USAGE') OR EXISTS (
    SELECT FROM aclexplode($3) i
    WHERE i.privilege_type = $4 AND (i.grantee = 0 OR pg_has_role($1, i.grantee, 'USAGE')));

-- One privilege is what nearly every statement asks for, the owner's and an admin's are told soonest; a list is taken
-- apart.
CREATE OR REPLACE FUNCTION lakegate.check_table(role oid, relation oid, list text, known text[]) RETURNS boolean
LANGUAGE sql STABLE STRICT SECURITY DEFINER
RETURN (
    SELECT CASE WHEN upper(list) <> ALL (known) THEN (
            SELECT bool_or(lakegate.owns(role, t.owner)
                           OR NOT w.grantable AND lakegate.holds(role, t.owner_role, t.acl, w.privilege))
            FROM lakegate.parse_privileges(list, known) w)
        WHEN pg_has_role(role, t.owner_role, 'USAGE') OR pg_has_role(role, 'lakegate_admin', 'USAGE') THEN true
        ELSE lakegate.holds(role, t.owner_role, t.acl, upper(list)) END
    FROM lakegate.tables t WHERE t.shadow = relation
);

CREATE OR REPLACE FUNCTION lakegate.check_schema(role oid, namespace oid, list text) RETURNS boolean
LANGUAGE sql STABLE STRICT SECURITY DEFINER
RETURN (
    SELECT CASE WHEN upper(list) NOT IN ('CREATE', 'USAGE') THEN (
            SELECT bool_or(lakegate.owns(role, s.owner)
                           OR NOT w.grantable AND lakegate.holds(role, s.owner_role, s.acl, w.privilege))
            FROM lakegate.parse_privileges(list, '{CREATE,USAGE}') w)
        WHEN pg_has_role(role, s.owner_role, 'USAGE') OR pg_has_role(role, 'lakegate_admin', 'USAGE') THEN true
        ELSE lakegate.holds(role, s.owner_role, s.acl, upper(list)) END
    FROM pg_namespace n JOIN lakegate.schemas s ON s.name = n.nspname WHERE n.oid = namespace
);

-- The wrappers, for PostgreSQL to write them out in the statement: what is strict in them is what they call.
DO $generate$
DECLARE
    wrapper record;
BEGIN
    FOR wrapper IN
        SELECT p.oid::regprocedure AS signature FROM pg_proc p
        WHERE p.pronamespace = 'lakegate'::regnamespace
          AND p.proname IN ('has_table_privilege', 'has_any_column_privilege', 'has_schema_privilege')
    LOOP
        EXECUTE format('ALTER FUNCTION %s CALLED ON NULL INPUT', wrapper.signature);
    END LOOP;
END
$generate$;

-- The role of the statement's user. Its name is read as an identifier, so that it can be any.
CREATE OR REPLACE FUNCTION lakegate.role_oid(name text) RETURNS oid
LANGUAGE sql STABLE
RETURN CASE WHEN $1 = 'public' THEN 0::oid ELSE quote_ident($1)::regrole::oid END;

-- Who may see whose privileges is looked up once a statement, not once a row.
CREATE OR REPLACE VIEW lakegate.held_table_privileges AS
    WITH mine AS MATERIALIZED (
        SELECT rolname::text AS name FROM pg_roles WHERE pg_has_role(oid, 'USAGE')
    )
    SELECT t.owner AS grantor, h.grantee, t.schema_name, t.name, h.privilege, h.grantee = t.owner AS grantable, t.shadow
    FROM lakegate.tables t, LATERAL (
        SELECT t.owner AS grantee, unnest('{SELECT,INSERT,UPDATE,DELETE,TRUNCATE}'::text[]) AS privilege
        UNION ALL
        SELECT CASE g.grantee WHEN 'public' THEN 'PUBLIC' ELSE g.grantee END, g.privilege
        FROM lakegate.table_grants g WHERE g.table_id = t.id AND g.grantee <> t.owner
    ) h
    WHERE t.shadow IS NOT NULL
      AND (h.grantee = 'PUBLIC' OR t.owner IN (SELECT name FROM mine) OR h.grantee IN (SELECT name FROM mine));
