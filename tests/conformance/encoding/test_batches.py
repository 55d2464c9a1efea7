"""The shapes that batches come in: slices, chunks of rows, dictionaries, nulls, no rows, no columns."""

import random
from concurrent.futures import ThreadPoolExecutor

import pgpq
import pyarrow as pa
import pytest

from catalog.errors import (
    CharacterNotInRepertoire,
    DatatypeMismatch,
    FeatureNotSupported,
    InvalidParameterValue,
    NumericValueOutOfRange,
    ProtocolViolation,
    SqlError,
)
from catalog.types import Oid, PgType, ResultColumn
from gateway.pgwire.encode import ResultEncoder
from lakegate_native import Encoder, TimeZone
from tests.conformance.encoding.oracle import Settings, encode, split_rows

UTC = TimeZone("UTC")
COPY_HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
COPY_END = b"\xff\xff"
RANDOM = random.Random(23)
COLUMNS = {
    "a": (Oid.INT8, pa.array([1, None, 3, 4, None])),
    "b": (Oid.TEXT, pa.array(["x", "yy", None, "", "zzz"])),
    "c": (Oid.BOOL, pa.array([True, False, None, True, False])),
    "d": (Oid.FLOAT8, pa.array([1.5, None, 2.5, -0.0, 1e300])),
    "e": (1007, pa.array([[1], [], None, [2, None], [3, 4]], pa.list_(pa.int32()))),
    "f": (Oid.TEXT, pa.array(["p", "q", "p", None, "q"]).dictionary_encode()),
    "g": (Oid.JSONB, pa.array([{"k": 1}, None, {"k": None}, {"k": 4}, {"k": 5}])),
    "h": (Oid.TEXT, pa.nulls(5)),
}
BATCH = pa.record_batch({name: array for name, (_, array) in COLUMNS.items()})
DESCRIBED = [ResultColumn(name, PgType(oid)) for name, (oid, _) in COLUMNS.items()]


@pytest.mark.parametrize("formats", [(), (1,), (0, 1, 0, 1, 0, 1, 0, 1)])
def test_any_slice_gives_the_same_rows(formats: tuple[int, ...]) -> None:
    encoder = ResultEncoder(DESCRIBED, formats, Settings())
    rows = list(split_rows(encoder.encode(BATCH)))
    for start in range(6):
        for length in range(6 - start):
            expected = rows[start : start + length]
            assert list(split_rows(encoder.encode(BATCH, start, length))) == expected
            assert list(split_rows(encoder.encode(BATCH.slice(start, length)))) == expected


def test_formats_apply_one_for_all_or_one_each() -> None:
    mixed = ResultEncoder(DESCRIBED[:2], (1, 0), Settings()).encode(BATCH.select(["a", "b"]).slice(0, 1))
    assert list(split_rows(mixed)) == [[b"\0\0\0\0\0\0\0\1", b"x"]]
    with pytest.raises(ProtocolViolation):
        ResultEncoder(DESCRIBED, (0, 1), Settings())
    with pytest.raises(InvalidParameterValue):
        ResultEncoder(DESCRIBED, (2,), Settings())


def test_no_rows_and_no_columns() -> None:
    assert ResultEncoder(DESCRIBED, (), Settings()).encode(BATCH.slice(5)) == b""
    empty = pa.RecordBatch.from_struct_array(pa.array([{}, {}], pa.struct([])))
    assert Encoder([], time_zone=UTC).encode(empty) == b"D\0\0\0\6\0\0" * 2


def test_threads_share_an_encoder() -> None:
    encoder = ResultEncoder(DESCRIBED, (), Settings())
    expected = encoder.encode(BATCH)
    with ThreadPoolExecutor(4) as threads:
        assert set(threads.map(encoder.encode, [BATCH] * 64)) == {expected}


