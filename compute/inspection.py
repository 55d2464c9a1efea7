"""What a guest has sent, looked at before it is believed: it may be anybody's by now.

Arrow's reader checks a message's own shape. What it does not check would be believed by everything behind it: offsets
and text that point or run outside, types that stand for more than they hold, compressed buffers. So every batch is
validated in full, types are those that our guests send, and cells are in proportion to the bytes that came.
"""

import re
import struct
from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from catalog.errors import InternalError, SqlError, error_class
from compute.transport import FrameError

MAX_SCHEMA_BYTES = 16 << 20
MAX_BATCH_BYTES = 16 << 20
"""Of more than one row: our guests split at a quarter of it, and looking at more would take long."""
CELLS_FOR_NOTHING = 1 << 20
"""Cells that may take no bytes: those of columns without a value in them."""
MAX_TEXT = 64 << 10
_HEADER_FIELD, _COMPRESSION_FIELD = 2, 3
"""Of the tables Message and RecordBatch in Arrow's ``Message.fbs`` (their places among the fields)."""
_SQLSTATE = re.compile("[0-9A-Z]{5}")
_READ_ERRORS = (pa.ArrowException, OSError, EOFError, MemoryError, UnicodeDecodeError)


def read_schema(body: pa.Buffer | None) -> pa.Schema:
    """The schema that its batches will be read by. Raises FrameError."""
    if body is None or body.size > MAX_SCHEMA_BYTES:
        raise FrameError("a schema has a body, of 16 MiB at most")
    try:
        schema = pa.ipc.read_schema(body)
        for field in schema:
            _check_field(field)
    except _READ_ERRORS as error:
        raise FrameError("malformed schema") from error
    return schema


def read_batch(body: pa.Buffer | None, schema: pa.Schema) -> pa.RecordBatch:
    """A batch with rows in it, whose every value may be read. Raises FrameError."""
    if body is None or _is_compressed(body):
        raise FrameError("a batch has a body, and is not compressed")
    try:
        batch = pa.ipc.read_record_batch(body, schema)
        batch.validate()
        if batch.num_rows == 0:
            raise FrameError("a batch has rows")
        if batch.num_rows > 1 and body.size > MAX_BATCH_BYTES:
            raise FrameError(f"a batch of {batch.num_rows} rows has {body.size} bytes")
        _check_cells(batch, body.size)
        batch.validate(full=True)
    except _READ_ERRORS as error:
        raise FrameError("malformed batch") from error
    return batch


def read_error(control: Mapping[str, Any]) -> SqlError:
    """The engine's error, fit to be shown; it ends the statement and nothing else."""
    sqlstate, position = str(control.get("sqlstate")), control.get("position")
    error = error_class(sqlstate if _SQLSTATE.fullmatch(sqlstate) else InternalError.sqlstate)(
        _text(control.get("message")) or "the engine failed",
        detail=_text(control.get("detail")),
        hint=_text(control.get("hint")),
        position=position if isinstance(position, int) else None,
    )
    error.severity = "ERROR"
    return error


def read_count(control: Mapping[str, Any]) -> int | None:
    """Rows affected, where the engine knows. Raises FrameError."""
    count = control.get("affected")
    if count is not None and (type(count) is not int or not 0 <= count < 1 << 63):
        raise FrameError("malformed count")
    return count


def read_usage(control: Mapping[str, Any]) -> Mapping[str, float]:
    """What a guest says it has used. Raises FrameError."""
    if not all(isinstance(value, int | float) for value in control.values()):
        raise FrameError("malformed usage")
    return control


def _text(value: object) -> str | None:
    return value[:MAX_TEXT] if isinstance(value, str) else None


def _check_field(field: pa.Field) -> None:
    """Raises FrameError, and UnicodeDecodeError for a name that is no text: Arrow decodes it when it is looked at."""
    assert isinstance(field.name, str)
    _check_type(field.type)


def _check_type(kind: pa.DataType) -> None:
    """Raises FrameError for types whose values may share bytes, so that a few stand for very many, and for numbers that
    neither PostgreSQL nor Arrow's C interface has."""
    is_type = pa.types
    if isinstance(kind, pa.BaseExtensionType):
        _check_type(kind.storage_type)
    elif is_type.is_nested(kind):
        if not (is_type.is_struct(kind) or is_type.is_map(kind) or _is_list(kind)):
            raise FrameError(f"values of type {kind} are not sent")
        for number in range(kind.num_fields):
            _check_field(kind.field(number))
    elif is_type.is_timestamp(kind):
        assert kind.tz is None or isinstance(kind.tz, str)
    elif is_type.is_decimal(kind):
        if not 0 <= kind.scale <= kind.precision:
            raise FrameError(f"values of type {kind} are not sent")
    elif is_type.is_dictionary(kind) or is_type.is_string_view(kind) or is_type.is_binary_view(kind):
        raise FrameError(f"values of type {kind} are not sent")


def _is_list(kind: pa.DataType) -> bool:
    is_type = pa.types
    return any(check(kind) for check in (is_type.is_list, is_type.is_large_list, is_type.is_fixed_size_list))


def _check_cells(batch: pa.RecordBatch, size: int) -> None:
    cells = max(batch.num_rows, sum(_cells(column) for column in batch.columns))
    if cells > max(CELLS_FOR_NOTHING, 8 * size):
        raise FrameError(f"a batch of {size} bytes does not hold {cells} cells")


def _cells(array: pa.Array) -> int:
    """Its own and those inside: of all that it holds, even where no row shows them."""
    if isinstance(array, pa.ExtensionArray):
        return _cells(array.storage)
    if pa.types.is_struct(array.type):
        return max(len(array), sum(_cells(array.field(number)) for number in range(array.type.num_fields)))
    if pa.types.is_nested(array.type):
        return len(array) + _cells(array.values)
    return len(array)


def _is_compressed(body: pa.Buffer) -> bool:
    """Whether the batch's metadata names a codec. Raises FrameError where there is no such metadata.

    Encapsulated messages begin with a mark and the metadata's length; a table of a flatbuffer begins with the way back
    to the list of its fields' places.
    """
    text = memoryview(body)
    try:
        mark, _length, root = struct.unpack_from("<IiI", text)
        if mark != 0xFFFFFFFF:
            raise FrameError("a batch is an encapsulated message")
        message = 8 + root
        header = _place(text, message, _HEADER_FIELD)
        batch = header + struct.unpack_from("<I", text, header)[0]
        return bool(_place(text, batch, _COMPRESSION_FIELD) != batch)
    except struct.error as error:
        raise FrameError("malformed batch") from error


def _place(text: memoryview, table: int, field: int) -> int:
    """Where a table's field lies; the table's own place for one that is not there."""
    (back,) = struct.unpack_from("<i", text, table)
    (length,) = struct.unpack_from("<H", text, table - back)
    entry = 4 + 2 * field
    return table + (struct.unpack_from("<H", text, table - back + entry)[0] if entry < length else 0)
