"""Spark SQL cut into tokens: just enough to tell words from strings, quoted names and comments.

References: Spark's grammar `SqlBaseLexer.g4` (strings with backslashes, raw strings, nested comments).
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

_TOKEN = re.compile(
    r"""
      (?P<quoted> [rR]'[^']*(?:'|\Z) | [rR]"[^"]*(?:"|\Z) | `(?:``|[^`])*(?:`|\Z)
                | '(?:\\.|[^'\\])*(?:'|\\?\Z) | "(?:\\.|[^"\\])*(?:"|\\?\Z) )
    | (?P<comment> --[^\n]* | /\* )
    | (?P<word> \w+ )
    | (?P<marker> (?<!:):(?!:)\w+ )
    | (?P<sign> . )
    """,
    re.VERBOSE | re.DOTALL,
)
_COMMENT_EDGE = re.compile(r"/\*|\*/")


@dataclass(frozen=True, slots=True)
class Token:
    """A piece of the text. `kind` is quoted, comment, word, marker (``:name``) or sign (one character)."""

    kind: str
    text: str


def tokens(sql: str) -> Iterator[Token]:
    """All of the text, in order. What is not closed reaches to the end, so that nothing is replaced in it."""
    position = 0
    while match := _TOKEN.match(sql, position):
        kind = match.lastgroup or "sign"
        end = _comment_end(sql, match.end()) if match[0] == "/*" else match.end()
        yield Token(kind, sql[position:end])
        position = end


def _comment_end(sql: str, position: int) -> int:
    depth = 1
    for edge in _COMMENT_EDGE.finditer(sql, position):
        depth += 1 if edge[0] == "/*" else -1
        if depth == 0:
            return edge.end()
    return len(sql)
