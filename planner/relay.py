"""The relay rules: which statements PostgreSQL itself answers, and with which names.

A relayed statement runs under the user's own role, which may read no lakehouse table. Still nothing passes that is
not listed here: kinds of statements, volatile functions by name, and no function that takes SQL text or a table's
name and reads it. A name that asks for sessions or privileges is rewritten to its namesake in schema `lakegate`,
which answers from the control tables.

`pg_sleep` passes: the gateway's own timer bounds every relayed statement. So does `pg_advisory_unlock_all`, which
pools send: no relayed statement can have taken a lock. `pg_export_snapshot` does, and hands over none. Sequences do
not: there is nothing permanent to number. `set_config` does in a SELECT that says which setting it sets: the gateway
takes that over. LISTEN and NOTIFY do, but on the gateway's own channels.
"""

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache

from catalog.errors import FeatureNotSupported, ReservedName
from catalog.names import SYSTEM_COLUMNS
from catalog.relay import ANSWERS_SCHEMA, OLD_COLUMNS, OWN_FUNCTIONS, SHOWN_RELATIONS
from catalog.resolution import Resolution
from planner import privileges, sizes, tree
from planner.parse import Statement
from planner.plan import Assignment, Metadata
from planner.session import ANSWERED, shows_all
from planner.syntax import Replacement, replace_names
from planner.tree import Node

_READS = frozenset({"SelectStmt"})
_CHANGES = frozenset({"InsertStmt", "UpdateStmt", "DeleteStmt", "MergeStmt"})
_OBJECTS = frozenset({"DropStmt", "TruncateStmt", "AlterTableStmt", "IndexStmt", "RenameStmt", "CommentStmt"})
_PLAIN = frozenset({"VariableShowStmt", "UnlistenStmt", "ExecuteStmt", "FetchStmt", "ClosePortalStmt"})

_REMEMBERED = 2048
VOLATILE_ALLOWED = frozenset(
    {
        "random", "random_normal", "clock_timestamp", "timeofday", "gen_random_uuid", "uuidv4", "uuidv7", "pg_sleep",
        "pg_sleep_for", "pg_table_size", "pg_relation_size", "pg_total_relation_size", "pg_indexes_size",
        "pg_database_size", "pg_tablespace_size", "pg_is_in_recovery", "pg_timezone_names",
        "pg_collation_actual_version", "pg_database_collation_actual_version", "pg_cancel_backend",
        "pg_terminate_backend", "pg_get_replication_slots", "pg_partition_ancestors", "pg_partition_tree",
        "pg_advisory_unlock_all", "pg_blocking_pids", "pg_notify", "pg_export_snapshot",
    }
)  # fmt: skip
_FORBIDDEN = re.compile(
    r"(query|table|cursor|database|schema)_to_xml(schema|_and_xmlschema)?|ts_stat|ts_rewrite|dblink.*|lo_.*|loread|lowrite"
    r"|pg_(try_)?advisory_(?!unlock_all$).*|pg_read_.*|pg_ls_.*|pg_stat_file|pg_file_.*|pg_logical_.*|pg_create_.*|pg_drop_.*"
    r"|pg_reload_conf|pg_rotate_.*|pg_log_.*|pg_switch_wal|pg_promote|pg_stat_reset.*|pg_sleep_until"
    r"|currval|nextval|setval|lastval|setseed|pg_get_object_address"
    r"|crosstab.*|connectby|xpath_table|pg_restore_.*|pg_clear_.*|brin_.*|gin_clean_.*|pg_prewarm|pg_visibility.*"
)