def test_binary_is_what_pgpq_writes() -> None:
    """An independent encoder of COPY binary: a header, then rows that differ from ours in their framing only."""
    count = 500
    batch = pa.record_batch(
        {
            "i": pa.array([RANDOM.randrange(-(2**63), 2**63) for _ in range(count)]),
            "s": pa.array([RANDOM.randrange(-(2**15), 2**15) for _ in range(count)], pa.int16()),
            "f": pa.array([RANDOM.uniform(-1e9, 1e9) for _ in range(count)]),
            "t": pa.array([None if RANDOM.random() < 0.2 else "x" * RANDOM.randrange(20) for _ in range(count)]),
            "b": pa.array([RANDOM.random() < 0.5 for _ in range(count)]),
            "d": pa.array([RANDOM.randrange(-(10**5), 10**5) for _ in range(count)], pa.int32()).view(pa.date32()),
            "m": pa.array([RANDOM.randrange(10**15) for _ in range(count)], pa.timestamp("us")),
        }
    )
    oids = (Oid.INT8, Oid.INT2, Oid.FLOAT8, Oid.TEXT, Oid.BOOL, Oid.DATE, Oid.TIMESTAMP)
    encoder = pgpq.ArrowToPostgresBinaryEncoder(batch.schema)
    written = encoder.write_header() + encoder.write_batch(batch) + encoder.finish()
    theirs = written[len(COPY_HEADER) : -len(COPY_END)]
    ours = Encoder([(oid, -1, 1) for oid in oids], time_zone=UTC, framing="copy").encode(batch)
    unframed, at = bytearray(), 0
    while at < len(ours):
        assert ours[at : at + 1] == b"d"
        end = at + 1 + int.from_bytes(ours[at + 1 : at + 5], "big")
        unframed += ours[at + 5 : end]
        at = end
    assert bytes(unframed) == bytes(theirs)


@pytest.mark.parametrize(
    ("array", "oid", "error"),
    [
        (pa.array([2**31]), Oid.INT4, NumericValueOutOfRange),
        (pa.array([-1]), Oid.OID, NumericValueOutOfRange),
        (pa.array([2**63], pa.uint64()), Oid.INT8, NumericValueOutOfRange),
        (pa.array(["a\0b"]), Oid.TEXT, CharacterNotInRepertoire),
        (pa.array(["a\0b"], pa.string_view()), Oid.VARCHAR, CharacterNotInRepertoire),
        (pa.array(["x"]), Oid.INT4, DatatypeMismatch),
        (pa.array([1]), Oid.TEXT, DatatypeMismatch),
        (pa.array([0], pa.timestamp("us")), Oid.TIMESTAMPTZ, DatatypeMismatch),
        (pa.array([0], pa.timestamp("us", "UTC")), Oid.TIMESTAMP, DatatypeMismatch),
        (pa.array([1]), Oid.TIME, FeatureNotSupported),
        (pa.array(["not json"]), Oid.JSONB, SqlError),
        (pa.array(["[1,"]), Oid.JSONB, SqlError),
        (pa.array(["[" * 10_000]), Oid.JSONB, SqlError),
        (pa.array(["no uuid"]), Oid.UUID, SqlError),
        (pa.array([-(2**63) + 2], pa.timestamp("us")), Oid.TIMESTAMP, SqlError),
        (pa.array([2**62], pa.timestamp("s")), Oid.TIMESTAMP, SqlError),
    ],
    ids=str,
)
def test_what_cannot_be_sent_is_refused(array: pa.Array, oid: int, error: type[SqlError]) -> None:
    with pytest.raises(error):
        encode(array, PgType(oid), 0)


def test_a_batch_of_other_columns_is_refused() -> None:
    with pytest.raises(DatatypeMismatch):
        ResultEncoder(DESCRIBED[:1], (), Settings()).encode(BATCH)
    with pytest.raises(ValueError, match="not in a batch of 5"):
        ResultEncoder(DESCRIBED, (), Settings()).encode(BATCH, 4, 2)
    with pytest.raises(ValueError, match="a record batch is needed"):
        Encoder([(20, -1, 0)], time_zone=UTC).encode(pa.array([1]))


@pytest.mark.parametrize(("date", "interval"), [("Julian, DMY", "postgres"), ("ISO, MDY", "sql")])
def test_styles_that_do_not_exist_are_refused(date: str, interval: str) -> None:
    with pytest.raises(ValueError, match="no styles"):
        Encoder([], time_zone=UTC, date_style=date, interval_style=interval)


def test_a_row_of_over_a_gigabyte_is_refused() -> None:
    large = pa.array([b"x" * (2**29)], pa.large_binary())
    with pytest.raises(SqlError, match="exceeds the limit of 1 GB"):
        encode(large, PgType(Oid.BYTEA), 0)
