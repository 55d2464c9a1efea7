"""Batches as they cross: without dictionaries, and small enough for a frame."""

from collections.abc import Iterator

import pyarrow as pa
import pyarrow.compute as pc

from catalog.errors import FeatureNotSupported, ProgramLimitExceeded
from compute.engines import Result
from compute.transport import MAX_BODY

FIRST_ROWS = 1024
"""Rows of a result's first batch: a client that looks at one page gets it early."""
TARGET_BYTES = 4 << 20


def plain_schema(schema: pa.Schema) -> pa.Schema:
    """Dictionaries replaced by their values: a lone batch could not carry them. Raises FeatureNotSupported."""
    if any(map(_holds_union, schema.types)):
        raise FeatureNotSupported("results cannot hold values of a union type")
    if not any(map(pa.types.is_dictionary, schema.types)):
        return schema
    return pa.schema([field.with_type(_plain_type(field.type)) for field in schema])


def _holds_union(kind: pa.DataType) -> bool:
    inner = (kind.field(number).type for number in range(kind.num_fields))
    return pa.types.is_union(kind) or any(map(_holds_union, inner))


def _plain_type(kind: pa.DataType) -> pa.DataType:
    return kind.value_type if pa.types.is_dictionary(kind) else kind


def plain_batches(result: Result) -> Iterator[tuple[pa.RecordBatch, bool]]:
    """The result's batches in pieces of about `TARGET_BYTES`, the first of `FIRST_ROWS`; each with whether it is known
    to be the last.

    Raises ProgramLimitExceeded.
    """
    schema = plain_schema(result.reader.schema)
    first = FIRST_ROWS
    for batch in result.reader:
        whole = batch if schema is batch.schema or schema == batch.schema else _decode(batch, schema)
        pieces = [*_split(whole.slice(0, first)), *_split(whole.slice(first))] if first else [*_split(whole)]
        for number, piece in enumerate(pieces, 1):
            yield piece, number == len(pieces) and batch.num_rows < result.full_rows
        first = 0


def _decode(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    columns = [pc.cast(c, c.type.value_type) if pa.types.is_dictionary(c.type) else c for c in batch.columns]
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def _split(batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    """What its buffers hold is an upper bound of its bytes, and far cheaper to tell."""
    if batch.num_rows == 0:
        return
    if batch.get_total_buffer_size() <= TARGET_BYTES or batch.nbytes <= TARGET_BYTES:
        yield batch
    elif batch.num_rows > 1:
        half = batch.num_rows // 2
        yield from _split(batch.slice(0, half))
        yield from _split(batch.slice(half))
    elif batch.nbytes < MAX_BODY - (1 << 20):
        yield batch
    else:
        raise ProgramLimitExceeded(f"a row of {batch.nbytes} bytes is too wide to be sent")
