"""How a lane spells what every translation needs: names, literals, types, parameters, scans."""

import datetime
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from catalog.types import ELEMENT_OF, Oid, PgType
from planner.dialects.coercion import MAX_PRECISION
from planner.dialects.expression import Unverified
from planner.plan import Lane


@dataclass(frozen=True, slots=True)
class Span:
    """A PostgreSQL interval: its three fields never mix."""

    months: int = 0
    days: int = 0
    microseconds: int = 0


class Spelling(Protocol):
    """One lane's SQL. Implemented by `duckdb.DuckDb` and `spark.Spark`."""

    lane: Lane

    def identifier(self, name: str) -> str: ...
    def string(self, text: str) -> str: ...
    def type(self, type_: PgType) -> str: ...
    def span(self, span: Span) -> str: ...
    def array(self, elements: Sequence[str], type_: PgType) -> str: ...
    def each(self, array: str, name: str, sql: str) -> str:
        """The array of what `sql` makes of each element, which it calls `name`."""
        ...

    def timestamptz(self, moment: datetime.datetime) -> str: ...
    def local(self, moment: str, zone: str) -> str:
        """The timestamp that clocks in the zone show at a timestamptz."""
        ...

    def moment(self, local: str, zone: str) -> str:
        """The timestamptz at which they show a timestamp; see `planner.dialects.zones` for which."""
        ...


_SCALARS = {
    Oid.BOOL: ("BOOLEAN", "BOOLEAN"),
    Oid.INT2: ("SMALLINT", "SMALLINT"),
    Oid.INT4: ("INTEGER", "INT"),
    Oid.INT8: ("BIGINT", "BIGINT"),
    Oid.FLOAT4: ("FLOAT", "FLOAT"),
    Oid.FLOAT8: ("DOUBLE", "DOUBLE"),
    Oid.TEXT: ("VARCHAR", "STRING"),
    Oid.VARCHAR: ("VARCHAR", "STRING"),
    Oid.BPCHAR: ("VARCHAR", "STRING"),
    Oid.NAME: ("VARCHAR", "STRING"),
    Oid.CHAR: ("VARCHAR", "STRING"),
    Oid.UUID: ("VARCHAR", "STRING"),
    Oid.OID: ("BIGINT", "BIGINT"),
    Oid.BYTEA: ("BLOB", "BINARY"),
    Oid.DATE: ("DATE", "DATE"),
    Oid.TIMESTAMP: ("TIMESTAMP", "TIMESTAMP_NTZ"),
    Oid.TIMESTAMPTZ: ("TIMESTAMPTZ", "TIMESTAMP"),
}


def engine_type(type_: PgType, lane: Lane) -> str:
    """The lane's type for a PostgreSQL type. A numeric without typmod is approximate: DOUBLE."""
    if type_.oid == Oid.NUMERIC:
        precision, scale = type_.precision_scale or (0, 0)
        if precision > MAX_PRECISION:
            raise Unverified(f"numeric({precision},{scale}) is wider than {MAX_PRECISION} digits")
        return f"DECIMAL({precision},{scale})" if precision else "DOUBLE"
    if type_.oid in ELEMENT_OF:
        element = engine_type(PgType(ELEMENT_OF[type_.oid], type_.typmod), lane)
        return f"{element}[]" if lane is Lane.DUCKDB else f"ARRAY<{element}>"
    if type_.oid == Oid.INTERVAL and lane is Lane.DUCKDB:
        return "INTERVAL"
    if type_.oid in _SCALARS:
        duckdb, spark = _SCALARS[Oid(type_.oid)]
        return duckdb if lane is Lane.DUCKDB else spark
    raise Unverified(f"values of type OID {type_.oid} cannot be computed on this lane")
