-- Personal access tokens: what is kept of one is a SCRAM verifier, under the salt of its principal's password.
CREATE TABLE lakegate.tokens (
    id text PRIMARY KEY,
    principal text NOT NULL REFERENCES lakegate.principals ON DELETE CASCADE,
    label text NOT NULL,
    verifier text NOT NULL CHECK (verifier LIKE 'SCRAM-SHA-256$%'),
    workspaces text[], -- NULL: all
    read_only boolean NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL
);
CREATE INDEX tokens_principal ON lakegate.tokens (principal);
