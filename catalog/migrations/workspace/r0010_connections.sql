-- The databases that the user may connect to. What everybody may is the server's own: templates, and where its provider
-- has put other databases.
CREATE VIEW lakegate.pg_database AS
    SELECT * FROM pg_catalog.pg_database d
    WHERE has_database_privilege(d.oid, 'CONNECT') AND NOT has_database_privilege('public', d.oid, 'CONNECT');

-- How sessions are connected, out of the rows that lakegate.pg_stat_activity shows. As in PostgreSQL, one whose port the
-- user is not told is not there.
CREATE VIEW lakegate.pg_stat_ssl AS
    SELECT pid, ssl, version, cipher, bits, client_dn, client_serial, issuer_dn
    FROM jsonb_to_recordset(nullif(current_setting('lakegate.sessions', true), '')::jsonb) AS s (
        pid integer, client_port integer, ssl boolean, version text, cipher text, bits integer, client_dn text,
        client_serial numeric, issuer_dn text)
    WHERE client_port IS NOT NULL;

CREATE VIEW lakegate.pg_stat_gssapi AS
    SELECT pid, false AS gss_authenticated, NULL::text AS principal, false AS encrypted, false AS credentials_delegated
    FROM lakegate.pg_stat_activity WHERE client_port IS NOT NULL;

GRANT SELECT ON lakegate.pg_database, lakegate.pg_stat_ssl, lakegate.pg_stat_gssapi TO lakegate_principal;

-- What a backend sees of the catalogs is no snapshot of tables, so there is none to hand over. Not an error: clients ask
-- in a block, and go on without one.
CREATE FUNCTION lakegate.pg_export_snapshot() RETURNS text LANGUAGE sql VOLATILE
RETURN NULL;