_FIELD = re.compile(r"(?:[\])]|\$[0-9]+)\s*\.|--|/\*")
"""How a field of a value is written; a comment may stand between."""
_SIGNALS = frozenset({"pg_backend_pid", "pg_cancel_backend", "pg_terminate_backend"})
_SESSION_VIEWS = frozenset({"pg_stat_activity", "pg_stat_gssapi", "pg_stat_ssl"})
_ENDS = frozenset({"inet_client_addr", "inet_client_port", "inet_server_addr", "inet_server_port"})
_OF_SESSIONS = frozenset(f"lakegate.{name}" for name in _SIGNALS | _SESSION_VIEWS | _ENDS)
_OF_ITSELF = frozenset(f"lakegate.{name}" for name in {"pg_backend_pid", *_ENDS})
_SETTING = "current_setting"
_ALL_SETTINGS = Metadata("SELECT * FROM lakegate.show_all()", asks_for_settings=True, tag="SHOW")
_ENCODING = "pg_client_encoding"
_OF_SETTINGS = frozenset({f"lakegate.{_SETTING}", f"lakegate.{_ENCODING}", "lakegate.pg_settings"})
_NAMES = frozenset({"pg_prepared_statement", "pg_cursor"})
"""Functions that tell of prepared statements and cursors; their views have the plural."""
_OF_NAMES = frozenset(f"lakegate.{name}{plural}" for name in _NAMES for plural in ("", "s"))
_REWRITTEN = _SIGNALS | _NAMES | _ENDS | {_ENCODING, "pg_notify", "pg_database_size", "pg_export_snapshot"}
_REWRITTEN_VIEWS = _SESSION_VIEWS | {"pg_settings", "pg_database"} | {f"{name}s" for name in _NAMES}
_OF_STATISTICS = frozenset({"pg_database_size", *sizes.FUNCTIONS})
_STATISTICS = frozenset({"reltuples", "relpages", "*"})
_PRIVILEGE_VIEWS = frozenset(
    {"table_privileges", "column_privileges", "role_table_grants", "role_column_grants", "views"}
)
_ANSWERED_FUNCTIONS = _REWRITTEN | {_SETTING} | privileges.FUNCTIONS | sizes.FUNCTIONS | OWN_FUNCTIONS
_ANSWERED_RELATIONS = _REWRITTEN_VIEWS | _PRIVILEGE_VIEWS
_SET_CONFIG_ARGUMENTS = 3
_CLAUSE_WORDS = re.compile(r"(?<![A-Za-z_])(?:FOR|INTO)(?![A-Za-z_])", re.IGNORECASE)
"""One of them begins every clause that is not to pass."""
_TRUE = frozenset({"t", "true", "y", "yes", "on", "1"})
_OWNED = {"pg_class": {"relacl", "relowner"}, "pg_namespace": {"nspacl", "nspowner"}}
_ANSWERED_COLUMNS = re.compile(r"relacl|relowner|nspacl|nspowner|reltuples|relpages|\*|U&", re.IGNORECASE)
"""What is asked of those two for an answer of ours, and how any name can be written otherwise."""
# A statement that also asks for a system column, as DataGrip does for xmin, is told PostgreSQL's own: a view has none.
_TABLES = frozenset({*_OWNED, "pg_database"})


def relay(statement: Statement, resolution: Resolution) -> Metadata:
    """The statement as PostgreSQL is sent it. Raises 0A000 for what may not pass."""
    for reference in statement.references:
        if reference in resolution.tables:
            raise _refused(statement, f'"{reference.name}" is a lakehouse table', "Read it by a SELECT of its own.")
        if reference.version is not None:
            position = None if reference.position is None else reference.position - statement.offset
            raise FeatureNotSupported("FOR VERSION AS OF is for lakehouse tables", position=position)
    return _checked(statement, resolution.volatile_functions)


def relay_definition(statement: Statement, resolution: Resolution) -> Metadata:
    """A statement that names lakehouse tables for their columns only, and has PostgreSQL read none."""
    return _checked(statement, resolution.volatile_functions)


@lru_cache(maxsize=_REMEMBERED)
def _checked(statement: Statement, volatile_functions: frozenset[str]) -> Metadata:
    """What does not depend on who asks."""
    if shows_all(statement):
        return _ALL_SETTINGS
    _check_kind(statement, *tree.unwrap(statement.tree))
    _check_clauses(statement)
    _check_functions(statement, volatile_functions)
    nodes = list(tree.walk(statement.tree)) if _names_answered(statement) else []
    columns = tree.columns_among(nodes)
    replacements = list(_replacements(nodes, columns))
    names = {each.name for each in replacements}
    asked = names & _OF_SESSIONS
    return Metadata(
        text=replace_names(statement.parsed_text, replacements),
        asks_for_sessions=bool(asked),
        asks_for_all=not asked <= _OF_ITSELF,
        asks_for_names=bool(names & _OF_NAMES),
        asks_for_settings=bool(names & _OF_SETTINGS),
        asks_for_statistics=_reads_statistics(statement, columns),
        assigns=tuple(_assignments(statement)),
    )


