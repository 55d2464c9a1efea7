-- A workspace: its schemas and tables, their owners and grants. Grantee 'public' is everybody.
CREATE TABLE lakegate.schemas (
    name text PRIMARY KEY,
    owner text NOT NULL
);
CREATE TABLE lakegate.tables (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    schema_name text NOT NULL REFERENCES lakegate.schemas,
    name text NOT NULL,
    location text NOT NULL,
    owner text NOT NULL,
    shadow oid UNIQUE, -- NULL: PostgreSQL cannot hold this table
    obstacle text, -- why it cannot
    schema_digest text NOT NULL, -- of the Delta schema that the shadow shows
    created_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (schema_name, name),
    CHECK ((shadow IS NULL) = (obstacle IS NOT NULL))
);
CREATE TABLE lakegate.schema_grants (
    schema_name text NOT NULL REFERENCES lakegate.schemas ON DELETE CASCADE,
    grantee text NOT NULL,
    privilege text NOT NULL,
    PRIMARY KEY (schema_name, grantee, privilege)
);
CREATE TABLE lakegate.table_grants (
    table_id bigint NOT NULL REFERENCES lakegate.tables ON DELETE CASCADE,
    grantee text NOT NULL,
    privilege text NOT NULL,
    PRIMARY KEY (table_id, grantee, privilege)
);
-- The physical name outlives a renaming, so the shadow's column can follow it.
CREATE TABLE lakegate.columns (
    table_id bigint NOT NULL REFERENCES lakegate.tables ON DELETE CASCADE,
    name text NOT NULL,
    physical_name text NOT NULL,
    PRIMARY KEY (table_id, name)
);
CREATE TABLE lakegate.version (version bigint NOT NULL);
INSERT INTO lakegate.version VALUES (1);

INSERT INTO lakegate.schemas VALUES ('public', current_user);
INSERT INTO lakegate.schema_grants VALUES ('public', 'public', 'USAGE');

GRANT USAGE ON SCHEMA lakegate TO lakegate_principal;

-- PostgreSQL's defaults, turned round: a bare role gets what the relay needs and nothing else.
DO $$
DECLARE
    routine regprocedure;
BEGIN
    EXECUTE format('REVOKE ALL ON DATABASE %I FROM PUBLIC', current_database());
    EXECUTE format('GRANT CONNECT, TEMPORARY ON DATABASE %I TO lakegate_principal', current_database());
    IF NOT (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) THEN
        RETURN; -- a managed server: these belong to its provider, and the relay's own list refuses them
    END IF;
    REVOKE CREATE ON SCHEMA public FROM PUBLIC;
    REVOKE USAGE ON LANGUAGE plpgsql, sql FROM PUBLIC;
    FOR routine IN
        SELECT oid::regprocedure FROM pg_proc
        WHERE pronamespace = 'pg_catalog'::regnamespace
          AND (proname ~ '^(lo_|loread$|lowrite$|pg_advisory_|pg_try_advisory_)'
               OR proname IN ('pg_notify', 'pg_logical_emit_message', 'pg_export_snapshot', 'pg_cancel_backend',
                              'pg_terminate_backend'))
          AND proname <> 'pg_advisory_unlock_all' -- drivers call it when they hand a connection back
          AND provolatile = 'v'
    LOOP
        EXECUTE format('REVOKE EXECUTE ON FUNCTION %s FROM PUBLIC', routine);
    END LOOP;
END
$$;
