"""Lakegate's hot paths, in Rust. The GIL is released while they work."""

from typing import Literal, final

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
