"""Type names of a cast or a column definition, as PostgreSQL's grammar leaves them."""

from catalog.types import ARRAY_OF, VARHDRSZ, Oid, PgType, numeric
from planner import tree
from planner.dialects.expression import Unverified
from planner.tree import Node

_TYPES = {
    "bool": Oid.BOOL, "int2": Oid.INT2, "smallint": Oid.INT2, "int4": Oid.INT4, "int": Oid.INT4, "integer": Oid.INT4,
    "int8": Oid.INT8, "bigint": Oid.INT8, "float4": Oid.FLOAT4, "real": Oid.FLOAT4, "float8": Oid.FLOAT8,
    "numeric": Oid.NUMERIC, "decimal": Oid.NUMERIC, "text": Oid.TEXT, "varchar": Oid.VARCHAR, "bpchar": Oid.BPCHAR,
    "bytea": Oid.BYTEA, "date": Oid.DATE, "timestamp": Oid.TIMESTAMP, "timestamptz": Oid.TIMESTAMPTZ,
    "interval": Oid.INTERVAL, "jsonb": Oid.JSONB, "json": Oid.JSON, "uuid": Oid.UUID, "name": Oid.NAME,
    "boolean": Oid.BOOL, "string": Oid.TEXT, "double": Oid.FLOAT8,
}  # fmt: skip


def named_type(fields: Node) -> tuple[PgType, str, int | None]:
    """A TypeName: the type, the name that PostgreSQL gives an unnamed column of that cast, and an interval's field
    mask."""
    name = tree.strings(fields["names"])[-1]
    if name not in _TYPES or fields.get("setof") or fields.get("pct_type"):
        raise Unverified(f'type "{name}" is not supported on lakehouse tables')
    modifiers = [
        int(tree.constant(node["A_Const"]) or 0) for node in fields.get("typmods", []) if tree.kind(node) == "A_Const"
    ]
    oid = _TYPES[name]
    if oid == Oid.INTERVAL:
        return PgType(oid), name, modifiers[0] if modifiers else None
    type_ = _modified(oid, modifiers)
    if fields.get("arrayBounds"):
        if oid not in ARRAY_OF:
            raise Unverified(f"arrays of {name} are not supported on lakehouse tables")
        type_ = PgType(ARRAY_OF[oid], type_.typmod)
    return type_, name, None


def _modified(oid: Oid, modifiers: list[int]) -> PgType:
    if oid == Oid.NUMERIC and modifiers:
        return numeric(modifiers[0], modifiers[1] if len(modifiers) > 1 else 0)
    if oid == Oid.VARCHAR and modifiers:
        return PgType(oid, modifiers[0] + VARHDRSZ)
    if oid == Oid.BPCHAR:
        return PgType(oid, (modifiers[0] if modifiers else 1) + VARHDRSZ)
    if modifiers and modifiers[0] != 6:
        raise Unverified("timestamps keep six decimals on lakehouse tables")
    return PgType(oid)