def _names_answered(statement: Statement) -> bool:
    """Whether it may name anything that has a namesake of ours: most statements are spared a walk of their trees."""
    named = {each.name for each in statement.references}
    return (
        any(name in _ANSWERED_FUNCTIONS for _, name in statement.functions)
        or not named.isdisjoint(_ANSWERED_RELATIONS)
        or (not named.isdisjoint(_OWNED) and _ANSWERED_COLUMNS.search(statement.parsed_text) is not None)
    )


def _reads_statistics(statement: Statement, columns: set[str]) -> bool:
    """Whether it reads what pg_class tells of rows and pages, or more of lakehouse tables."""
    if any(name in _OF_STATISTICS for _, name in statement.functions):
        return True
    if any(each.schema == ANSWERS_SCHEMA for each in statement.references):
        return True
    named = any(each.name == "pg_class" and each.schema in (None, "pg_catalog") for each in statement.references)
    return named and bool(columns & _STATISTICS)


def _refused(statement: Statement, reason: str, hint: str | None = None) -> FeatureNotSupported:
    return FeatureNotSupported(f"{verb_words(statement.verb)} is not supported here: {reason}", hint=hint)


def verb_words(verb: str) -> str:
    """``CreateFunction`` as ``CREATE FUNCTION``."""
    return " ".join(re.findall(r"[A-Z][a-z]*", verb)).upper() or verb.upper()


def _check_kind(statement: Statement, kind: str, fields: Node) -> None:
    if kind in _READS | _PLAIN:
        return
    if kind in ("ListenStmt", "NotifyStmt"):
        return _check_channel(fields["conditionname"])
    if kind in ("ExplainStmt", "DeclareCursorStmt"):
        inner, inner_fields = tree.unwrap(fields["query"])
        if inner in _READS | _CHANGES or (inner == "CreateTableAsStmt" and kind == "ExplainStmt"):
            return _check_kind(statement, inner, inner_fields)
    elif (
        kind in _CHANGES
        or (kind == "CreateStmt" and is_temporary(fields["relation"]))
        or (
            kind == "CreateTableAsStmt"
            and fields.get("objtype") == "OBJECT_TABLE"
            and is_temporary(fields["into"]["rel"])
        )
        or (kind == "ViewStmt" and is_temporary(fields["view"]))
        or (
            kind == "CopyStmt" and not fields.get("filename") and not fields.get("is_program") and "query" not in fields
        )
        or (kind in _OBJECTS and (kind not in ("DropStmt", "RenameStmt", "CommentStmt") or _is_table(fields)))
    ):
        return
    raise _refused(statement, "PostgreSQL answers reads and temporary tables only")


def _check_channel(name: str) -> None:
    """As `lakegate.pg_notify` does."""
    if name.startswith("lakegate"):
        raise ReservedName(
            f'channel name "{name}" is reserved', hint='Names that begin with "lakegate" are the gateway\'s own.'
        )


def is_temporary(relation: Node) -> bool:
    return relation.get("relpersistence") == "t" or relation.get("schemaname", "").startswith("pg_temp")


def _is_table(fields: Node) -> bool:
    kind = fields.get("removeType") or fields.get("objtype") or fields.get("renameType")
    return kind in ("OBJECT_TABLE", "OBJECT_VIEW", "OBJECT_INDEX", "OBJECT_COLUMN", None) or (
        fields.get("renameType") in ("OBJECT_TABLE", "OBJECT_COLUMN")
    )


def _check_clauses(statement: Statement) -> None:
    if not _CLAUSE_WORDS.search(statement.parsed_text):
        return
    for kind, fields in tree.walk(statement.tree):
        if kind == "SelectStmt" and fields.get("lockingClause"):
            raise _refused(statement, "rows cannot be locked")
        if kind == "SelectStmt" and "intoClause" in fields and not is_temporary(fields["intoClause"]["rel"]):
            raise FeatureNotSupported("SELECT INTO is not supported", hint="Use CREATE TABLE … AS.")


def _check_functions(statement: Statement, volatile_functions: frozenset[str]) -> None:
    for schema, name in statement.functions:
        if schema not in (None, "pg_catalog", "information_schema"):
            raise _refused(statement, f"function {schema}.{name}() may not be called")
        if name == "set_config":
            continue
        if _FORBIDDEN.fullmatch(name):
            raise _refused(statement, f"function {name}() may not be called")
        if name in volatile_functions and name not in VOLATILE_ALLOWED:
            raise _refused(statement, f"volatile function {name}() may not be called")
    for name in _fields(statement):
        if _FORBIDDEN.fullmatch(name) or name in volatile_functions | _ANSWERED_FUNCTIONS:
            raise _refused(statement, f"function {name}() may not be called as a field of a value")
    for reference in statement.references:
        if reference.schema == ANSWERS_SCHEMA and reference.name not in SHOWN_RELATIONS:
            raise _refused(statement, "schema lakegate is the gateway's own")


