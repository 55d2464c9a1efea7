"""The one type system: Delta's types, their PostgreSQL shadows, and PostgreSQL's OIDs and typmods.

References: Delta protocol "Schema Serialization Format"; PostgreSQL `pg_type.dat` for OIDs; `numerictypmodin` for
typmods.
"""

import json
import re
from dataclasses import dataclass
from enum import IntEnum

VARHDRSZ = 4


class Oid(IntEnum):
    """OIDs of the PostgreSQL types that results and parameters can have."""

    BOOL = 16
    BYTEA = 17
    CHAR = 18
    NAME = 19
    INT8 = 20
    INT2 = 21
    INT4 = 23
    TEXT = 25
    OID = 26
    JSON = 114
    FLOAT4 = 700
    FLOAT8 = 701
    UNKNOWN = 705
    BPCHAR = 1042
    VARCHAR = 1043
    DATE = 1082
    TIME = 1083
    TIMESTAMP = 1114
    TIMESTAMPTZ = 1184
    INTERVAL = 1186
    NUMERIC = 1700
    UUID = 2950
    JSONB = 3802


ARRAY_OF: dict[int, int] = {
    Oid.BOOL: 1000,
    Oid.BYTEA: 1001,
    Oid.INT2: 1005,
    Oid.INT4: 1007,
    Oid.OID: 1028,
    Oid.TEXT: 1009,
    Oid.BPCHAR: 1014,
    Oid.VARCHAR: 1015,
    Oid.INT8: 1016,
    Oid.FLOAT4: 1021,
    Oid.FLOAT8: 1022,
    Oid.TIMESTAMP: 1115,
    Oid.DATE: 1182,
    Oid.TIMESTAMPTZ: 1185,
    Oid.INTERVAL: 1187,
    Oid.NUMERIC: 1231,
    Oid.UUID: 2951,
}
"""Element OID -> OID of its array type."""

ELEMENT_OF: dict[int, int] = {array: element for element, array in ARRAY_OF.items()}


@dataclass(frozen=True, slots=True)
class PgType:
    """A PostgreSQL type as RowDescription names it; typmod -1 means none."""

    oid: int
    typmod: int = -1

    @property
    def precision_scale(self) -> tuple[int, int] | None:
        """Of a numeric with a typmod: (precision, scale)."""
        if self.oid != Oid.NUMERIC or self.typmod < VARHDRSZ:
            return None
        bits = self.typmod - VARHDRSZ
        return (bits >> 16) & 0xFFFF, bits & 0x7FF


@dataclass(frozen=True, slots=True)
class ResultColumn:
    """One column of a described result."""

    name: str
    type: PgType


@dataclass(frozen=True, slots=True)
class Description:
    """What Describe announces before anything runs: parameter type OIDs, and the columns (None: no rows come)."""

    parameters: tuple[int, ...]
    columns: tuple[ResultColumn, ...] | None


def numeric(precision: int, scale: int) -> PgType:
    return PgType(Oid.NUMERIC, ((precision << 16) | (scale & 0x7FF)) + VARHDRSZ)


_SCALARS = {
    "boolean": (Oid.BOOL, "boolean"),
    "byte": (Oid.INT2, "smallint"),
    "short": (Oid.INT2, "smallint"),
    "integer": (Oid.INT4, "integer"),
    "long": (Oid.INT8, "bigint"),
    "float": (Oid.FLOAT4, "real"),
    "double": (Oid.FLOAT8, "double precision"),
    "string": (Oid.TEXT, "text"),
    "binary": (Oid.BYTEA, "bytea"),
    "date": (Oid.DATE, "date"),
    "timestamp": (Oid.TIMESTAMPTZ, "timestamp with time zone"),
    "timestamp_ntz": (Oid.TIMESTAMP, "timestamp without time zone"),
}
_OF_SHADOWS: dict[int, str] = {oid: name for name, (oid, _) in _SCALARS.items() if name != "byte"}
_SIZED_NAMES: dict[int, str] = {Oid.VARCHAR: "varchar", Oid.BPCHAR: "char"}
_SIZED = re.compile(r"(decimal|varchar|char)\((\d+)(?:,\s*(\d+))?\)")


def shadow_type(delta_type: str) -> tuple[PgType, str]:
    """The shadow of a Delta type: (type, its SQL spelling in DDL).

    `delta_type` is a primitive's name or the JSON of a nested type. Arrays of a scalar become that array type; every
    other nested type, variant and what is not known becomes jsonb. VARCHAR(n) and CHAR(n) are passed as those
    spellings.
    """
    if delta_type in _SCALARS:
        oid, sql = _SCALARS[delta_type]
        return PgType(oid), sql
    if sized := _SIZED.fullmatch(delta_type):
        return _shadow_sized(sized[1], int(sized[2]), int(sized[3] or 0))
    if delta_type.startswith("interval"):
        return PgType(Oid.INTERVAL), "interval"
    if element := _scalar_element(delta_type):
        inner, sql = shadow_type(element)
        return PgType(ARRAY_OF[inner.oid], inner.typmod), sql + "[]"
    return PgType(Oid.JSONB), "jsonb"


def delta_type(type_: PgType) -> str | None:
    """The Delta type that has this shadow, as `shadow_type` takes it; None where there is none."""
    if type_.oid in ELEMENT_OF:
        element = delta_type(PgType(ELEMENT_OF[type_.oid], type_.typmod))
        array = {"type": "array", "elementType": element, "containsNull": True}
        return None if element is None or element not in _SCALARS else json.dumps(array)
    if type_.precision_scale is not None:
        return "decimal({},{})".format(*type_.precision_scale)
    if type_.oid in _SIZED_NAMES and type_.typmod >= VARHDRSZ:
        return f"{_SIZED_NAMES[type_.oid]}({type_.typmod - VARHDRSZ})"
    return "string" if type_.oid in (Oid.VARCHAR, Oid.NAME) else _OF_SHADOWS.get(type_.oid)


def _shadow_sized(kind: str, size: int, scale: int) -> tuple[PgType, str]:
    if kind == "decimal":
        return numeric(size, scale), f"numeric({size},{scale})"
    oid = Oid.VARCHAR if kind == "varchar" else Oid.BPCHAR
    return PgType(oid, size + VARHDRSZ), f"{'character varying' if kind == 'varchar' else 'character'}({size})"


def _scalar_element(delta_type: str) -> str | None:
    if not delta_type.startswith("{"):
        return None
    nested = json.loads(delta_type)
    element = nested.get("elementType")
    return element if nested.get("type") == "array" and isinstance(element, str) and element != "variant" else None
