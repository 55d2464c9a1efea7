"""A coverage-guided fuzzer of parameters: `python tests/properties/fuzz_parameters.py --seconds N`.

Any bytes as the value of any type, in text and binary: only an SqlError may come of them, and what is accepted is a
valid Arrow row of the type's own kind.
"""

import struct
import sys
from contextlib import suppress
from pathlib import Path

import atheris

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

with atheris.instrument_imports(include=["gateway.pgwire"]):
    from catalog.errors import SqlError
    from catalog.types import ELEMENT_OF
    from gateway.pgwire.decode import decode_parameters
    from gateway.pgwire.encode import BINARY, TEXT
    from gateway.pgwire.types import ARROW_TYPES
    from tests.properties.fuzzing import run

OIDS = tuple(sorted({*ARROW_TYPES, *ELEMENT_OF}))
ZONES = ("UTC", "Europe/Berlin")
TEXTS = (
    b"1", b"-0x1F", b"1_000", b"1.5e3", b"NaN", b"-infinity", b"0x1.8p3", b"t", b"\\xff", b"\\\\001", b"2026-11-30",
    b"infinity", b"2026-11-30 01:02:03.456+01", b"Nov 30 2026 1:02 PM BC", b"2026-07-01 12:00 America/New_York",
    b"1-2 3 04:05:06", b"P1Y2M3DT4H", b"1 year 2 mons ago", b'{"a": [1, null]}', b"{1,NULL,\"a\\\"b\"}",
    b"a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11",
)  # fmt: skip
INTEGERS = (1, -1, 2**31 - 1, -(2**31), 2**63 - 1, -(2**63))


def fuzz(content: bytes) -> None:
    """The first byte picks the type, the second format and zone; a value that begins so may be cut in two."""
    if len(content) < 2:
        return
    oid, code = OIDS[content[0] % len(OIDS)], BINARY if content[1] & 1 else TEXT
    zone = ZONES[content[1] >> 1 & 1]
    with suppress(SqlError):
        row = decode_parameters([oid, oid], [code], [content[2:], None], zone)
        row.validate(full=True)
        assert row.column("p1").null_count == 0, "a value became NULL"
        assert row.column("p2").null_count == 1, "NULL became a value"


def seeds() -> list[bytes]:
    """Texts of every kind for every type, and what is good in binary."""
    texts = [bytes([number, zone << 1]) + text for number in range(len(OIDS)) for zone in (0, 1) for text in TEXTS]
    return texts + [bytes([number, 1]) + value for number, oid in enumerate(OIDS) for value in binaries(oid)]


def binaries(oid: int) -> list[bytes]:
    """Values of a type in binary, most of them good ones."""
    element = ELEMENT_OF.get(oid)
    if element is not None:
        parts = [struct.pack("!i", len(part)) + part for part in binaries(element)]
        head = struct.pack("!iiiii", 1, 0, element, len(parts), 1)
        return [head + b"".join(parts), struct.pack("!iii", 0, 0, element)]
    fitting = [(value, size) for size in (1, 2, 4, 8) for value in INTEGERS if value.bit_length() < 8 * size]
    numbers = [value.to_bytes(size, signed=True) for value, size in fitting]
    numeric = [struct.pack("!HhHHH", 1, 0, 0, 2, 15), struct.pack("!HhHHHHH", 3, 1, 0x4000, 4, 1, 2345, 6700)]
    return [*numbers, *numeric, struct.pack("!qii", 1, 2, 3), bytes(16), b"\x01{}", b"\x01[1.5]", "é".encode()]


if __name__ == "__main__":
    sys.exit(run(fuzz, seeds))
