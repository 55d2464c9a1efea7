-- The newest version of each table that a gateway has seen, as its Delta log tells.
CREATE TABLE lakegate.snapshots (
    table_id bigint PRIMARY KEY REFERENCES lakegate.tables ON DELETE CASCADE,
    version bigint NOT NULL,
    files bigint, -- of the live files: how many, their bytes and their rows; NULL: not known
    bytes bigint,
    rows bigint,
    partition_columns text[] NOT NULL,
    delta_id text NOT NULL, -- another one: another table lies there now
    created_at timestamptz,
    properties jsonb NOT NULL,
    reader_version integer NOT NULL,
    writer_version integer NOT NULL,
    features text[] NOT NULL
);

-- Sizes. A lakehouse table has no index, and its data is all there is of it; NULL where its log does not tell.
CREATE FUNCTION lakegate.relation_size(relation oid, own bigint, data boolean) RETURNS bigint
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog AS $$
    SELECT CASE WHEN coalesce(t.location, '') = '' THEN own WHEN t.shadow = relation AND data THEN s.bytes ELSE 0 END
    FROM (SELECT coalesce((SELECT indrelid FROM pg_catalog.pg_index WHERE indexrelid = relation), relation) AS owner) one
    LEFT JOIN lakegate.tables t ON t.shadow = one.owner LEFT JOIN lakegate.snapshots s ON s.table_id = t.id
$$;

CREATE FUNCTION lakegate.pg_table_size(regclass) RETURNS bigint
LANGUAGE sql VOLATILE STRICT
RETURN lakegate.relation_size($1, pg_catalog.pg_table_size($1), true);

CREATE FUNCTION lakegate.pg_total_relation_size(regclass) RETURNS bigint
LANGUAGE sql VOLATILE STRICT
RETURN lakegate.relation_size($1, pg_catalog.pg_total_relation_size($1), true);

CREATE FUNCTION lakegate.pg_indexes_size(regclass) RETURNS bigint
LANGUAGE sql VOLATILE STRICT
RETURN lakegate.relation_size($1, pg_catalog.pg_indexes_size($1), false);

CREATE FUNCTION lakegate.pg_relation_size(regclass, text) RETURNS bigint
LANGUAGE sql VOLATILE STRICT
RETURN lakegate.relation_size($1, pg_catalog.pg_relation_size($1, $2), $2 = 'main');

CREATE FUNCTION lakegate.pg_relation_size(regclass) RETURNS bigint
LANGUAGE sql VOLATILE STRICT
RETURN lakegate.pg_relation_size($1, 'main');

-- A workspace is as large as its tables; how large another one is only that one knows. PostgreSQL's own function says
-- who may ask.
CREATE FUNCTION lakegate.database_size(own bigint, here boolean) RETURNS bigint
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog AS $$
    SELECT CASE WHEN here AND own IS NOT NULL THEN (SELECT coalesce(sum(bytes), 0)::bigint FROM lakegate.snapshots) END
$$;

CREATE FUNCTION lakegate.pg_database_size(name) RETURNS bigint
LANGUAGE sql VOLATILE STRICT
RETURN lakegate.database_size(pg_catalog.pg_database_size($1), $1 = current_database());

CREATE FUNCTION lakegate.pg_database_size(oid) RETURNS bigint
LANGUAGE sql VOLATILE STRICT
RETURN lakegate.database_size(
    pg_catalog.pg_database_size($1), $1 = (SELECT oid FROM pg_database WHERE datname = current_database()));

-- Views are PostgreSQL's own over the shadows, with a row in lakegate.tables as well. Where the tables behind one have
-- changed so that it means nothing any more, an empty one with its columns takes its place, and what it was is here.
CREATE TABLE lakegate.view_states (
    table_id bigint PRIMARY KEY REFERENCES lakegate.tables ON DELETE CASCADE,
    definition text,
    reason text, -- why it cannot be read
    CHECK ((definition IS NULL) = (reason IS NULL))
);

-- The view's text, for its owner.
CREATE FUNCTION lakegate.view_text(schema_name text, name text, asker name) RETURNS text
LANGUAGE sql STABLE STRICT SECURITY DEFINER SET search_path = pg_catalog AS $$
    SELECT coalesce(v.definition, pg_get_viewdef(t.shadow))
    FROM lakegate.tables t JOIN lakegate.view_states v ON v.table_id = t.id
    WHERE (t.schema_name, t.name) = ($1, $2) AND lakegate.owns(lakegate.role_oid(asker::text), t.owner)
$$;

CREATE VIEW lakegate.views AS
    SELECT v.table_catalog, v.table_schema, v.table_name,
           coalesce(v.view_definition::text, lakegate.view_text(v.table_schema::text, v.table_name::text, current_user))
               ::information_schema.character_data AS view_definition,
           v.check_option, v.is_updatable, v.is_insertable_into, v.is_trigger_updatable, v.is_trigger_deletable,
           v.is_trigger_insertable_into
    FROM information_schema.views v;
GRANT SELECT ON lakegate.views TO lakegate_principal;

-- What a generated column of a shadow calls: Delta's expressions are Spark's, which PostgreSQL only shows.
CREATE FUNCTION lakegate.delta_expression(expression text, type anyelement) RETURNS anyelement
LANGUAGE sql IMMUTABLE AS 'SELECT $2';

-- What PostgreSQL's catalogs have no place for. As in information_schema, a table is there for whom anything is granted.
CREATE FUNCTION lakegate.may_see(asker name, table_id bigint) RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog AS $$
    SELECT lakegate.owns(lakegate.role_oid(asker::text), t.owner) OR EXISTS (
        SELECT FROM lakegate.table_grants g
        WHERE g.table_id = t.id AND lakegate.acts_as(lakegate.role_oid(asker::text), g.grantee))
    FROM lakegate.tables t WHERE t.id = table_id
$$;

CREATE VIEW lakegate.delta_tables WITH (security_barrier) AS
    SELECT t.schema_name AS table_schema, t.name AS table_name, t.owner, 'delta'::text AS format, t.location,
           s.version, s.files AS num_files, s.bytes AS size_bytes, s.rows AS num_rows,
           s.reader_version AS min_reader_version, s.writer_version AS min_writer_version,
           s.features AS table_features, s.created_at, t.created_at AS registered_at, t.obstacle
    FROM lakegate.tables t LEFT JOIN lakegate.snapshots s ON s.table_id = t.id
    WHERE t.location <> '' AND lakegate.may_see(current_user, t.id);

CREATE VIEW lakegate.partition_columns WITH (security_barrier) AS
    SELECT t.schema_name AS table_schema, t.name AS table_name, p.name AS column_name,
           p.place::integer AS ordinal_position
    FROM lakegate.tables t JOIN lakegate.snapshots s ON s.table_id = t.id,
         unnest(s.partition_columns) WITH ORDINALITY AS p (name, place)
    WHERE lakegate.may_see(current_user, t.id);

CREATE VIEW lakegate.table_properties WITH (security_barrier) AS
    SELECT t.schema_name AS table_schema, t.name AS table_name, p.key, p.value
    FROM lakegate.tables t JOIN lakegate.snapshots s ON s.table_id = t.id, jsonb_each_text(s.properties) p
    WHERE lakegate.may_see(current_user, t.id);

GRANT SELECT ON lakegate.delta_tables, lakegate.partition_columns, lakegate.table_properties TO lakegate_principal;
