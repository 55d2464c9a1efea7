-- The statement's user: who has logged in, or the role that she has taken on since. In this function current_user is the
-- metastore's owner, and session_user who has logged in; the setting is what it was outside.
CREATE OR REPLACE FUNCTION lakegate.held(privilege text) RETURNS oid[]
LANGUAGE sql IMMUTABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    WITH me AS MATERIALIZED (
        SELECT r.oid, pg_has_role(r.oid, 'lakegate_admin', 'USAGE') AS admin FROM pg_roles r
        WHERE r.rolname = coalesce(nullif(current_setting('role'), 'none'), session_user)
    )
    SELECT coalesce(array_agg(r.shadow), '{}') FROM me JOIN lakegate.rights r
        ON me.admin OR lakegate.holds(me.oid, r.owner_role, r.acl, privilege)
    WHERE r.shadow IS NOT NULL;
END;
