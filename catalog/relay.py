"""What a relayed statement must call by another schema's name, because PostgreSQL would answer about shadows.

Each name exists in schema ``lakegate`` of every workspace with the arguments, columns and types of the original; those
that begin with ``each_``, for what is asked of the rows of a catalog, have one argument before them. The
views of pg_class and pg_namespace differ only in owner and access list, so a statement that reads neither needs no
rewriting.
"""

ANSWERS_SCHEMA = "lakegate"

REWRITTEN_FUNCTIONS = frozenset(
    {
        "current_setting",
        "has_any_column_privilege",
        "has_column_privilege",
        "has_schema_privilege",
        "has_table_privilege",
        "inet_client_addr",
        "inet_client_port",
        "inet_server_addr",
        "inet_server_port",
        "pg_backend_pid",
        "pg_cancel_backend",
        "pg_client_encoding",
        "pg_cursor",
        "pg_database_size",
        "pg_export_snapshot",
        "pg_indexes_size",
        "pg_notify",
        "pg_prepared_statement",
        "pg_relation_size",
        "pg_table_size",
        "pg_terminate_backend",
        "pg_total_relation_size",
    }
)
"""Functions of pg_catalog, in every overload."""

REWRITTEN_RELATIONS: dict[str, frozenset[str]] = {
    "information_schema": frozenset(
        {"column_privileges", "role_column_grants", "role_table_grants", "table_privileges", "views"}
    ),
    "pg_catalog": frozenset(
        {
            "pg_class",
            "pg_cursors",
            "pg_database",
            "pg_namespace",
            "pg_prepared_statements",
            "pg_settings",
            "pg_stat_activity",
            "pg_stat_gssapi",
            "pg_stat_ssl",
        }
    ),
}
"""Relations by the schema they stand in."""

OLD_COLUMNS = {"pg_database": ("daticulocale", "pg_database_16")}
"""A column's name until PostgreSQL 16, by relation of pg_catalog, and the relation of ours that has it as well."""

OWN_FUNCTIONS = frozenset(
    {
        "acts_as",
        "build_acl",
        "carry_out",
        "check_schema",
        "check_table",
        "database_size",
        "delta_expression",
        "each_has_any_column_privilege",
        "each_has_column_privilege",
        "each_has_table_privilege",
        "each_pg_relation_size",
        "each_pg_table_size",
        "each_pg_total_relation_size",
        "find_role",
        "held",
        "holds",
        "may_see",
        "own_settings",
        "owns",
        "parse_privileges",
        "role_oid",
        "send_signal",
        "show_all",
        "view_text",
    }
)
"""Functions of schema ``lakegate`` alone: clients have none of them, whatever their search path."""

SHOWN_RELATIONS = frozenset({"delta_tables", "partition_columns", "table_properties"})
"""Relations of schema ``lakegate`` that anybody may read: what PostgreSQL's catalogs have no place for."""

ACCESS_COLUMNS: dict[str, frozenset[str]] = {
    "pg_class": frozenset({"relacl", "relowner"}),
    "pg_namespace": frozenset({"nspacl", "nspowner"}),
}
"""The columns whose reading makes the rewriting of that relation of pg_catalog necessary."""
