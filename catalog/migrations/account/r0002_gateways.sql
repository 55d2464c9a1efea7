-- The gateways that run now. The number is part of every process id that a gateway gives out; once `expires_at` is over,
-- another may take it. Address and certificate (its SHA-256) are how the others reach it, and know that it is the one.
CREATE TABLE lakegate.gateways (
    number integer PRIMARY KEY CHECK (number BETWEEN 2 AND 1023),
    replica text NOT NULL UNIQUE,
    host text,
    port integer,
    certificate bytea,
    expires_at timestamptz NOT NULL
);

-- -1: as many as the gateway lets in.
ALTER TABLE lakegate.principals ADD connection_limit integer NOT NULL DEFAULT -1 CHECK (connection_limit >= -1);
