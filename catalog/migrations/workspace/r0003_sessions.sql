-- PostgreSQL's rule on who may signal a session, in its words. The gateway that has the session looks at it again.
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
    PERFORM pg_notify('lakegate_signal', jsonb_build_array(signal, pid, asker)::text);
    RETURN true;
END
$$;

-- What somebody without the session's privileges sees of it is what PostgreSQL shows him.
CREATE OR REPLACE VIEW lakegate.pg_stat_activity AS
    SELECT shown.*
    FROM lakegate.sessions s,
         jsonb_populate_record(NULL::pg_catalog.pg_stat_activity, jsonb_build_object(
             'datid', (SELECT oid FROM pg_database WHERE datname = current_database()),
             'usesysid', lakegate.find_role(s.activity ->> 'usename')
         ) || CASE
             WHEN lakegate.owns(lakegate.role_oid(current_user::text), s.activity ->> 'usename') THEN s.activity
             ELSE s.activity - '{state,client_addr,client_port,backend_start,xact_start,query_start,state_change,
                                 wait_event_type,wait_event,backend_type}'::text[]
                  || '{"query": "<insufficient privilege>"}' END) shown;

-- Channels of the gateway's own are not to be spoken on: it believes what it hears there.
CREATE FUNCTION lakegate.pg_notify(text, text) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
    IF starts_with($1, 'lakegate') THEN
        RAISE EXCEPTION 'channel name "%" is reserved', $1 USING ERRCODE = '42939',
            HINT = 'Names that begin with "lakegate" are the gateway''s own.';
    END IF;
    PERFORM pg_notify($1, $2);
END
$$;
