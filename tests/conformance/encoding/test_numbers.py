"""Booleans, integers, floats and numerics: byte for byte as PostgreSQL sends them."""

import math
import random
import struct
from collections.abc import Iterable, Iterator
from decimal import Decimal

import pyarrow as pa
import pytest

from catalog.types import Oid, PgType, numeric
from tests.conformance.encoding.oracle import FORMATS, Oracle, encode

INTEGERS = {
    "int2": (Oid.INT2, pa.int16(), 16),
    "int4": (Oid.INT4, pa.int32(), 32),
    "int8": (Oid.INT8, pa.int64(), 64),
}
RANDOM = random.Random(20)
FLOATS = 200_000


@pytest.mark.parametrize("format_code", FORMATS)
def test_booleans(byte_oracle: Oracle, format_code: int) -> None:
    values = [True, None, False]
    expected = byte_oracle.cast(["t", None, "f"], "bool", format_code)
    assert encode(pa.array(values), PgType(Oid.BOOL), format_code) == expected


@pytest.mark.parametrize("format_code", FORMATS)
@pytest.mark.parametrize("spelling", INTEGERS)
def test_integers(byte_oracle: Oracle, spelling: str, format_code: int) -> None:
    oid, arrow_type, bits = INTEGERS[spelling]
    most = 2 ** (bits - 1)
    some = (RANDOM.randrange(-most, most) >> RANDOM.randrange(bits) for _ in range(500))
    values = [0, 1, -1, most - 1, -most, None, *some]
    expected = byte_oracle.cast([None if value is None else str(value) for value in values], spelling, format_code)
    assert encode(pa.array(values, arrow_type), PgType(oid), format_code) == expected


@pytest.mark.parametrize("format_code", FORMATS)
def test_oids(byte_oracle: Oracle, format_code: int) -> None:
    values = [0, 1, 2**31, 2**32 - 1]
    expected = byte_oracle.cast([str(value) for value in values], "oid", format_code)
    assert encode(pa.array(values, pa.int64()), PgType(Oid.OID), format_code) == expected


def _finite(values: Iterable[float]) -> Iterator[float]:
    return (value for value in values if math.isfinite(value))


