"""Results on the wire: Arrow record batches to DataRow messages, by the native encoder.

Never here: anything per row. Reference: PostgreSQL documentation, "Message Formats" (DataRow) and "Formats and Format
Codes".
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Protocol

import pyarrow as pa

from catalog.errors import FeatureNotSupported, InvalidParameterValue, error_class
from catalog.types import ResultColumn
from gateway.pgwire.errors import MalformedMessage
from gateway.pgwire.types import SENDABLE
from lakegate_native import EncodeError, Encoder, TimeZone

TEXT, BINARY = 0, 1


class SessionSettings(Protocol):
    def current(self, name: str) -> str:
        """The setting's value in force. Raises KeyError for one that is at the server's default and not known."""
        ...


class ResultEncoder:
    """Encodes the batches of one result. Usable from any thread; the GIL is released meanwhile."""

    def __init__(self, columns: Sequence[ResultColumn], formats: Sequence[int], settings: SessionSettings) -> None:
        """`formats` are the format codes of Bind: none (all text), one for all, or one a column.

        Raises SqlError for a wrong number of codes, and for a type that cannot be sent.
        """
        codes = spread_formats(formats, len(columns))
        for column in columns:
            if column.type.oid not in SENDABLE:
                raise FeatureNotSupported(f'column "{column.name}" has a type that cannot be sent: {column.type.oid}')
        described = [(column.type.oid, column.type.typmod, code) for column, code in zip(columns, codes, strict=True)]
        zone = find_time_zone(_setting(settings, "TimeZone", "UTC"))
        escapes = _setting(settings, "bytea_output", "hex") == "escape"
        self._encoder = Encoder(
            described,
            time_zone=zone,
            bytea_output="escape" if escapes else "hex",
            date_style=_setting(settings, "DateStyle", "ISO, MDY"),
            interval_style=_setting(settings, "IntervalStyle", "postgres"),
            extra_float_digits=int(_setting(settings, "extra_float_digits", "1")),
        )

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


def date_order(style: str) -> str:
    """The order of a DateStyle such as ``ISO, MDY``."""
    return style.rpartition(" ")[2]


def _setting(settings: SessionSettings, name: str, default: str) -> str:
    try:
        return settings.current(name)
    except KeyError:
        return default
