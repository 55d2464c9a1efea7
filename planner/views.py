"""CREATE VIEW, and new names of tables and views, in the postgres dialect.

PostgreSQL itself makes the view, over the shadows. It is sent the client's statement with the exact names of what was
resolved, so that neither search path nor temporary tables can change a meaning.
"""

from catalog.changes import CreateView, RenameTable
from catalog.errors import FeatureNotSupported, WrongObjectType
from catalog.names import Role, TableName
from catalog.resolution import Resolution, ResolvedTable
from planner.authorize import require_create, require_owner, require_reads
from planner.parse import Statement
from planner.plan import CatalogChange
from planner.syntax import Replacement, replace_names
from planner.tree import Node

_OPTION = "security_invoker"


def plan_view(
    statement: Statement, fields: Node, resolution: Resolution, tables: dict[int | None, ResolvedTable]
) -> CatalogChange:
    """Raises 42501, and 0A000 for what a view of lakehouse tables cannot have."""
    if fields.get("withCheckOption", "NO_CHECK_OPTION") != "NO_CHECK_OPTION":
        raise FeatureNotSupported("WITH CHECK OPTION is not supported: views of lakehouse tables are only read")
    for option in (node["DefElem"] for node in fields.get("options", [])):
        if option["defname"] != _OPTION:
            raise FeatureNotSupported(f"view option {option['defname']} is not supported", hint=f"{_OPTION} is.")
    if any(reference.version is not None for reference in statement.references):
        raise FeatureNotSupported("a view reads the present versions of its tables")
    require_reads(statement, resolution)
    relation = fields["view"]
    name = TableName(require_create(relation.get("schemaname"), resolution), relation["relname"])
    places = {place: table.name for place, table in tables.items() if place is not None}
    places[int(relation.get("location", 0))] = name
    text = replace_names(statement.parsed_text, (Replacement(place, str(each)) for place, each in places.items()))
    unknown = (ref.name for ref in statement.references if ref.role is Role.READ and ref not in resolution.tables)
    return CatalogChange(CreateView(name, text, bool(fields.get("replace")), next(unknown, None)), "CREATE VIEW")


def plan_rename(fields: Node, resolution: Resolution, table: ResolvedTable) -> CatalogChange:
    """ALTER TABLE, which takes views too, or ALTER VIEW, … RENAME TO."""
    require_owner(table, resolution)
    if fields["renameType"] == "OBJECT_VIEW":
        check_kind(table, "OBJECT_VIEW")
    tag = fields["renameType"].replace("OBJECT_", "ALTER ")
    return CatalogChange(RenameTable(table.name, fields["newname"]), tag)


def renames_relation(kind: str, fields: Node) -> bool:
    """Whether it is a RENAME of a table or view itself."""
    return kind == "RenameStmt" and fields["renameType"] in ("OBJECT_TABLE", "OBJECT_VIEW")


def check_kind(table: ResolvedTable, asked: str) -> None:
    """`asked` is the type of object that a statement names. Raises 42809 for a view that is called a table, or the
    other way round."""
    kind = {"OBJECT_TABLE": "table", "OBJECT_VIEW": "view"}.get(asked, table.kind)
    if table.kind != kind:
        raise WrongObjectType(f'"{table.name.name}" is not a {kind}')
