"""Results on the wire: Arrow record batches to DataRow messages, by the native encoder.

Never here: anything per row. Reference: PostgreSQL documentation, "Message Formats" (DataRow) and "Formats and Format
Codes".
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Protocol

import pyarrow as pa

from catalog.errors import FeatureNotSupported, InvalidParameterValue, error_class
from catalog.types import ELEMENT_OF, Oid, ResultColumn
from gateway.pgwire.errors import MalformedMessage
from gateway.pgwire.types import SENDABLE
from lakegate_native import EncodeError, Encoder, TimeZone

TEXT, BINARY = 0, 1
_DATES = frozenset({Oid.DATE, Oid.TIMESTAMP, Oid.TIMESTAMPTZ})
_FLOATS = frozenset({Oid.FLOAT4, Oid.FLOAT8})


class SessionSettings(Protocol):
    def current(self, name: str) -> str:
        """The setting's value in force. Raises KeyError for one that is at the server's default and not known."""
        ...


class ResultEncoder:
    """Encodes the batches of one result. Usable from any thread; the GIL is released meanwhile."""

    def __init__(self, columns: Sequence[ResultColumn], formats: Sequence[int], settings: SessionSettings) -> None:
        """`formats` are the format codes of Bind: none (all text), one for all, or one a column.

        Raises SqlError for a wrong number of codes, for a type that cannot be sent, and for a style of dates,
        intervals or floats that a text column here would need and that is not supported.
        """
        codes = spread_formats(formats, len(columns))
        for column in columns:
            if column.type.oid not in SENDABLE:
                raise FeatureNotSupported(f'column "{column.name}" has a type that cannot be sent: {column.type.oid}')
        _check_styles({column.type.oid for column, code in zip(columns, codes, strict=True) if code == TEXT}, settings)
        described = [(column.type.oid, column.type.typmod, code) for column, code in zip(columns, codes, strict=True)]
        zone = find_time_zone(_setting(settings, "TimeZone", "UTC"))
        escapes = _setting(settings, "bytea_output", "hex") == "escape"
        self._encoder = Encoder(described, time_zone=zone, bytea_output="escape" if escapes else "hex")

    def encode(self, batch: pa.RecordBatch, offset: int = 0, length: int = -1) -> bytes:
        """`length` rows (-1: all) from row `offset` on, as complete DataRow messages.

        Raises SqlError for a value that PostgreSQL could not send: text with a NUL, an integer out of its type's
        range, a row over 1 GB, an Arrow type that the described type cannot hold.
        """
        try:
            return self._encoder.encode(batch, offset, length)
        except EncodeError as error:
            raise error_class(error.sqlstate)(str(error)) from None


def spread_formats(formats: Sequence[int], count: int) -> tuple[int, ...]:
    """One format code a column. Raises SqlError as PostgreSQL does for other counts and unknown codes."""
    for code in formats:
        if code not in (TEXT, BINARY):
            raise InvalidParameterValue(f"unsupported format code: {code}")
    if len(formats) <= 1:
        return tuple(formats or (TEXT,)) * count
    if len(formats) != count:
        raise MalformedMessage(f"bind message has {len(formats)} result formats but query has {count} columns")
    return tuple(formats)


@lru_cache(maxsize=128)
def find_time_zone(name: str) -> TimeZone:
    """The time zone of that name. Raises InvalidParameterValue as PostgreSQL does."""
    try:
        return TimeZone(name)
    except ValueError:
        raise InvalidParameterValue(f'invalid value for parameter "TimeZone": "{name}"') from None


def _check_styles(text_oids: set[int], settings: SessionSettings) -> None:
    oids = {ELEMENT_OF.get(oid, oid) for oid in text_oids}
    if oids & _DATES and not (style := _setting(settings, "DateStyle", "ISO")).upper().startswith("ISO"):
        raise FeatureNotSupported(f'DateStyle "{style}" is not supported', hint="SET DateStyle = ISO.")
    if Oid.INTERVAL in oids and (style := _setting(settings, "IntervalStyle", "postgres")) != "postgres":
        raise FeatureNotSupported(f'IntervalStyle "{style}" is not supported', hint="SET IntervalStyle = postgres.")
    if oids & _FLOATS and int(_setting(settings, "extra_float_digits", "1")) < 1:
        raise FeatureNotSupported("extra_float_digits below 1 is not supported", hint="SET extra_float_digits = 1.")


def _setting(settings: SessionSettings, name: str, default: str) -> str:
    try:
        return settings.current(name)
    except KeyError:
        return default
