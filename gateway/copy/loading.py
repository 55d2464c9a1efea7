"""A load in pieces: what came is read, judged and staged. Runs in a thread; nothing here waits for the client."""

import codecs
from math import inf

import numpy as np
import pyarrow as pa

from catalog.errors import (
    CharacterNotInRepertoire,
    InvalidTextRepresentation,
    SqlError,
    SuccessfulCompletion,
    error_class,
)
from gateway.copy.columns import arrow_type, read_column
from gateway.copy.staging import Staging
from gateway.copy.verdict import Piece, Target, Verdict, context, judge, shorten, value_error
from gateway.pgwire.encode import BINARY, TEXT, SessionSettings
from lakegate_native import CopyReader, CopyRows
from planner.copy import CopyFrom, find_forced
from planner.encodings import python_codec, single_byte

LONGEST_ROW = 64 * 2**20
"""Bytes of one row: what is not whole is held in memory."""


class Loader:
    """The data of one COPY FROM. `notices` are for the client, `skipped` is how many rows were wrong and left out."""

    def __init__(self, copy: CopyFrom, settings: SessionSettings, staging: Staging) -> None:
        self.notices: list[SqlError] = []
        self.skipped = 0
        self.ended = False
        self._copy = copy
        self._staging = staging
        self._target = Target(copy.table.name, copy.table_columns, copy.judged, settings)
        self._code = BINARY if copy.options.format == "binary" else TEXT
        self._reader = _make_reader(copy)
        self._encoding = copy.options.encoding or settings.current("client_encoding")
        self._decode = _make_decoder(copy, self._encoding)

    @property
    def _most_faults(self) -> float:
        """Beyond so many in one column the load has ended."""
        options = self._copy.options
        if not options.ignores_errors:
            return 1
        return options.reject_limit + 1 if options.reject_limit else inf

    @staticmethod
    def schema(copy: CopyFrom) -> pa.Schema:
        """Of what is staged."""
        return pa.schema([(column.name, arrow_type(column.type)) for column in copy.columns])

    @property
    def where(self) -> str:
        """Where in the data reading is."""
        return context(self._target.name, self._reader.line)

    def feed(self, data: bytes, *, last: bool = False) -> None:
        """Takes a piece. Raises the SqlError that ends the load."""
        if self._decode is not None:
            data = self._decoded(self._decode, data, last=last)
        while not self.ended:
            rows = self._reader.feed(data, last=last)
            self._take(rows)
            self.ended = rows.ended and rows.fault is None
            if rows.fault is None:
                break
            data = b""

    def _decoded(self, decode: codecs.IncrementalDecoder, data: bytes, *, last: bool) -> bytes:
        try:
            return decode.decode(data, last).encode()
        except UnicodeDecodeError as error:
            found = " ".join(f"0x{byte:02x}" for byte in error.object[error.start : error.end])
            name = single_byte(self._encoding)
            refusal: SqlError = CharacterNotInRepertoire(
                f'invalid byte sequence for encoding "{self._encoding.upper()}": {found}'
            )
            if name is not None:
                refusal = error_class("22P05")(
                    f'character with byte sequence {found} in encoding "{name}" has no equivalent in encoding "UTF8"'
                )
            refusal.context = self.where
            raise refusal from None

    def _take(self, rows: CopyRows) -> None:
        piece = self._piece(rows)
        verdict = judge(piece, self._target)
        if verdict.wrong and not self._copy.options.ignores_errors:
            row, column = min(verdict.wrong.items())
            raise value_error(piece, self._target, row, column)
        self._skip(piece, verdict)
        if verdict.end is not None:
            raise verdict.end
        self._stage(piece, verdict)

    def _piece(self, rows: CopyRows) -> Piece:
        batch = pa.record_batch(rows)
        columns = self._copy.columns
        cells = batch.columns[: len(columns)]
        read = [
            read_column(cell, column.type, self._code, self._target.customs, self._most_faults)
            for cell, column in zip(cells, columns, strict=True)
        ]
        texts = None if self._code == BINARY else batch.column("text")
        values, faults = [one for one, _ in read], [one for _, one in read]
        return Piece(columns, cells, values, faults, batch.column("line"), texts, rows.fault)

    def _skip(self, piece: Piece, verdict: Verdict) -> None:
        """Counts what is left out. Raises InvalidTextRepresentation beyond REJECT_LIMIT."""
        options = self._copy.options
        for row, column in sorted(verdict.wrong.items()):
            self.skipped += 1
            if options.verbosity == "verbose":
                self._tell(piece, row, column)
            if 0 < options.reject_limit < self.skipped:
                error = InvalidTextRepresentation(
                    f"skipped more than REJECT_LIMIT ({options.reject_limit}) rows due to data type incompatibility"
                )
                error.further = value_error(piece, self._target, row, column).further
                raise error

    def _tell(self, piece: Piece, row: int, column: int) -> None:
        value, line = piece.cells[column][row].as_py(), piece.lines[row].as_py()
        notice = SuccessfulCompletion(
            f"skipping row due to data type incompatibility at line {line} for column "
            f'"{piece.columns[column].name}": "{shorten(value)}"'
        )
        notice.context = f"COPY {self._target.name}"
        self.notices.append(notice)

    def _stage(self, piece: Piece, verdict: Verdict) -> None:
        batch = pa.RecordBatch.from_arrays(list(piece.values), schema=self.schema(self._copy))
        if verdict.wrong:
            keep = np.ones(piece.rows, bool)
            keep[list(verdict.wrong)] = False
            batch = batch.filter(pa.array(keep))
        if batch.num_rows:
            self._staging.add(batch)

    def summarise(self) -> None:
        """Tells of the rows that were left out, all together."""
        if self.skipped and self._copy.options.verbosity != "silent":
            rows = "1 row was" if self.skipped == 1 else f"{self.skipped} rows were"
            self.notices.append(SuccessfulCompletion(f"{rows} skipped due to data type incompatibility"))


def _make_reader(copy: CopyFrom) -> CopyReader:
    options, names = copy.options, [column.name for column in copy.columns]
    known, table = [column.name for column in copy.table_columns], copy.table.name
    not_null = find_forced("FORCE_NOT_NULL", options.force_not_null, names, known, table)
    null = find_forced("FORCE_NULL", options.force_null, names, known, table)
    columns = [(name, number in not_null, number in null) for number, name in enumerate(names)]
    return CopyReader(
        options.format,
        columns,
        longest=LONGEST_ROW,
        delimiter=options.delimiter,
        null=options.null,
        quote=options.quote,
        escape=options.escape,
        header=options.header,
        default=options.default,
    )


def _make_decoder(copy: CopyFrom, encoding: str) -> codecs.IncrementalDecoder | None:
    codec = python_codec(encoding)
    if copy.options.format == "binary" or codec is None or codec == "utf-8":
        return None
    return codecs.getincrementaldecoder(codec)()
