-- A session's prepared statements and cursors are the gateway's, which tells of them with the statement that asks: a
-- backend has others of its own making, and those of every session that it served.
CREATE FUNCTION lakegate.pg_prepared_statement(
    OUT name text, OUT statement text, OUT prepare_time timestamptz, OUT parameter_types regtype[],
    OUT result_types regtype[], OUT from_sql boolean, OUT generic_plans bigint, OUT custom_plans bigint
) RETURNS SETOF record
LANGUAGE sql STABLE STRICT SET search_path = pg_catalog AS $$
    SELECT * FROM jsonb_to_recordset(nullif(current_setting('lakegate.names', true), '')::jsonb -> 'statements') AS
        named (name text, statement text, prepare_time timestamptz, parameter_types regtype[], result_types regtype[],
               from_sql boolean, generic_plans bigint, custom_plans bigint)
$$;

-- Of a cursor that PostgreSQL has, it knows itself whether that goes backwards.
CREATE FUNCTION lakegate.pg_cursor(
    OUT name text, OUT statement text, OUT is_holdable boolean, OUT is_binary boolean, OUT is_scrollable boolean,
    OUT creation_time timestamptz
) RETURNS SETOF record
LANGUAGE sql STABLE STRICT SET search_path = pg_catalog AS $$
    SELECT named.name, named.statement, named.is_holdable, named.is_binary,
           coalesce(own.is_scrollable, named.is_scrollable), named.creation_time
    FROM jsonb_to_recordset(nullif(current_setting('lakegate.names', true), '')::jsonb -> 'cursors') AS
        named (name text, statement text, is_holdable boolean, is_binary boolean, is_scrollable boolean,
               creation_time timestamptz, relayed boolean)
    LEFT JOIN pg_cursors own ON own.name = named.name AND named.relayed
$$;

CREATE VIEW lakegate.pg_prepared_statements AS SELECT * FROM lakegate.pg_prepared_statement();
CREATE VIEW lakegate.pg_cursors AS SELECT * FROM lakegate.pg_cursor();
GRANT SELECT ON lakegate.pg_prepared_statements, lakegate.pg_cursors TO lakegate_principal;
