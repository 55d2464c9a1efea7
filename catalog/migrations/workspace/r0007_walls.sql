-- The gateway hears a notice at once and passes the signal on: a notification of this transaction's would be sent at its
-- COMMIT, and tools that ask for a signal in a block never commit it. INFO is what no setting keeps from the gateway, which
-- tells the client nothing of it; no statement that is relayed can raise one of its own.
CREATE OR REPLACE FUNCTION lakegate.send_signal(signal text, pid integer, asker name) RETURNS boolean
LANGUAGE plpgsql VOLATILE STRICT SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    owner text;
    what text := CASE signal WHEN 'cancel' THEN 'cancel query' ELSE 'terminate process' END;
    whose text := CASE signal WHEN 'cancel' THEN 'query is being canceled' ELSE 'process is being terminated' END;
    which text := CASE signal WHEN 'cancel' THEN 'cancel this query' ELSE 'terminate this process' END;
BEGIN
    SELECT s.activity ->> 'usename' INTO owner FROM lakegate.sessions s WHERE s.pid = send_signal.pid;
    IF NOT FOUND THEN
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

-- What runs with the metastore's rights looks for names in pg_catalog alone: where a search path does not name pg_temp, it
-- is searched first, and a user's temporary view would be read with these rights.
DO $generate$
DECLARE
    one record;
BEGIN
    FOR one IN
        SELECT p.oid::regprocedure AS signature FROM pg_proc p
        WHERE p.pronamespace = 'lakegate'::regnamespace AND p.prosecdef
    LOOP
        EXECUTE format('ALTER FUNCTION %s SET search_path = pg_catalog, pg_temp', one.signature);
    END LOOP;
END
$generate$;

-- A condition of the statement's is not asked of rows before it is known that they may be seen.
ALTER VIEW lakegate.held_table_privileges SET (security_barrier);
