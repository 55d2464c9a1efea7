"""RowDescription and text rows, byte for byte as the protocol's "Message Formats" lays them out."""

import pytest

from catalog.errors import ProtocolViolation
from catalog.types import Oid, PgType, ResultColumn, numeric
from gateway.pgwire.encode import spread_formats
from gateway.rows import describe_rows, encode_text_row, with_formats

COLUMNS = (ResultColumn("n", PgType(Oid.INT4)), ResultColumn("größe", numeric(15, 2)))


def test_row_description_layout() -> None:
    assert describe_rows(COLUMNS) == (
        b"T\x00\x00\x00\x34\x00\x02"
        b"n\0\x00\x00\x00\x00\x00\x00\x00\x00\x00\x17\x00\x04\xff\xff\xff\xff\x00\x00"
        b"gr\xc3\xb6\xc3\x9fe\0\x00\x00\x00\x00\x00\x00\x00\x00\x06\xa4\xff\xff\x00\x0f\x00\x06\x00\x00"
    )


def test_formats_are_put_into_a_ready_message() -> None:
    assert with_formats(describe_rows(COLUMNS), (0, 1)) == describe_rows(COLUMNS, (0, 1))
    assert with_formats(describe_rows(COLUMNS), (1,)) == describe_rows(COLUMNS, (1, 1))
    assert with_formats(describe_rows(COLUMNS), ()) == describe_rows(COLUMNS)


def test_a_wrong_number_of_formats_is_a_violation() -> None:
    with pytest.raises(ProtocolViolation):
        spread_formats((0, 1, 0), 2)


def test_text_row_tells_null_from_empty() -> None:
    assert (
        encode_text_row(("a", None, ""))
        == b"D\x00\x00\x00\x13\x00\x03\x00\x00\x00\x01a\xff\xff\xff\xff\x00\x00\x00\x00"
    )
