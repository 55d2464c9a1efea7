"""Text-format parameters: PostgreSQL's input functions, with their errors.

Each parser takes the text and gives the Python value that Arrow makes the parameter from. Reference: PostgreSQL
documentation, chapter "Data Types"; the input functions in `src/backend/utils/adt`.
"""

import json
import re
import uuid
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from typing import Any

import pyarrow as pa

from catalog.errors import (
    FeatureNotSupported,
    InvalidParameterValue,
    InvalidTextRepresentation,
    NumericValueOutOfRange,
    StatementTooComplex,
)
from catalog.types import Oid
from gateway.pgwire import calendar
from gateway.pgwire.calendar import Customs
from gateway.pgwire.span import parse_interval
from gateway.pgwire.types import SPELLINGS

BLANKS = " \t\n\r\v\f"
NUMERIC_DIGITS = 38
_BITS: dict[int, int] = {Oid.INT2: 16, Oid.INT4: 32, Oid.INT8: 64}
_INTEGER = re.compile(r"(?a)([+-]?)(?:0[xX]((?:_?[0-9a-fA-F])+)|0[oO]((?:_?[0-7])+)|0[bB]((?:_?[01])+)|(\d+(?:_\d+)*))")
_NUMERIC = re.compile(r"(?a)[+-]?(?:\d+(?:_\d+)*(?:\.(?:\d+(?:_\d+)*)?)?|\.\d+(?:_\d+)*)(?:[eE][+-]?\d+(?:_\d+)*)?")
_FLOAT = re.compile(
    r"(?a)[+-]?(?:(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?|0[xX][0-9a-fA-F]+(?:\.[0-9a-fA-F]*)?(?:[pP][+-]?\d+)?)"
)
_NOT_FINITE = {"nan": "nan", "infinity": "inf", "inf": "inf", "-infinity": "-inf", "-inf": "-inf"}
_MOST_LITERAL_DIGITS = 1000
_UUID = re.compile(r"\{?(?:[0-9a-fA-F]{4}-?){7}[0-9a-fA-F]{4}\}?")
_ESCAPED = re.compile(rb"\\(?:([0-3][0-7]{2})|(\\))|\\")


def parse(oid: int, text: str, customs: Customs) -> Any:
    """The value of a scalar parameter. `customs` are the session's, for dates and times."""
    if oid == Oid.TIMESTAMPTZ:
        return calendar.parse_timestamptz(text, customs)
    if oid == Oid.TIMESTAMP:
        return calendar.parse_timestamp(text, customs.order)
    if oid == Oid.DATE:
        return calendar.parse_date(text, customs.order)
    return _PARSERS[oid](text)


def invalid(oid: int, text: str) -> InvalidTextRepresentation:
    return InvalidTextRepresentation(f'invalid input syntax for type {SPELLINGS[oid]}: "{text}"')


def _parse_bool(text: str) -> bool:
    word = text.strip(BLANKS).lower()
    for value, spellings in ((True, ("true", "yes", "on", "1")), (False, ("false", "no", "off", "0"))):
        if word and any(spelling.startswith(word) for spelling in spellings) and word != "o":
            return value
    raise invalid(Oid.BOOL, text)


def _integer(oid: int) -> Callable[[str], int]:
    def parse_integer(text: str) -> int:
        """In any base that PostgreSQL reads."""
        found = _INTEGER.fullmatch(text.strip(BLANKS))
        if found is None:
            raise invalid(oid, text)
        bases = zip(found.groups()[1:], (16, 8, 2, 10), strict=True)
        digits, base = next((digits.replace("_", ""), base) for digits, base in bases if digits)
        if len(digits) > 70 or not _fits(value := int(found[1] + digits, base), oid):
            raise NumericValueOutOfRange(f'value "{text}" is out of range for type {SPELLINGS[oid]}')
        return value

    return parse_integer


def _fits(value: int, oid: int) -> bool:
    limit: int = 2 ** (_BITS[oid] - 1)
    return -limit <= value < limit


def _parse_oid(text: str) -> int:
    found = re.fullmatch(r"[+-]?[0-9]+", text.strip(BLANKS))
    if found is None:
        raise invalid(Oid.OID, text)
    value = int(found[0][:70])
    if not -(2**31) <= value < 2**32:
        raise NumericValueOutOfRange(f'value "{text}" is out of range for type oid')
    return value % 2**32


def _float(oid: int) -> Callable[[str], float]:
    def parse_float(text: str) -> float:
        """Decimal or hexadecimal, finite or a word for what is not."""
        stripped = text.strip(BLANKS)
        if word := _NOT_FINITE.get(stripped.lower().removeprefix("+")):
            return float(word)
        if _FLOAT.fullmatch(stripped) is None:
            raise invalid(oid, text)
        value = _from_hex(stripped) if "x" in stripped.lower() else float(stripped)
        narrowed = value if oid == Oid.FLOAT8 else _narrow(value)
        mantissa = re.split("[eEpP]", stripped)[0] if "x" not in stripped.lower() else stripped[2:]
        if narrowed in (float("inf"), float("-inf")) or (narrowed == 0 and re.search("[1-9a-fA-F]", mantissa)):
            raise NumericValueOutOfRange(f'"{text}" is out of range for type {SPELLINGS[oid]}')
        return narrowed

    return parse_float


