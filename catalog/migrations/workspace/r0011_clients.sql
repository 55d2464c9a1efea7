-- Where the session's client is, and the gateway: a backend would tell of its own connection. The gateway says it with the
-- statement that asks.
DO $generate$
DECLARE
    one record;
BEGIN
    FOR one IN SELECT * FROM (VALUES
        ('inet_client_addr', 'inet'), ('inet_client_port', 'integer'),
        ('inet_server_addr', 'inet'), ('inet_server_port', 'integer')
    ) AS v (name, type) LOOP
        EXECUTE format('CREATE FUNCTION lakegate.%1$I() RETURNS %2$s LANGUAGE sql STABLE STRICT RETURN '
                       '(nullif(pg_catalog.current_setting(''lakegate.ends'', true), '''')::jsonb ->> %1$L)::%2$s',
                       one.name, one.type);
    END LOOP;
END
$generate$;

-- With a column that PostgreSQL 17 has given another name: for statements that ask by the old one.
CREATE VIEW lakegate.pg_database_16 AS SELECT *, datlocale AS daticulocale FROM lakegate.pg_database;
GRANT SELECT ON lakegate.pg_database_16 TO lakegate_principal;

-- Backends speak UTF-8 to the gateway, whatever the client speaks.
CREATE FUNCTION lakegate.pg_client_encoding() RETURNS name LANGUAGE sql STABLE STRICT
RETURN lakegate.current_setting('client_encoding')::name;
