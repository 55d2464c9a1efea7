"""What PostgreSQL writes with any options is read back alike, however it is cut."""

from collections.abc import Iterator
from typing import Any

import psycopg
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lakegate_native import CopyReader
from tests.conformance.copy.test_out import read
from tests.target import Target

TEXTS = st.none() | st.text(st.sampled_from("ab\\N.n\t\r\n\"',|;~ \x01é🦆x0"), max_size=8)
ROWS = st.lists(st.tuples(TEXTS, TEXTS), max_size=5)
MARKS = st.sampled_from("|;~\x01%")


@st.composite
def options(draw: st.DrawFn) -> dict[str, Any]:
    """Settings of a reader that PostgreSQL takes as options too."""
    form = draw(st.sampled_from(["text", "csv"]))
    delimiter = draw(MARKS)
    null = draw(st.sampled_from(["", "\\N", "N", "ab"]))
    found: dict[str, Any] = {"format": form, "delimiter": delimiter, "null": null}
    if form == "csv":
        found["quote"] = draw(st.sampled_from("\"'x").filter(lambda mark: mark not in null))
        found["escape"] = draw(st.sampled_from(['"', "'", "\\", found["quote"]]))
    return {**found, "header": draw(st.sampled_from(["absent", "skip", "match"]))}


@pytest.fixture(scope="module")
def connection(postgres: Target) -> Iterator[psycopg.Connection]:
    with postgres.connect() as connection:
        yield connection


@settings(max_examples=150, deadline=None)
@given(rows=ROWS, chosen=options(), size=st.integers(1, 9))
def test_texts_come_back(
    connection: psycopg.Connection, rows: list[tuple[str | None, str | None]], chosen: dict[str, Any], size: int
) -> None:
    quoted = [", ".join("NULL" if cell is None else psycopg.sql.quote(cell) for cell in row) for row in rows]
    values = (
        " UNION ALL ".join(f"SELECT {number}, {row}" for number, row in enumerate(quoted)) or "SELECT 1, '', '' LIMIT 0"
    )
    spelt = ", ".join(
        f"{name} {psycopg.sql.quote(value)}" for name, value in chosen.items() if name not in ("header", "format")
    )
    header = "" if chosen["header"] == "absent" else ", HEADER"
    source = f"SELECT a, b FROM ({values}) AS v (n, a, b) ORDER BY n"
    sql = f"COPY ({source}) TO STDOUT (FORMAT {chosen['format']}, {spelt}{header})"
    written = b"".join(read(connection, sql)[0])
    reader = CopyReader(columns=[("a", False, False), ("b", False, False)], longest=1 << 20, **chosen)
    pieces = [written[at : at + size] for at in range(0, len(written), size)]
    found: list[tuple[str | None, str | None]] = []
    for piece in (*pieces, None):
        got = reader.feed(piece or b"", last=piece is None)
        assert got.fault is None
        batch = pa.record_batch(got)
        found += zip(batch.column(0).to_pylist(), batch.column(1).to_pylist(), strict=True)
    # The text format cannot tell a text that is the marker of NULL.
    ambiguous = chosen["null"] if chosen["format"] == "text" and chosen["null"] != "\\N" else None
    assert found == [tuple(None if cell == ambiguous else cell for cell in row) for row in rows]
