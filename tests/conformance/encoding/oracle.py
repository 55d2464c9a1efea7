"""PostgreSQL's bytes, and ours, cell by cell."""

from collections.abc import Iterator, Sequence

import psycopg
import pyarrow as pa
from psycopg.pq import ExecStatus

from catalog.types import PgType, ResultColumn
from gateway.pgwire.encode import ResultEncoder

Cells = list[bytes | None]
FORMATS = (0, 1)


class Oracle:
    """A connection whose results are looked at as they come."""

    def __init__(self, connection: psycopg.Connection) -> None:
        self._connection = connection

    def set(self, name: str, value: str) -> None:
        self._connection.execute("SELECT set_config(%s, %s, false)", (name, value))

    def send(self, sql: str, texts: Sequence[str | None], format_code: int) -> Cells:
        """What PostgreSQL sends for the first column of each row; $1 in the statement is the texts as an array."""
        parameter = psycopg.adapt.Transformer().as_literal(list(texts))
        command = sql.replace("$1", parameter.decode() + "::text[]").encode()
        result = self._connection.pgconn.exec_params(command, [], result_format=format_code)
        assert result.status == ExecStatus.TUPLES_OK, result.error_message.decode()
        return [result.get_value(row, 0) for row in range(result.ntuples)]

    def cast(self, texts: Sequence[str | None], spelling: str, format_code: int) -> Cells:
        """What PostgreSQL sends for those texts as values of a type."""
        sql = f"SELECT v::{spelling} FROM unnest($1) WITH ORDINALITY AS u(v, i) ORDER BY i"
        return self.send(sql, texts, format_code)

    def take(self, value: bytes, oid: int, format_code: int) -> bytes | tuple[str, str]:
        """How PostgreSQL prints a parameter of that type, or the SQLSTATE and message with which it refuses it."""
        result = self._connection.pgconn.exec_params(b"SELECT $1", [value], [oid], [format_code])
        if result.status == ExecStatus.TUPLES_OK:
            return result.get_value(0, 0) or b""
        field = psycopg.pq.DiagnosticField
        state, message = result.error_field(field.SQLSTATE), result.error_field(field.MESSAGE_PRIMARY)
        return (state or b"").decode(), (message or b"").decode()


class Settings(dict[str, str]):
    def current(self, name: str) -> str:
        return self[name]


def encode(values: pa.Array, type_: PgType, format_code: int, **settings: str) -> Cells:
    """What we send for a column of that type."""
    encoder = ResultEncoder([ResultColumn("c", type_)], [format_code], Settings(settings))
    return [cells[0] for cells in split_rows(encoder.encode(pa.record_batch([values], ["c"])))]


def split_rows(messages: bytes) -> Iterator[Cells]:
    """The cells of each DataRow message."""
    at = 0
    while at < len(messages):
        assert messages[at : at + 1] == b"D"
        end = at + 1 + int.from_bytes(messages[at + 1 : at + 5], "big")
        yield _split_cells(messages[at + 7 : end], int.from_bytes(messages[at + 5 : at + 7], "big"))
        at = end
    assert at == len(messages)


def _split_cells(body: bytes, count: int) -> Cells:
    cells: Cells = []
    at = 0
    for _ in range(count):
        length = int.from_bytes(body[at : at + 4], "big", signed=True)
        at += 4
        cells.append(None if length < 0 else body[at : at + length])
        at += max(length, 0)
    assert at == len(body)
    return cells
