"""Lakegate's hot paths, in Rust. The GIL is released while they work."""

from collections.abc import Sequence
from typing import Any, Literal, Protocol, final

class _RecordBatch(Protocol):
    def __arrow_c_array__(self, requested_schema: object | None = None) -> tuple[Any, Any]: ...

class EncodeError(ValueError):
    """A value, or an Arrow type, that cannot be sent as its PostgreSQL type; says so in PostgreSQL's words."""

    sqlstate: str

@final
class TimeZone:
    """A session's time zone: an IANA name in any case, or a POSIX specification (`<+05>-05`).

    Making one reads the zone's transitions (some 0.1 ms): keep it. Raises ValueError for a name that is none.
    """

    name: str
    def __new__(cls, name: str) -> TimeZone: ...

@final
class Encoder:
    """Encodes the record batches of one result, byte for byte as PostgreSQL does. Usable from any thread.

    `columns`: (type OID, typmod, format code) each; 0 is text, 1 binary. `framing`: DataRow messages, or CopyData with
    one COPY-binary row each. Raises ValueError for a bad argument.
    """

    def __new__(
        cls,
        columns: Sequence[tuple[int, int, int]],
        *,
        time_zone: TimeZone,
        framing: Literal["datarow", "copy"] = "datarow",
        bytea_output: Literal["hex", "escape"] = "hex",
    ) -> Encoder: ...
    def encode(self, batch: _RecordBatch, offset: int = 0, length: int = -1) -> bytes:
        """`length` rows (-1: all) from row `offset` on, as complete messages. Raises `EncodeError`.

        Arrow types are taken liberally: numeric from any number, integers of any width that fit, strings of every
        layout, dictionaries, jsonb from structs, maps, lists and JSON text. `timestamp` takes Arrow timestamps without
        a time zone, `timestamptz` those with one.
        """

class SqlParseError(ValueError):
    """A text that PostgreSQL's parser refuses, in its own words.

    `position` counts characters from 1 into the text; None where PostgreSQL gives none, as for `stack depth limit
    exceeded` (a tree nested too deeply to walk: SQLSTATE 54001, all others 42601).
    """

    message: str
    position: int | None

@final
class Relation:
    """A relation that a statement names; `position` counts characters from 1 into the source (None: DROP, COMMENT).

    `role`: its rows are read; it is the target of INSERT, UPDATE, DELETE, MERGE, TRUNCATE or COPY FROM ("write"); the
    statement makes it ("create"); or any other statement names it ("object").
    """

    catalog: str | None
    schema: str | None
    name: str
    alias: str | None
    position: int | None
    role: Literal["read", "write", "create", "object"]

@final
class ParsedStatement:
    """One statement of a text.

    `text` is the source without surrounding blanks, `offset` the characters of the source before it. `node` is the type
    of its parse node (PostgreSQL's `parsenodes.h`). `relations` leaves out references to CTEs. `functions` are the
    called ones as (schema, name).
    """

    text: str
    offset: int
    node: str
    relations: list[Relation]
    functions: list[tuple[str | None, str]]
    @property
    def tree(self) -> str:
        """The raw parse tree as libpg_query's JSON, parsed anew at each call. Locations are bytes into `text`."""

def parse_statements(sql: str) -> list[ParsedStatement]:
    """Parses a text of any number of statements by PostgreSQL 18's grammar. Raises `SqlParseError`."""

def split_statements(sql: str) -> list[tuple[int, int]]:
    """Where the statements are, as (start, end) in characters, by PostgreSQL's scanner alone: they need not parse.

    Empty statements are left out. Raises `SqlParseError` for what the scanner refuses (an unterminated string).
    """