def _fields(statement: Statement) -> Iterator[str]:
    """What is asked of values as their fields: PostgreSQL calls a function of that name where they have none."""
    if not _FIELD.search(statement.parsed_text):
        return
    for kind, fields in tree.walk(statement.tree):
        if kind == "A_Indirection":
            named = [part for part in fields["indirection"] if tree.kind(part) == "String"]
            yield from tree.strings(named)


def _assignments(statement: Statement) -> Iterator[Assignment]:
    if not any(name == "set_config" for _, name in statement.functions):
        return
    for kind, fields in tree.walk(statement.tree):
        if kind != "FuncCall" or tree.strings(fields["funcname"])[-1] != "set_config":
            continue
        if statement.verb != "Select":
            raise _refused(statement, "set_config() may be called in a SELECT only")
        known = [_known(argument) for argument in fields.get("args", [])]
        name, local = (known[0], known[2]) if len(known) == _SET_CONFIG_ARGUMENTS else (None, None)
        if name is None or local is None or isinstance(name, bool):
            raise FeatureNotSupported(
                "set_config() takes a constant or a parameter as its setting's name, and as is_local",
                hint="Write the name of the setting into the statement.",
            )
        yield Assignment(name, local if isinstance(local, bool | int) else local.lower() in _TRUE)


def _known(node: Node) -> str | bool | int | None:
    """A constant, or the number of a parameter, under casts that leave it as it is; None for what only PostgreSQL can
    tell."""
    kind, fields = tree.unwrap(node)
    if kind == "TypeCast" and _keeps_values(fields["typeName"]):
        return _known(fields["arg"])
    if kind == "ParamRef":
        return int(fields["number"])
    value = tree.constant(fields) if kind == "A_Const" and not tree.is_number(fields) else None
    return value if isinstance(value, bool | str) else None


def _keeps_values(type_name: Node) -> bool:
    return tree.strings(type_name["names"])[-1] in ("text", "varchar", "bool") and not type_name.get("typmods")


def _replacements(nodes: Iterable[tuple[str, Node]], columns: set[str]) -> Iterator[Replacement]:
    for kind, fields in nodes:
        if kind == "FuncCall":
            if fields.get("location", -1) >= 0:
                yield from _function(tree.strings(fields["funcname"])[-1], fields)
        elif kind == "RangeVar" or "relname" in fields:
            yield from _relation(fields, columns)


def _function(name: str, fields: Node) -> Iterator[Replacement]:
    if name in _REWRITTEN or (name == _SETTING and _may_be_answered(fields.get("args", []))):
        yield Replacement(int(fields["location"]), f"lakegate.{name}")
    elif name in OWN_FUNCTIONS:
        yield Replacement(int(fields["location"]), f"pg_catalog.{name}")
    elif name in sizes.FUNCTIONS:
        yield sizes.replace_size(name, fields)
    elif name in privileges.FUNCTIONS and (replacement := privileges.replace_question(name, fields)):
        yield replacement


def _may_be_answered(arguments: list[Node]) -> bool:
    """Whether that names a setting of which the backend has another value, as far as the text tells."""
    known = _known(arguments[0]) if arguments else None
    return not isinstance(known, str) or known.lower() in ANSWERED


def _relation(fields: Node, columns: set[str]) -> Iterator[Replacement]:
    schema, name = fields.get("schemaname"), fields.get("relname", "")
    location = int(fields.get("location", 0))
    in_catalog = schema in (None, "pg_catalog") and not (name in _TABLES and columns & SYSTEM_COLUMNS)
    owned = in_catalog and name in _OWNED and columns & (_OWNED[name] | {"*"})
    if (
        owned
        or (in_catalog and name in _REWRITTEN_VIEWS)
        or (schema == "information_schema" and name in _PRIVILEGE_VIEWS)
    ):
        old, other = OLD_COLUMNS.get(name, ("", name))
        yield Replacement(location, f"lakegate.{other if old in columns else name}")
