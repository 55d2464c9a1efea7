# What each of these does is told by its __doc__, out of the Rust source.

from collections.abc import Sequence
from typing import Any, Literal, Protocol, final

class _RecordBatch(Protocol):
    def __arrow_c_array__(self, requested_schema: object | None = None) -> tuple[Any, Any]: ...

class EncodeError(ValueError):
    sqlstate: str

@final
class TimeZone:
    name: str
    def __new__(cls, name: str) -> TimeZone: ...
    def to_utc(self, local: int) -> int: ...

@final
class Encoder:
    def __new__(
        cls,
        columns: Sequence[tuple[int, int, int]],
        *,
        time_zone: TimeZone,
        framing: Literal["datarow", "copy"] = "datarow",
        bytea_output: Literal["hex", "escape"] = "hex",
        date_style: str = "ISO, MDY",
        interval_style: str = "postgres",
        extra_float_digits: int = 1,
    ) -> Encoder: ...
    def encode(self, batch: _RecordBatch, offset: int = 0, length: int = -1) -> bytes: ...

class SqlParseError(ValueError):
    message: str
    position: int | None

@final
class Relation:
    catalog: str | None
    schema: str | None
    name: str
    alias: str | None
    position: int | None
    role: Literal["read", "write", "create", "object"]

@final
class ParsedStatement:
    text: str
    offset: int
    node: str
    relations: list[Relation]
    functions: list[tuple[str | None, str]]
    @property
    def tree(self) -> str: ...

def parse_statements(sql: str) -> list[ParsedStatement]: ...
def split_statements(sql: str) -> list[tuple[int, int]]: ...
