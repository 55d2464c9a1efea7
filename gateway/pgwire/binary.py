"""Binary-format parameters: PostgreSQL's receive functions, with their errors.

Reference: the receive functions in `src/backend/utils/adt`; `numeric.c` for numeric's digits in base 10000.
"""

import struct
import uuid
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from catalog.errors import (
    CharacterNotInRepertoire,
    DatetimeFieldOverflow,
    FeatureNotSupported,
    InternalError,
    InvalidBinaryRepresentation,
)
from catalog.types import Oid
from gateway.pgwire import calendar
from gateway.pgwire.errors import MalformedMessage
from gateway.pgwire.fields import invalid_bytes
from gateway.pgwire.literals import check_json, check_numeric
from gateway.pgwire.span import Span

EPOCH_DAYS = 10_957
"""From 1970-01-01 (Arrow) to 2000-01-01 (PostgreSQL)."""
EPOCH_MICROS = EPOCH_DAYS * calendar.DAY
_NEGATIVE, _NOT_FINITE = 0x4000, (0xC000, 0xD000, 0xF000)
_MOST_SCALE = 0x3FFF
_JSONB_VERSION = 1


class WrongLength(Exception):
    """The value has bytes left over. The caller knows the parameter's number."""


def receive(oid: int, value: bytes) -> Any:
    """The value of a scalar parameter. Raises WrongLength where bytes are left over."""
    return _RECEIVERS[oid](value)


def receive_text(value: bytes) -> str:
    """Text in the client's encoding, which is UTF-8."""
    nul = value.find(0)
    if nul >= 0:
        raise CharacterNotInRepertoire('invalid byte sequence for encoding "UTF8": 0x00')
    try:
        return value.decode()
    except UnicodeDecodeError as error:
        raise CharacterNotInRepertoire(invalid_bytes(error)) from None


def unpack(layout: struct.Struct, value: bytes) -> tuple[Any, ...]:
    """Exactly the layout's bytes."""
    if len(value) < layout.size:
        raise MalformedMessage(f"{'insufficient' if layout.size > 1 else 'no'} data left in message")
    if len(value) > layout.size:
        raise WrongLength
    return layout.unpack(value)


def _fixed(layout: str) -> Callable[[bytes], Any]:
    compiled = struct.Struct(layout)

    def receive_fixed(value: bytes) -> Any:
        return unpack(compiled, value)[0]

    return receive_fixed


_INT2, _INT4, _INT8 = _fixed("!h"), _fixed("!i"), _fixed("!q")
_INTERVAL = struct.Struct("!qii")
_NUMERIC_HEAD = struct.Struct("!HhHH")
_UUID = struct.Struct("!16s")


def _receive_date(value: bytes) -> int:
    days: int = _INT4(value)
    if days in (2**31 - 1, -(2**31)):
        return 2**31 - 1 if days > 0 else -(2**31) + 1
    days += EPOCH_DAYS
    if not calendar.FIRST_DAY <= days <= calendar.LAST_DATE:
        raise DatetimeFieldOverflow("date out of range")
    return days


def _receive_timestamp(value: bytes) -> int:
    micros: int = _INT8(value)
    if micros in (2**63 - 1, -(2**63)):
        return calendar.FUTURE if micros > 0 else calendar.PAST
    micros += EPOCH_MICROS
    if not calendar.FIRST_DAY * calendar.DAY <= micros < calendar.END_OF_TIMESTAMPS:
        raise DatetimeFieldOverflow("timestamp out of range")
    return micros


def _receive_interval(value: bytes) -> Span:
    micros, days, months = unpack(_INTERVAL, value)
    return Span(months, days, micros)


def _receive_numeric(value: bytes) -> Decimal:
    if len(value) < _NUMERIC_HEAD.size:
        raise MalformedMessage("insufficient data left in message")
    count, weight, sign, scale = _NUMERIC_HEAD.unpack_from(value)
    if sign in _NOT_FINITE:
        raise FeatureNotSupported("the numeric values NaN and infinity are not supported")
    if sign not in (0, _NEGATIVE):
        raise InvalidBinaryRepresentation('invalid sign in external "numeric" value')
    if scale > _MOST_SCALE:
        raise InvalidBinaryRepresentation('invalid scale in external "numeric" value')
    digits = unpack(struct.Struct(f"!{count}H"), value[_NUMERIC_HEAD.size :])
    if any(digit > 9999 for digit in digits):
        raise InvalidBinaryRepresentation('invalid digit in external "numeric" value')
    return check_numeric(_assemble(digits, weight, scale, negative=sign == _NEGATIVE))


def _assemble(digits: tuple[int, ...], weight: int, scale: int, *, negative: bool) -> Decimal:
    """Digits in base 10000, the first of 10000^weight, shown with `scale` digits after the point."""
    text = "".join(f"{digit:04}" for digit in digits) or "0"
    point = 4 * (weight + 1) if digits else 1
    text, point = text.rjust(len(text) - min(point, 0), "0"), max(point, 0)
    text = text.ljust(point + scale, "0")[: point + scale]
    return Decimal((int(negative), tuple(map(int, text.lstrip("0") or "0")), -scale))


def _receive_jsonb(value: bytes) -> str:
    if not value:
        raise MalformedMessage("no data left in message")
    if value[0] != _JSONB_VERSION:
        raise InternalError(f"unsupported jsonb version number {value[0]}")
    return check_json(receive_text(value[1:]))


def _receive_char(value: bytes) -> str:
    (byte,) = unpack(struct.Struct("!c"), value)
    return receive_text(byte) if byte != b"\0" else ""


_RECEIVERS: dict[int, Callable[[bytes], Any]] = {
    Oid.BOOL: lambda value: _fixed("!B")(value) != 0,
    Oid.BYTEA: bytes,
    Oid.CHAR: _receive_char,
    Oid.NAME: receive_text,
    Oid.INT8: _INT8,
    Oid.INT2: _INT2,
    Oid.INT4: _INT4,
    Oid.TEXT: receive_text,
    Oid.OID: _fixed("!I"),
    Oid.JSON: lambda value: check_json(receive_text(value)),
    Oid.FLOAT4: _fixed("!f"),
    Oid.FLOAT8: _fixed("!d"),
    Oid.UNKNOWN: receive_text,
    Oid.BPCHAR: receive_text,
    Oid.VARCHAR: receive_text,
    Oid.DATE: _receive_date,
    Oid.TIMESTAMP: _receive_timestamp,
    Oid.TIMESTAMPTZ: _receive_timestamp,
    Oid.INTERVAL: _receive_interval,
    Oid.NUMERIC: _receive_numeric,
    Oid.UUID: lambda value: str(uuid.UUID(bytes=unpack(_UUID, value)[0])),
    Oid.JSONB: _receive_jsonb,
}
