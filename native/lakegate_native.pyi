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

@final
class CopyWriter:
    def __new__(
        cls,
        format: Literal["text", "csv", "binary"],
        *,
        delimiter: str = "\t",
        null: str = "\\N",
        quote: str = '"',
        escape: str = '"',
        force_quote: Sequence[int] = (),
        framed: bool = True,
    ) -> CopyWriter: ...
    def rewrite(self, messages: bytes, *, first: bool = False) -> bytes: ...
    def header(self, names: Sequence[str]) -> bytes: ...
    @staticmethod
    def trailer(empty: bool) -> bytes: ...
    @staticmethod
    def frame(rows: bytes) -> bytes: ...

@final
class Recoder:
    def __new__(cls, characters: Sequence[str | None]) -> Recoder: ...
    def receive(self, text: bytes) -> tuple[bytes, int | None]: ...
    def send(self, messages: bytes, raw: Sequence[int]) -> tuple[bytes, bytes | None]: ...

@final
class CopyFault:
    sqlstate: str
    message: str
    detail: str | None
    hint: str | None
    row: int
    column: int | None
    line: int
    text: str | None
    placed: bool

@final
class CopyRows:
    fault: CopyFault | None
    ended: bool
    def __len__(self) -> int: ...
    def __arrow_c_array__(self, requested_schema: object | None = None) -> tuple[Any, Any]: ...

@final
class CopyReader:
    line: int
    def __new__(
        cls,
        format: Literal["text", "csv", "binary"],
        columns: Sequence[tuple[str, bool, bool]],
        *,
        longest: int,
        delimiter: str = "\t",
        null: str = "\\N",
        quote: str = '"',
        escape: str = '"',
        header: Literal["absent", "skip", "match"] = "absent",
        default: str | None = None,
    ) -> CopyReader: ...
    def feed(self, data: bytes, *, last: bool = False) -> CopyRows: ...

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
