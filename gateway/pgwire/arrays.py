"""Array parameters of one dimension, as lists. More dimensions have no lakehouse type and are refused.

Reference: PostgreSQL documentation, "Array Input and Output Syntax"; `array_recv`.
"""

import re
import struct
from collections.abc import Callable, Iterator
from typing import Any

from catalog.errors import DatatypeMismatch, FeatureNotSupported, InvalidBinaryRepresentation, InvalidTextRepresentation
from gateway.pgwire.binary import WrongLength
from gateway.pgwire.errors import MalformedMessage
from gateway.pgwire.types import SPELLINGS

_ITEM = re.compile(r'\s*+(?:"((?:[^"\\]|\\.)*+)"\s*+|((?:[^{}",\\]|\\.)++))([,}])', re.DOTALL)
_TRAILING_BLANKS = re.compile(r"(?<![\s\\])\s++$")
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_HEAD = struct.Struct("!iii")
_DIMENSION = struct.Struct("!ii")
_LENGTH = struct.Struct("!i")


def parse_array(text: str, parse: Callable[[str], Any]) -> list[Any]:
    """The elements of an array literal, each by `parse`; NULL without quotes is None."""
    body = text.strip()
    if body.startswith("[") or re.match(r"\{\s*\{", body):
        raise FeatureNotSupported("array parameters have one dimension with lower bound 1")
    if not body.startswith("{"):
        raise _malformed(text)
    if re.fullmatch(r"\{\s*\}", body):
        return []
    return [None if item is None else parse(item) for item in _items(text, body)]


def _items(text: str, body: str) -> Iterator[str | None]:
    at, end = 1, ""
    while end != "}":
        found = _ITEM.match(body, at)
        if found is None:
            raise _malformed(text)
        quoted, bare, end = found.groups()
        at = found.end()
        if quoted is not None:
            yield _ESCAPE.sub(r"\1", quoted)
        else:
            bare = _TRAILING_BLANKS.sub("", bare)
            yield None if bare.upper() == "NULL" else _ESCAPE.sub(r"\1", bare)
    if at != len(body):
        raise _malformed(text)


def _malformed(text: str) -> InvalidTextRepresentation:
    return InvalidTextRepresentation(f'malformed array literal: "{text}"')


def receive_array(value: bytes, element_oid: int, receive: Callable[[bytes], Any]) -> list[Any]:
    """The elements of a binary array, each by `receive`; a length of -1 is None."""
    if len(value) < _HEAD.size:
        raise MalformedMessage("insufficient data left in message")
    dimensions, flags, oid = _HEAD.unpack_from(value)
    if flags not in (0, 1):
        raise InvalidBinaryRepresentation("invalid array flags")
    if oid != element_oid:
        given, expected = (f"{oid} ({SPELLINGS.get(oid, '???')})" for oid in (oid, element_oid))
        raise DatatypeMismatch(f"binary data has array element type {given} instead of expected {expected}")
    if dimensions == 0:
        if len(value) > _HEAD.size:
            raise WrongLength
        return []
    if dimensions != 1:
        raise FeatureNotSupported("array parameters have one dimension with lower bound 1")
    return _receive_elements(value, receive)


def _receive_elements(value: bytes, receive: Callable[[bytes], Any]) -> list[Any]:
    at = _HEAD.size + _DIMENSION.size
    if len(value) < at:
        raise MalformedMessage("insufficient data left in message")
    count, lower = _DIMENSION.unpack_from(value, _HEAD.size)
    if lower != 1:
        raise FeatureNotSupported("array parameters have one dimension with lower bound 1")
    if count < 0 or count * _LENGTH.size > len(value) - at:
        raise MalformedMessage("insufficient data left in message")
    elements: list[Any] = []
    for _ in range(count):
        if len(value) - at < _LENGTH.size:
            raise MalformedMessage("insufficient data left in message")
        (length,) = _LENGTH.unpack_from(value, at)
        at += _LENGTH.size
        if length < -1 or length > len(value) - at:
            raise InvalidBinaryRepresentation("insufficient data left in message")
        elements.append(None if length == -1 else receive(value[at : at + max(length, 0)]))
        at += max(length, 0)
    if at != len(value):
        raise WrongLength
    return elements
