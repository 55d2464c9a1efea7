"""A coverage-guided fuzzer of COPY FROM's data: `python tests/properties/fuzz_copy.py --seconds N`.

Any bytes, in any format, cut anywhere: only an SqlError may come of them, and the same bytes in one piece must read the
same. The parser is native code, of which the fuzzer sees no branches: it is led by what comes out.
"""

import struct
import sys
from pathlib import Path
from typing import Any

import atheris

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

with atheris.instrument_imports(include=["gateway.copy"]):
    import pyarrow as pa

    from catalog.errors import SqlError
    from catalog.types import Oid, PgType, ResultColumn, numeric
    from gateway.copy.columns import read_column
    from gateway.copy.verdict import Piece, Target, judge, value_error
    from gateway.pgwire.binary import EPOCH_DAYS
    from gateway.pgwire.calendar import LAST_DATE, Customs
    from gateway.pgwire.encode import BINARY, TEXT
    from gateway.variables import Variables
    from lakegate_native import CopyReader, TimeZone
    from tests.properties.fuzzing import run

SETTINGS = Variables({"TimeZone": "Europe/Berlin"})
CUSTOMS = Customs(TimeZone("Europe/Berlin"))
TYPES = (
    PgType(Oid.INT4), PgType(Oid.TEXT), numeric(6, 2), PgType(Oid.TIMESTAMPTZ), PgType(Oid.DATE), PgType(Oid.FLOAT4),
    PgType(Oid.VARCHAR, 7), PgType(1007), PgType(Oid.BYTEA), PgType(Oid.BOOL),
)  # fmt: skip
FORMATS: tuple[dict[str, Any], ...] = (
    {"format": "text"},
    {"format": "csv", "delimiter": ",", "null": ""},
    {"format": "binary"},
    {"format": "csv", "delimiter": ";", "null": "n", "quote": "'", "escape": "\\", "header": "skip"},
    {"format": "text", "delimiter": "|", "null": "", "default": "D", "header": "match"},
)
LONGEST = 4096


def read(settings: dict[str, Any], types: list[PgType], pieces: list[bytes]) -> tuple[list[str], list[str], list[str]]:
    """All rows, what is wrong in them, and what ended them."""
    columns = [ResultColumn(str(number), type_) for number, type_ in enumerate(types)]
    reader = CopyReader(columns=[(column.name, False, True) for column in columns], longest=LONGEST, **settings)
    target = Target("t", columns, frozenset({"0"}), SETTINGS)
    code = BINARY if settings["format"] == "binary" else TEXT
    rows_read: list[str] = []
    wrong: list[str] = []
    for number, piece in enumerate(pieces):
        rows = reader.feed(piece, last=number == len(pieces) - 1)
        batch = pa.record_batch(rows)
        batch.validate(full=True)
        cells = batch.columns[: len(columns)]
        done = [read_column(cell, type_, code, CUSTOMS) for cell, type_ in zip(cells, types, strict=True)]
        values, faults = [one for one, _ in done], [one for _, one in done]
        texts = None if code == BINARY else batch.column("text")
        judged = Piece(columns, cells, values, faults, batch.column("line"), texts, rows.fault)
        verdict = judge(judged, target)
        for row, column in verdict.wrong.items():
            wrong.append(show(value_error(judged, target, row, column)))
        good = pa.RecordBatch.from_arrays(values, [column.name for column in columns])
        good = good if verdict.end is None else good.slice(0, verdict.end_row)
        rows_read.extend(map(str, zip(*(plain(column).to_pylist() for column in good.columns), strict=True)))
        if verdict.end is not None:
            return rows_read, sorted(wrong), [show(verdict.end)]
        if rows.ended:
            break
    return rows_read, sorted(wrong), []


def plain(column: pa.Array) -> pa.Array:
    """Dates and timestamps as their numbers: Python has none as late as PostgreSQL's last."""
    if not pa.types.is_temporal(column.type):
        return column
    return column.view(pa.int32() if pa.types.is_date32(column.type) else pa.int64())


def show(error: SqlError) -> str:
    return f"{error.sqlstate} {error.message} {error.detail} {error.context}"


def fuzz(content: bytes) -> None:
    """The first byte picks the format, the second the types, the third how long the pieces are."""
    if len(content) < 3:
        return
    settings = FORMATS[content[0] % len(FORMATS)]
    types = [TYPES[(content[1] + number) % len(TYPES)] for number in range(1 + content[1] // 16 % 3)]
    size, body = content[2] % 40 + 1, content[3:]
    pieces = [*(body[at : at + size] for at in range(0, len(body), size)), b""]
    assert read(settings, types, [body]) == read(settings, types, pieces), "the pieces make a difference"


def seeds() -> list[bytes]:
    """Good rows of every format."""
    binary = b"PGCOPY\n\xff\r\n\0" + bytes(8) + b"\0\1\0\0\0\4\0\0\0\1\xff\xff"
    bodies = (
        b"1\tx\t2.5\n\\N\t\\x41\\101\\n\n\\.\n",
        b'1,"a,""b\nc",\r\n2,,3\r\n',
        binary,
        b"h\n1;'a\\'';n\n",
        b"0|1\n1|2\n",
    )
    kinds = (0, 16, 32, 35, 41, 70)
    last_date = bytes([2, 4, 7]) + b"PGCOPY\n\xff\r\n\0" + bytes(8) + struct.pack(">hii", 1, 4, LAST_DATE - EPOCH_DAYS)
    return [bytes([number, kind, 7]) + body for number, body in enumerate(bodies) for kind in kinds] + [last_date]


if __name__ == "__main__":
    sys.exit(run(fuzz, seeds))
