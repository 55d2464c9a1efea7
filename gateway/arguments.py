"""The values that a statement takes to its engine, and the columns that an engine announces itself."""

from __future__ import annotations

import secrets
from datetime import datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import pyarrow as pa

from catalog.errors import FeatureNotSupported
from catalog.types import ARRAY_OF, Oid, PgType, ResultColumn, numeric
from planner.plan import SessionValue

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gateway.session import Session
    from planner.plan import Query


async def give_arguments(session: Session, query: Query, values: pa.RecordBatch | None = None) -> pa.RecordBatch | None:
    """What the engine's SQL takes: the client's values and the session's own."""
    asked = {parameter.source for parameter in query.parameters if isinstance(parameter.source, SessionValue)}
    known = await _session_values(session, asked) if asked else {}
    return engine_parameters(query, values, known, session.variables.current("TimeZone"))


async def _session_values(session: Session, asked: set[SessionValue]) -> Mapping[SessionValue, str | datetime | None]:
    schema = session.relay.current_schema
    return {
        SessionValue.NOW: await session.now() if SessionValue.NOW in asked else None,
        SessionValue.CURRENT_USER: session.principal.name,
        SessionValue.SESSION_USER: session.user.name,
        SessionValue.CURRENT_DATABASE: session.workspace,
        SessionValue.CURRENT_SCHEMA: (await schema(session.variables.effective) or None)
        if SessionValue.CURRENT_SCHEMA in asked
        else None,
    }


def engine_parameters(
    query: Query,
    values: pa.RecordBatch | None,
    session_values: Mapping[SessionValue, str | datetime | None],
    time_zone: str,
) -> pa.RecordBatch | None:
    """One row with a column for each parameter of the engine's SQL: the client's values and the session's own.

    Moments that are asked for as a date or without a zone are those of `time_zone`, as `current_date` is.
    """
    if not query.parameters:
        return None
    columns = []
    for parameter in query.parameters:
        if parameter.source is SessionValue.SEED:
            columns.append(pa.array([secrets.randbits(63)], pa.int64()))
        elif isinstance(parameter.source, SessionValue):
            columns.append(_session_array(session_values[parameter.source], parameter.type, time_zone))
        else:
            assert values is not None, "the planner names a parameter that the client did not send"
            columns.append(values.column(parameter.source - 1))
    return pa.RecordBatch.from_arrays(columns, names=[parameter.name for parameter in query.parameters])


def _session_array(value: str | datetime | None, type_: PgType, time_zone: str) -> pa.Array:
    if not isinstance(value, datetime):
        return pa.array([value], pa.string())
    if type_.oid == Oid.TIMESTAMPTZ:
        return pa.array([value], pa.timestamp("us", tz="UTC"))
    local = value.astimezone(_find_zone(time_zone)).replace(tzinfo=None)
    if type_.oid == Oid.DATE:
        return pa.array([local.date()], pa.date32())
    return pa.array([local], pa.timestamp("us"))


def _find_zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        raise FeatureNotSupported(
            f'the current date in the time zone "{name}" is not supported', hint="SET TimeZone to a name such as UTC."
        ) from None


def describe_schema(schema: pa.Schema) -> tuple[ResultColumn, ...]:
    """The columns of a result that an engine described, as clients see them."""
    return tuple(ResultColumn(field.name, _pg_type(field.type)) for field in schema)


def _pg_type(arrow_type: pa.DataType) -> PgType:
    if pa.types.is_decimal(arrow_type):
        return numeric(arrow_type.precision, arrow_type.scale)
    if pa.types.is_timestamp(arrow_type):
        return PgType(Oid.TIMESTAMPTZ if arrow_type.tz else Oid.TIMESTAMP)
    if pa.types.is_list(arrow_type) or pa.types.is_large_list(arrow_type):
        element = _pg_type(arrow_type.value_type)
        array = ARRAY_OF.get(element.oid) if not pa.types.is_nested(arrow_type.value_type) else None
        return PgType(Oid.JSONB) if array is None else PgType(array, element.typmod)
    for matches, oid in _SCALARS:
        if matches(arrow_type):
            return PgType(oid)
    return PgType(Oid.JSONB if pa.types.is_nested(arrow_type) else Oid.TEXT)


_SCALARS = (
    (pa.types.is_boolean, Oid.BOOL),
    (pa.types.is_int8, Oid.INT2),
    (pa.types.is_int16, Oid.INT2),
    (pa.types.is_int32, Oid.INT4),
    (pa.types.is_int64, Oid.INT8),
    (pa.types.is_float32, Oid.FLOAT4),
    (pa.types.is_float64, Oid.FLOAT8),
    (pa.types.is_date, Oid.DATE),
    (pa.types.is_binary, Oid.BYTEA),
    (pa.types.is_large_binary, Oid.BYTEA),
    (pa.types.is_duration, Oid.INTERVAL),
    (pa.types.is_interval, Oid.INTERVAL),
)
