-- The account: who there is, and which workspaces.
CREATE TABLE lakegate.principals (
    name text PRIMARY KEY,
    login boolean NOT NULL,
    admin boolean NOT NULL DEFAULT false,
    verifier text CHECK (verifier LIKE 'SCRAM-SHA-256$%'),
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE lakegate.memberships (
    group_name text NOT NULL REFERENCES lakegate.principals ON DELETE CASCADE,
    member_name text NOT NULL REFERENCES lakegate.principals ON DELETE CASCADE,
    PRIMARY KEY (group_name, member_name)
);
CREATE TABLE lakegate.workspaces (
    name text PRIMARY KEY,
    created_at timestamptz NOT NULL DEFAULT now()
);
-- The key that role passwords are derived from where the server cannot vouch by peer.
CREATE TABLE lakegate.relay_key (key bytea NOT NULL CHECK (length(key) = 32));
CREATE TABLE lakegate.version (version bigint NOT NULL);
INSERT INTO lakegate.version VALUES (1);

-- What every principal may do, and what admins may see besides, as PostgreSQL privileges.
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'lakegate_principal') THEN
        CREATE ROLE lakegate_principal NOLOGIN;
    END IF;
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'lakegate_admin') THEN
        CREATE ROLE lakegate_admin NOLOGIN;
    END IF;
    EXECUTE format('REVOKE ALL ON DATABASE %I FROM PUBLIC', current_database());
    IF (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) THEN
        REVOKE ALL ON DATABASE postgres, template1 FROM PUBLIC;
    END IF;
END
$$;
