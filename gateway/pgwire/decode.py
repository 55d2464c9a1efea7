"""Parameters off the wire: Bind's values to one Arrow row.

Text goes through `literals`, binary through `binary`, arrays through `arrays` around either. What PostgreSQL refuses is
refused with its own error; what it takes and the lakehouse cannot hold (NaN in a numeric, more than 38 digits, arrays
of more dimensions) is 0A000. Reference: PostgreSQL documentation, "Message Formats" (Bind).
"""

from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from catalog.errors import (
    CharacterNotInRepertoire,
    FeatureNotSupported,
    InvalidBinaryRepresentation,
    InvalidParameterValue,
    SqlError,
)
from catalog.types import ELEMENT_OF, Oid
from gateway.pgwire import arrays, binary, literals
from gateway.pgwire.calendar import Customs
from gateway.pgwire.encode import BINARY, TEXT, find_time_zone
from gateway.pgwire.errors import MalformedMessage
from gateway.pgwire.types import ARROW_TYPES, is_receivable


def decode_parameters(
    oids: Sequence[int],
    formats: Sequence[int],
    values: Sequence[bytes | None],
    time_zone: str = "UTC",
    *,
    date_order: str = "MDY",
    portal: str = "",
) -> pa.RecordBatch:
    """One row with columns p1, p2, ... of the Arrow types in `gateway.pgwire.types`; None is NULL.

    `formats`: none (all text), one for all, or one a value. `time_zone` is the session's, for timestamptz texts without
    a zone, and `date_order` that of its DateStyle. Raises SqlError, which names the portal.
    """
    if len(values) != len(oids):
        raise MalformedMessage(f"bind message supplies {len(values)} parameters, but {len(oids)} are required")
    if len(formats) > 1 and len(formats) != len(values):
        raise MalformedMessage(f"bind message has {len(formats)} parameter formats but {len(values)} parameters")
    codes = tuple(formats) if len(formats) > 1 else tuple(formats or (TEXT,)) * len(values)
    customs = Customs(find_time_zone(time_zone), date_order)
    columns = []
    for number, (oid, code, value) in enumerate(zip(oids, codes, values, strict=True), start=1):
        try:
            columns.append(_column(number, oid, code, value, customs))
        except SqlError as error:
            shown = code == TEXT and not isinstance(error, CharacterNotInRepertoire)
            error.context = _place(portal, number, shown=shown)
            raise
    names = [f"p{number}" for number in range(1, len(columns) + 1)]
    if not columns:
        return pa.RecordBatch.from_struct_array(pa.array([{}], pa.struct([])))
    return pa.RecordBatch.from_arrays(columns, names)


def _place(portal: str, number: int, *, shown: bool) -> str:
    """PostgreSQL's words for a parameter. A text would be shown, were it not cut to nothing (its
    `log_parameter_max_length_on_error`)."""
    place = f'portal "{portal}"' if portal else "unnamed portal"
    return f"{place} parameter ${number}" + (" = '...'" if shown else "")


def decode_value(oid: int, code: int, value: bytes, customs: Customs) -> Any:
    """One value that is not NULL, as the Python object that Arrow makes a column from.

    Dates and times are integers since 1970, intervals a `Span`, arrays lists. Raises SqlError, and `binary.WrongLength`
    where bytes are left over.
    """
    element = ELEMENT_OF.get(oid)
    if code == BINARY:
        if element is None:
            return binary.receive(oid, value)
        return arrays.receive_array(value, element, lambda part: binary.receive(element, part))
    text = binary.receive_text(value)
    if element is None:
        return literals.parse(oid, text, customs)
    return arrays.parse_array(text, lambda part: literals.parse(element, part, customs))


def _column(number: int, oid: int, code: int, value: bytes | None, customs: Customs) -> pa.Array:
    if not is_receivable(oid):
        raise FeatureNotSupported(f"parameter ${number} has a type that is not supported: {oid}")
    if code not in (TEXT, BINARY):
        raise InvalidParameterValue(f"unsupported format code: {code}")
    try:
        decoded = None if value is None else decode_value(oid, code, value, customs)
    except binary.WrongLength:
        raise InvalidBinaryRepresentation(f"incorrect binary data format in bind parameter {number}") from None
    element = ELEMENT_OF.get(oid)
    if element is None:
        return _array(oid, [decoded])
    elements = _array(element, decoded or [])
    return pa.ListArray.from_arrays([0, len(elements)], elements, mask=pa.array([decoded is None]))


def _array(oid: int, values: Sequence[Any]) -> pa.Array:
    """An Arrow array of scalars."""
    if oid == Oid.NUMERIC:
        return pa.array(values, _fitting([value for value in values if value is not None]))
    if oid == Oid.INTERVAL:
        return pa.array([None if span is None else _nanoseconds(*span) for span in values], ARROW_TYPES[oid])
    if oid in (Oid.DATE, Oid.TIMESTAMP, Oid.TIMESTAMPTZ):
        integers = pa.array(values, pa.int32() if oid == Oid.DATE else pa.int64())
        return integers.view(ARROW_TYPES[oid])
    return pa.array(values, ARROW_TYPES[oid])


def _fitting(values: Sequence[Any]) -> pa.DataType:
    """The narrowest decimal that holds all values exactly."""
    scale, whole = 0, 0
    for value in values:
        _, digits, exponent = value.as_tuple()
        scale, whole = max(scale, -exponent), max(whole, len(digits) + exponent)
    if whole + scale > literals.NUMERIC_DIGITS:
        raise FeatureNotSupported(f"numeric values of more than {literals.NUMERIC_DIGITS} digits are not supported")
    return pa.decimal128(max(whole + scale, 1), scale)


def _nanoseconds(months: int, days: int, micros: int) -> pa.MonthDayNano:
    """Arrow counts nanoseconds, of which an int64 holds 292 years."""
    nanoseconds = micros * 1000
    if abs(nanoseconds) >= 2**63:
        raise FeatureNotSupported("interval parameters of more than 292 years of hours are not supported")
    return pa.MonthDayNano([months, days, nanoseconds])
