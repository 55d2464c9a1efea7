"""Clients that do not speak UTF-8: what they say becomes UTF-8 as it is read, what they hear is theirs as it is sent.

One byte a character, so that texts are converted by a table, whole messages at a time, in native code. In the binary
format a text is its characters too; what else holds text among other bytes, such as an array, is refused there.
"""

from collections.abc import Sequence
from functools import lru_cache

from catalog.errors import FeatureNotSupported, error_class
from catalog.types import ARRAY_OF, Oid, ResultColumn
from gateway.pgwire import fields
from gateway.pgwire.encode import BINARY, spread_formats
from gateway.pgwire.errors import MalformedMessage
from lakegate_native import Recoder

_TEXTS = frozenset(
    {Oid.TEXT, Oid.VARCHAR, Oid.BPCHAR, Oid.NAME, Oid.CHAR, Oid.UNKNOWN, Oid.JSON, Oid.JSONB}
)  # jsonb: one control character before its text
_NUMBERS = frozenset(Oid) - _TEXTS
_RAW = _NUMBERS | {array for element, array in ARRAY_OF.items() if element in _NUMBERS}
"""Types whose binary format holds no text."""
_WHOLE, _PARSE, _BIND, _EXECUTE = b"QDCf", ord("P"), ord("B"), ord("E")
_COUNT = fields.INT32.size
_MISSING = 'character with byte sequence {} in encoding "{}" has no equivalent in encoding "{}"'


class Recoding:
    """One encoding, by PostgreSQL's name and Python's codec. Usable from any thread."""

    def __init__(self, name: str, codec: str) -> None:
        self.name = name
        self._recoder = Recoder([bytes([byte]).decode(codec, "ignore") or None for byte in range(0x80, 0x100)])

    def receive(self, code: int, body: bytes) -> bytes:
        """The body of a client's message of that type in UTF-8, of whatever length: a broken one is left to who reads
        it. Raises 22P05 for a byte without a character."""
        if code in _WHOLE:
            return self._text(body)
        if code == _EXECUTE:
            return self._text(body[:-_COUNT]) + body[-_COUNT:]
        if code not in (_PARSE, _BIND):
            return body
        names = body.find(0, body.find(0) + 1) + 1
        rest = body[names:]
        return self._text(body[:names]) + (rest if code == _PARSE else self._bound(rest))

    def _bound(self, rest: bytes) -> bytes:
        """Formats and values; those in binary are texts only as `check_binary` says."""
        try:
            formats, start = fields.read_numbers("h", rest, 0)
            values, end = fields.read_values(rest, start)
            codes = spread_formats(formats, len(values))
        except MalformedMessage:
            return rest
        texts = [
            value if value is None or code == BINARY else self._text(value)
            for value, code in zip(values, codes, strict=True)
        ]
        return rest[:start] + fields.values(texts) + rest[end:]

    def _text(self, text: bytes) -> bytes:
        converted, wrong = self._recoder.receive(text)
        if wrong is not None:
            raise error_class("22P05")(_MISSING.format(f"0x{wrong:02x}", self.name, "UTF8"))
        return converted

    def send(self, messages: bytes, raw: Sequence[int]) -> tuple[bytes, Exception | None]:
        """Whole messages for the client, up to one with a character that it has none for, and that error, 22P05. `raw`
        are the columns of rows that are no text."""
        sent, missing = self._recoder.send(messages, raw)
        if missing is None:
            return sent, None
        spelled = " ".join(f"0x{byte:02x}" for byte in missing)
        return sent, error_class("22P05")(_MISSING.format(spelled, "UTF8", self.name))


@lru_cache(maxsize=64)
def find_recoding(name: str, codec: str) -> Recoding:
    return Recoding(name, codec)


def raw_columns(columns: Sequence[ResultColumn] | None, formats: Sequence[int]) -> tuple[int, ...]:
    """The columns, from 0, that are in binary and no text. Raises 0A000 where that is not known, or not so simple."""
    if BINARY not in formats:
        return ()
    if columns is None:
        raise _refusal("a result")
    codes = spread_formats(formats, len(columns))
    oids = [column.type.oid for column in columns]
    check_binary([oid for oid, code in zip(oids, codes, strict=True) if code == BINARY], _TEXTS | _RAW, "a result")
    return tuple(number for number, code in enumerate(codes) if code == BINARY and oids[number] in _RAW)


def check_parameters(oids: Sequence[int], formats: Sequence[int]) -> None:
    """Raises 0A000 for a parameter in binary that may hold text."""
    if BINARY in formats:
        codes = formats if len(formats) == len(oids) else (BINARY,) * len(oids)
        check_binary([oid for oid, code in zip(oids, codes, strict=True) if code == BINARY], _RAW, "a parameter")


def check_binary(oids: Sequence[int], admitted: frozenset[int], what: str) -> None:
    """Raises 0A000 for another type."""
    if not admitted.issuperset(oids):
        raise _refusal(what)


def _refusal(what: str) -> FeatureNotSupported:
    return FeatureNotSupported(
        f"{what} of such a type is not converted in the binary format",
        hint="Ask for text, or SET client_encoding TO UTF8.",
    )