def _from_hex(text: str) -> float:
    """Infinite where it is too large, as `float` of a decimal is."""
    try:
        return float.fromhex(text)
    except OverflowError:
        return float("inf")


def _narrow(value: float) -> float:
    narrowed: float = pa.scalar(value, pa.float64()).cast(pa.float32(), safe=False).as_py()
    return narrowed


def _parse_numeric(text: str) -> Decimal:
    stripped = text.strip(BLANKS)
    if stripped.lower().lstrip("+-") in ("nan", "infinity", "inf"):
        raise FeatureNotSupported(f'the numeric value "{stripped}" is not supported')
    if _NUMERIC.fullmatch(stripped) is not None and len(stripped) <= _MOST_LITERAL_DIGITS:
        return check_numeric(_decimal(stripped.replace("_", "")))
    found = _INTEGER.fullmatch(stripped)
    if found is None:
        if _NUMERIC.fullmatch(stripped) is not None:
            raise _too_long()
        raise invalid(Oid.NUMERIC, text)
    if len(stripped) > _MOST_LITERAL_DIGITS:
        raise _too_long()
    return check_numeric(Decimal(int(stripped.replace("_", ""), 0)))


def _decimal(text: str) -> Decimal:
    """Exactly. An exponent may be beyond what Decimal can hold."""
    try:
        return Decimal(text)
    except InvalidOperation:
        raise _too_long() from None


def check_numeric(value: Decimal) -> Decimal:
    """The value, if it fits the lakehouse's widest decimal."""
    _, digits, exponent = value.as_tuple()
    assert isinstance(exponent, int), "NaN and infinity were refused before"
    if max(len(digits), -exponent, len(digits) + exponent if any(digits) else 0) > NUMERIC_DIGITS:
        raise _too_long()
    return value


def _too_long() -> FeatureNotSupported:
    return FeatureNotSupported(f"numeric values of more than {NUMERIC_DIGITS} digits are not supported")


def _parse_bytea(text: str) -> bytes:
    if text.startswith("\\x"):
        return _parse_hex(text[2:])

    def unescape(found: re.Match[bytes]) -> bytes:
        if found[1]:
            return bytes([int(found[1], 8)])
        if found[2]:
            return b"\\"
        raise InvalidTextRepresentation("invalid input syntax for type bytea")

    return _ESCAPED.sub(unescape, text.encode())


def _parse_hex(text: str) -> bytes:
    digits = "".join(text.split())
    for character in digits:
        if character not in "0123456789abcdefABCDEF":
            raise InvalidParameterValue(f'invalid hexadecimal digit: "{character}"')
    if len(digits) % 2:
        raise InvalidParameterValue("invalid hexadecimal data: odd number of digits")
    return bytes.fromhex(digits)


def _parse_uuid(text: str) -> str:
    if _UUID.fullmatch(text) is None or text.startswith("{") != text.endswith("}"):
        raise invalid(Oid.UUID, text)
    return str(uuid.UUID(text))


def check_json(text: str) -> str:
    """The text, if it is JSON."""
    try:
        json.loads(text, parse_constant=_refuse_constant, parse_float=str, parse_int=str)
    except ValueError:
        raise InvalidTextRepresentation("invalid input syntax for type json") from None
    except RecursionError:
        raise StatementTooComplex("stack depth limit exceeded") from None
    return text


def _refuse_constant(name: str) -> None:
    raise ValueError(name)


_PARSERS: dict[int, Callable[[str], Any]] = {
    Oid.BOOL: _parse_bool,
    Oid.BYTEA: _parse_bytea,
    Oid.CHAR: lambda text: text[:1],
    Oid.NAME: lambda text: text.encode()[:63].decode(errors="ignore"),
    Oid.INT8: _integer(Oid.INT8),
    Oid.INT2: _integer(Oid.INT2),
    Oid.INT4: _integer(Oid.INT4),
    Oid.TEXT: str,
    Oid.OID: _parse_oid,
    Oid.JSON: check_json,
    Oid.FLOAT4: _float(Oid.FLOAT4),
    Oid.FLOAT8: _float(Oid.FLOAT8),
    Oid.UNKNOWN: str,
    Oid.BPCHAR: str,
    Oid.VARCHAR: str,
    Oid.INTERVAL: parse_interval,
    Oid.NUMERIC: _parse_numeric,
    Oid.UUID: _parse_uuid,
    Oid.JSONB: check_json,
}
