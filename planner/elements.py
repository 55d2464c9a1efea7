"""What stands between the parentheses of CREATE TABLE: columns, and keys, which are informational."""

from dataclasses import dataclass

from catalog.changes import Key
from catalog.errors import FeatureNotSupported, SuccessfulCompletion, UndefinedTable
from catalog.names import TableName
from catalog.resolution import Resolution
from catalog.types import PgType
from planner import tree
from planner.dialects.typenames import named_type
from planner.tree import Node

NOT_ENFORCED = SuccessfulCompletion("keys of lakehouse tables are informational: they are not enforced")
_ONE_COLUMN = {"CONSTR_PRIMARY": "keys", "CONSTR_FOREIGN": "fk_attrs"}
"""Where a key has its columns, which a column's own constraint leaves out."""


@dataclass(frozen=True, slots=True)
class Column:
    name: str
    type: PgType
    nullable: bool


def read_elements(nodes: list[Node], resolution: Resolution) -> tuple[list[Column], tuple[Key, ...]]:
    """Columns and keys. A primary key's columns are NOT NULL. Raises 0A000 for what lakehouse tables do not have."""
    columns, keys = [], []
    for node in nodes:
        kind, fields = tree.unwrap(node)
        if kind == "Constraint":
            keys.append(read_key(fields, resolution))
            continue
        if kind != "ColumnDef":
            raise FeatureNotSupported("CREATE TABLE takes columns and keys only")
        column, own = _read_column(fields, resolution)
        columns.append(column)
        keys += own
    required = {name for key in keys if key.references is None for name in key.columns}
    return [Column(c.name, c.type, c.nullable and c.name not in required) for c in columns], tuple(keys)


def read_key(fields: Node, resolution: Resolution) -> Key:
    """A table's constraint. Raises 0A000 where it is no key, or says what should be done with rows."""
    contype = fields["contype"]
    if contype not in _ONE_COLUMN:
        raise FeatureNotSupported(f"constraint {_words(contype)} is not supported on lakehouse tables")
    if any(fields.get(name, "a") != "a" for name in ("fk_upd_action", "fk_del_action")) or fields.get("deferrable"):
        raise FeatureNotSupported("keys of lakehouse tables are informational, and take no action")
    if fields.get("indexname") or fields.get("options") or fields.get("indexspace") or fields.get("including"):
        raise FeatureNotSupported("keys of lakehouse tables have no index")
    name, columns = fields.get("conname"), tuple(tree.strings(fields.get(_ONE_COLUMN[contype])))
    if contype == "CONSTR_PRIMARY":
        return Key(name, columns)
    return Key(name, columns, _referenced(fields["pktable"], resolution), tuple(tree.strings(fields.get("pk_attrs"))))


def _referenced(relation: Node, resolution: Resolution) -> TableName:
    schema, name = relation.get("schemaname") or resolution.current_schema, relation["relname"]
    found = next(
        (t.name for r, t in resolution.tables.items() if (r.schema, r.name) == (relation.get("schemaname"), name)), None
    )
    if found is None and schema is None:
        raise UndefinedTable(f'relation "{name}" does not exist')
    return found or TableName(str(schema), name)


def _read_column(fields: Node, resolution: Resolution) -> tuple[Column, list[Key]]:
    if fields.get("collClause"):
        raise FeatureNotSupported("COLLATE is not supported on lakehouse tables")
    name, nullable, keys = fields["colname"], True, []
    for constraint in (node["Constraint"] for node in fields.get("constraints", [])):
        contype = constraint["contype"]
        if contype in _ONE_COLUMN:
            keys.append(read_key({**constraint, _ONE_COLUMN[contype]: [{"String": {"sval": name}}]}, resolution))
        elif contype == "CONSTR_NOTNULL":
            nullable = False
        elif contype != "CONSTR_NULL":
            raise FeatureNotSupported(f"column constraint {_words(contype)} is not supported on lakehouse tables")
    return Column(name, named_type(fields["typeName"])[0], nullable), keys


def _words(contype: str) -> str:
    return contype.removeprefix("CONSTR_").replace("_", " ")
