"""What is wrong with the rows of one piece, in the order in which PostgreSQL would come upon it.

A row at a time: its form, then its values from the first column on, then NULLs where none may be. Reference:
`CopyFromErrorCallback` in `copyfrom.c`; `ExecConstraints`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from catalog.errors import NotNullViolation, SqlError, error_class
from catalog.types import ResultColumn
from gateway.copy.columns import Faults
from gateway.pgwire.calendar import Customs
from gateway.pgwire.encode import ResultEncoder, SessionSettings, date_order, find_time_zone
from lakegate_native import CopyFault

_SHOWN = 100
_SHOWN_VALUE = 64
_FORM, _NULLS = -1, 1 << 16
"""When a row's form, and its NULLs, are looked at: before its first and behind its last column."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Rows as they were read, with the lines that they stood on; `faults` are their values', by column."""

    columns: Sequence[ResultColumn]
    cells: Sequence[pa.Array]
    values: Sequence[pa.Array]
    faults: Sequence[Faults]
    lines: pa.Array
    texts: pa.Array | None
    fault: CopyFault | None

    @property
    def rows(self) -> int:
        return len(self.lines)


@dataclass(frozen=True, slots=True)
class Target:
    """The table: its bare name, all its columns, and those that are never NULL; and how the session spells values."""

    name: str
    columns: Sequence[ResultColumn]
    required: frozenset[str]
    settings: SessionSettings

    @property
    def customs(self) -> Customs:
        zone = find_time_zone(self.settings.current("TimeZone"))
        return Customs(zone, date_order(self.settings.current("DateStyle")))


@dataclass(slots=True)
class Verdict:
    """`wrong` has for each row that holds a wrong value the first such column; `end` is the error that ends the load,
    at `end_row`. Rows before that are good unless they are wrong."""

    wrong: dict[int, int] = field(default_factory=dict)
    end: SqlError | None = None
    end_row: int = 0


def judge(piece: Piece, target: Target) -> Verdict:
    """The rows of a piece, without regard to ON_ERROR."""
    wrong: dict[int, int] = {}
    for column, faults in enumerate(piece.faults):
        for row in faults:
            wrong.setdefault(row, column)
    ends = [found for found in (_null_end(piece, target, wrong), _form_end(piece, target, wrong)) if found is not None]
    if not ends:
        return Verdict(wrong)
    row, _, error = min(ends, key=lambda end: end[:2])
    return Verdict({at: column for at, column in wrong.items() if at < row}, error, row)


def _form_end(piece: Piece, target: Target, wrong: dict[int, int]) -> tuple[int, int, SqlError] | None:
    fault = piece.fault
    if fault is None or (fault.column is not None and fault.row in wrong):
        return None
    error = error_class(fault.sqlstate)(fault.message, detail=fault.detail, hint=fault.hint)
    error.severity = "ERROR"
    if fault.placed:
        error.context = context(target.name, fault.line, text=fault.text)
    if fault.placed and piece.texts is None and fault.column is not None:
        error.context = context(target.name, fault.line, piece.columns[fault.column].name)
    return fault.row, _FORM if fault.column is None else fault.column, error


def _null_end(piece: Piece, target: Target, wrong: dict[int, int]) -> tuple[int, int, SqlError] | None:
    """The first row with a NULL where none may be. A row of a broken form has been refused for that already."""
    given = {column.name: values for column, values in zip(piece.columns, piece.values, strict=True)}
    is_bad = np.zeros(piece.rows, bool)
    for name in target.required:
        is_bad |= given[name].is_null().to_numpy(zero_copy_only=False) if name in given else True
    is_bad[list(wrong)] = False
    rows = np.flatnonzero(is_bad)
    if not len(rows):
        return None
    row = int(rows[0])
    error = null_error(row, given, target)
    text = None if piece.texts is None else piece.texts[row].as_py()
    error.context = context(target.name, piece.lines[row].as_py(), text=text)
    return row, _NULLS, error


def null_error(row: int, given: Mapping[str, pa.Array], target: Target) -> NotNullViolation:
    """The error of a row with a NULL where none may be, out of the columns that are given."""
    column = next(
        column.name
        for column in target.columns
        if column.name in target.required and (column.name not in given or not given[column.name][row].is_valid)
    )
    return NotNullViolation(
        f'null value in column "{column}" of relation "{target.name}" violates not-null constraint',
        detail=f"Failing row contains ({', '.join(_show(row, given, target))}).",
    )


def _show(row: int, given: Mapping[str, pa.Array], target: Target) -> list[str]:
    """A row's values as `ExecBuildSlotValueDescription` shows them."""
    shown = []
    for column in target.columns:
        if column.name not in given or not given[column.name][row].is_valid:
            shown.append("null")
            continue
        batch = pa.RecordBatch.from_arrays([given[column.name].slice(row, 1)], ["value"])
        encoder = ResultEncoder((column,), (), target.settings)
        shown.append(shorten(encoder.encode(batch)[11:].decode(), _SHOWN_VALUE))
    return shown


def value_error(piece: Piece, target: Target, row: int, column: int) -> SqlError:
    """The error of a wrong value, with where it stands."""
    error = piece.faults[column][row]
    value = None if piece.texts is None else piece.cells[column][row].as_py()
    error.severity = "ERROR"
    error.context = context(target.name, piece.lines[row].as_py(), piece.columns[column].name, value)
    return error


def context(
    table: str, line: int, column: str | None = None, value: str | None = None, *, text: str | None = None
) -> str:
    """Where in the data an error is, as PostgreSQL says it. `text` is the line, shortened already."""
    place = f"COPY {table}, line {line}"
    if column is not None:
        return f"{place}, column {column}" + ("" if value is None else f': "{shorten(value)}"')
    return place if text is None else f'{place}: "{text}"'


def shorten(text: str, most: int = _SHOWN) -> str:
    """The first bytes of a text, whole characters only."""
    encoded = text.encode()
    return text if len(encoded) <= most else encoded[:most].decode(errors="ignore") + "..."