def float8_samples() -> list[float]:
    bits = _finite(struct.unpack("<d", RANDOM.randbytes(8))[0] for _ in range(FLOATS // 2))
    money = (RANDOM.randrange(10**9) / 10 ** RANDOM.randrange(12) for _ in range(FLOATS // 4))
    large = (float(RANDOM.randrange(2**53) << RANDOM.randrange(64)) for _ in range(FLOATS // 4))
    powers = (sign * 2.0**exponent for sign in (1, -1) for exponent in range(-1074, 1024))
    leading = ("1", "9.5", "9.999999999999999")
    tens = (float(f"{digits}e{exponent}") for digits in leading for exponent in range(-323, 308))
    edges = (0.0, -0.0, float("inf"), float("-inf"), float("nan"), 5e-324, 1.7976931348623157e308, 0.1, 1e22, 1e23)
    return [*edges, *powers, *tens, *bits, *money, *large]


def float4_samples() -> list[float]:
    bits = _finite(struct.unpack("<f", RANDOM.randbytes(4))[0] for _ in range(FLOATS // 2))
    money = (RANDOM.randrange(10**6) / 10 ** RANDOM.randrange(9) for _ in range(FLOATS // 4))
    large = (float(RANDOM.randrange(2**24) << RANDOM.randrange(40)) for _ in range(FLOATS // 4))
    powers = (sign * 2.0**exponent for sign in (1, -1) for exponent in range(-149, 128))
    return [0.0, -0.0, float("inf"), float("-inf"), float("nan"), *powers, *bits, *money, *large]


@pytest.mark.parametrize("format_code", FORMATS)
@pytest.mark.parametrize("spelling", ["float8", "float4"])
def test_floats(byte_oracle: Oracle, spelling: str, format_code: int) -> None:
    if spelling == "float8":
        values, oid = pa.array(float8_samples(), pa.float64()), Oid.FLOAT8
    else:
        values, oid = pa.array(float4_samples(), pa.float64()).cast(pa.float32(), safe=False), Oid.FLOAT4
    expected = byte_oracle.cast([repr(value) for value in values.to_pylist()], spelling, format_code)
    assert _differences(encode(values, PgType(oid), format_code), expected) == []


def _differences(ours: list, theirs: list) -> list:
    return [pair for pair in zip(ours, theirs, strict=True) if pair[0] != pair[1]]


def decimals(precision: int, scale: int) -> list[str | None]:
    most = 10**precision - 1
    edges = [0, 1, -1, most, -most, 10 ** (precision - 1), 9999, 10000, -10001]
    unscaled = [*edges, *(RANDOM.randrange(-most, most + 1) // 10 ** RANDOM.randrange(precision) for _ in range(300))]
    return [None, *(f"{value}e-{scale}" for value in unscaled if abs(value) <= most)]


@pytest.mark.parametrize("format_code", FORMATS)
@pytest.mark.parametrize(
    ("precision", "scale"), [(38, 0), (38, 10), (38, 37), (38, 38), (20, 3), (15, 2), (9, 9), (5, 1), (1, 0)]
)
def test_numerics(byte_oracle: Oracle, precision: int, scale: int, format_code: int) -> None:
    texts = decimals(precision, scale)
    exact = pa.array([None if text is None else Decimal(text) for text in texts], pa.decimal128(precision, scale))
    expected = byte_oracle.cast(texts, f"numeric({precision},{scale})", format_code)
    assert encode(exact, numeric(precision, scale), format_code) == expected
    assert encode(exact, PgType(Oid.NUMERIC), format_code) == expected
    assert encode(exact.cast(pa.decimal256(76, 38)), numeric(precision, scale), format_code) == expected


@pytest.mark.parametrize("format_code", FORMATS)
def test_wide_numerics(byte_oracle: Oracle, format_code: int) -> None:
    texts = ["1" + "0" * 75, "-1" + "0" * 38, "1" + "0" * 30 + "1" + "0" * 44]
    exact = pa.array([Decimal(text) for text in texts], pa.decimal256(76, 0))
    assert encode(exact, PgType(Oid.NUMERIC), format_code) == byte_oracle.cast(texts, "numeric", format_code)


@pytest.mark.parametrize("format_code", FORMATS)
@pytest.mark.parametrize("scale", [0, 2, 5])
def test_numerics_round_to_the_typmod(byte_oracle: Oracle, scale: int, format_code: int) -> None:
    texts = ["0.005", "-0.005", "0.004", "-0.0049", "1.995", "9.995", "-9.995", "999.999", "0.5", "1.5", "0"]
    exact = pa.array([Decimal(text) for text in texts], pa.decimal128(10, 4))
    expected = byte_oracle.cast(texts, f"numeric(10,{scale})", format_code)
    assert encode(exact, numeric(10, scale), format_code) == expected
    assert encode(pa.array([float(text) for text in texts]), numeric(10, scale), format_code) == expected


@pytest.mark.parametrize("format_code", FORMATS)
def test_numerics_from_integers(byte_oracle: Oracle, format_code: int) -> None:
    values = [0, 7, -12, 10_000, 2**63 - 1, -(2**63)]
    texts = [str(value) for value in values]
    assert encode(pa.array(values), PgType(Oid.NUMERIC), format_code) == byte_oracle.cast(texts, "numeric", format_code)
    expected = byte_oracle.cast(texts, "numeric(30,4)", format_code)
    assert encode(pa.array(values), numeric(30, 4), format_code) == expected


@pytest.mark.parametrize("format_code", FORMATS)
def test_numerics_from_floats(byte_oracle: Oracle, format_code: int) -> None:
    values = [0.0, 1.5, -0.1, 1e22, 1e-7, 123456.789, 5e-324, 1e300, float("nan"), float("inf"), float("-inf")]
    expected = byte_oracle.cast([repr(value).removesuffix(".0") for value in values], "numeric", format_code)
    assert encode(pa.array(values), PgType(Oid.NUMERIC), format_code) == expected


@pytest.mark.parametrize("format_code", FORMATS)
def test_numerics_of_negative_scale(byte_oracle: Oracle, format_code: int) -> None:
    expected = byte_oracle.cast(["1250", "-50", "49"], "numeric(5,-2)", format_code)
    assert encode(pa.array([1250, -50, 49]), numeric(5, -2), format_code) == expected
