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
