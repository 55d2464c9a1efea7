"""Lakegate's own syntax, cut out of a text before PostgreSQL's parser sees it.

Each piece is overwritten with blanks, so that every position stays what the client sent; with ``()`` in them where a
table that exists already is named without columns, which PostgreSQL's grammar wants. The scanner knows strings,
comments, dollar quotes and quoted names, as PostgreSQL's lexer does with `standard_conforming_strings = on`.

| syntax | where |
|---|---|
| ``EXPLAIN (ROUTE) …`` | before a statement |
| ``name FOR VERSION AS OF n`` | after a table's name |
| ``USING delta``, ``PARTITIONED BY (a, b)``, ``TBLPROPERTIES ('k' = 'v')``, ``LOCATION 'p'`` | in CREATE TABLE |
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from catalog.errors import FeatureNotSupported, SqlSyntaxError

_TOKEN = re.compile(
    r"""(?P<blank>\s+|--[^\n]*)|(?P<comment>/\*)|(?P<escaped>[eE]'(?:[^'\\]|\\.|'')*')|(?P<string>(?:[xXbBnN]|[uU]&)?'(?:[^']|'')*')
    |(?P<dollar>\$(?P<tag>[A-Za-z_\x80-\uffff][\w\x80-\uffff]*)?\$)|(?P<quoted>(?:[uU]&)?"(?:[^"]|"")*")
    |(?P<word>[A-Za-z_\x80-\U0010ffff][\w$\x80-\U0010ffff]*)|(?P<number>\d+)|(?P<other>.)""",
    re.VERBOSE | re.DOTALL,
)
_OURS = re.compile(
    r"\bROUTE\b|\bVERSION\b|\bCREATE\b.*\b(?:DELTA|PARTITIONED|TBLPROPERTIES|LOCATION|USING)\b",
    re.IGNORECASE | re.DOTALL,
)
"""What a text with a piece of our syntax has somewhere. Most have not, and are spared the scanner."""


@dataclass(frozen=True, slots=True)
class Token:
    kind: str
    text: str
    start: int
    end: int

    @property
    def word(self) -> str:
        return self.text.upper() if self.kind == "word" else ""


@dataclass(slots=True)
class TableOptions:
    """What CREATE TABLE says beyond PostgreSQL's grammar; `start` is where in the text."""

    start: int
    partitioned_by: tuple[str, ...] = ()
    properties: tuple[tuple[str, str], ...] = ()
    location: str | None = None


@dataclass(slots=True)
class Extracted:
    """The text without our syntax, and what was found; keys are character offsets from 0."""

    text: str
    routes: list[int] = field(default_factory=list)
    versions: dict[int, int] = field(default_factory=dict)
    options: list[TableOptions] = field(default_factory=list)


def scan(text: str) -> list[Token]:
    """The tokens of a text without blanks and comments. What is unterminated runs to the end, as PostgreSQL will
    tell."""
    return list(_read_tokens(text))


def _read_tokens(text: str) -> Iterator[Token]:
    position = 0
    while position < len(text):
        match = _TOKEN.match(text, position)
        assert match is not None  # the last alternative takes any character
        kind, end = str(match.lastgroup), match.end()
        if kind == "comment":
            end = _comment_end(text, end)
        elif kind == "dollar":
            closing = text.find(match[0], end)
            end = len(text) if closing < 0 else closing + len(match[0])
        if kind not in ("blank", "comment"):
            yield Token(kind, text[position:end], position, end)
        position = end


def _comment_end(text: str, position: int) -> int:
    depth = 1
    for mark in re.finditer(r"/\*|\*/", text[position:]):
        depth += 1 if mark[0] == "/*" else -1
        if depth == 0:
            return position + mark.end()
    return len(text)


def extract(text: str) -> Extracted:
    """Cuts our syntax out. Raises `SqlSyntaxError` for a piece that is begun but not complete."""
    if not _OURS.search(text):
        return Extracted(text)
    return _Extraction(text).run()


class _Extraction:
    def __init__(self, text: str) -> None:
        self.tokens = scan(text)
        self.found = Extracted(text)
        self.pieces: list[tuple[int, int]] = []
        self.unlisted: set[int] = set()

    def run(self) -> Extracted:
        """Walks the tokens once; returns the text with our pieces blanked."""
        index, first = 0, True
        while index < len(self.tokens):
            if first and self._words(index, "EXPLAIN", "(", "ROUTE", ")"):
                self.found.routes.append(self.tokens[index].start)
                index = self._cut(index, index + 4)
            if first and index < len(self.tokens) and self._is_create_table(index):
                index = self._create_table(index)
                first = False
                continue
            if index < len(self.tokens):
                first = self.tokens[index].text == ";"
                index = self._version(index) if self._words(index, "FOR", "VERSION", "AS", "OF") else index + 1
        self.found.text = self._blanked(self.found.text)
        return self.found

    def _words(self, index: int, *words: str) -> bool:
        tokens = self.tokens[index : index + len(words)]
        return len(tokens) == len(words) and all(
            token.word == word or token.text == word for token, word in zip(tokens, words, strict=True)
        )

    def _cut(self, start: int, end: int) -> int:
        self.pieces.append((self.tokens[start].start, self.tokens[end - 1].end))
        return end

    def _blanked(self, text: str) -> str:
        for start, end in self.pieces:
            blank = re.sub(r"[^\n]", " ", text[start:end])
            if start in self.unlisted:
                blank = "()" + blank[2:]
            text = text[:start] + blank + text[end:]
        return text

    def _version(self, index: int) -> int:
        if index == 0 or index + 4 >= len(self.tokens) or self.tokens[index + 4].kind != "number":
            position = self.tokens[index].start + 1
            raise SqlSyntaxError("FOR VERSION AS OF takes a whole number after a table name", position=position)
        name = index - 1
        while name >= 2 and self.tokens[name - 1].text == "." and self.tokens[name - 2].kind in ("word", "quoted"):
            name -= 2
        self.found.versions[self.tokens[name].start] = int(self.tokens[index + 4].text)
        return self._cut(index, index + 5)

    def _is_create_table(self, index: int) -> bool:
        return self._words(index, "CREATE", "TABLE") or self._words(index, "CREATE", "OR", "REPLACE", "TABLE")

    def _create_table(self, index: int) -> int:
        options, depth = TableOptions(self.tokens[index].start), 0
        index, listed, first = index + 2, False, len(self.pieces)
        while index < len(self.tokens) and not (
            depth == 0 and (self.tokens[index].text == ";" or self.tokens[index].word == "AS")
        ):
            token = self.tokens[index]
            depth += {"(": 1, ")": -1}.get(token.text, 0)
            listed = listed or depth > 0
            index = self._option(index, options) if depth == 0 and token.kind == "word" else index + 1
        self.found.options.append(options)
        if options.location is not None and not listed and not self._words(index, "AS"):
            self.unlisted.add(self.pieces[first][0])
        return index

    def _option(self, index: int, options: TableOptions) -> int:
        if self._words(index, "USING"):
            if index + 1 < len(self.tokens) and self.tokens[index + 1].word != "DELTA":
                raise FeatureNotSupported("only USING delta is supported", position=self.tokens[index + 1].start + 1)
            return self._cut(index, index + 2)
        if self._words(index, "PARTITIONED", "BY", "("):
            end = self._closing(index + 2)
            names = [token for token in self.tokens[index + 3 : end - 1] if token.text != ","]
            if any(token.kind not in ("word", "quoted") for token in names):
                raise FeatureNotSupported("PARTITIONED BY takes column names", position=self.tokens[index].start + 1)
            options.partitioned_by = tuple(_folded(token) for token in names)
            return self._cut(index, end)
        if self._words(index, "TBLPROPERTIES", "("):
            end = self._closing(index + 1)
            strings = [_unquoted(token) for token in self.tokens[index + 2 : end - 1] if token.kind == "string"]
            if len(strings) % 2:
                raise SqlSyntaxError("TBLPROPERTIES takes 'key' = 'value' pairs", position=self.tokens[index].start + 1)
            options.properties = tuple(zip(strings[::2], strings[1::2], strict=True))
            return self._cut(index, end)
        if self._words(index, "LOCATION") and index + 1 < len(self.tokens) and self.tokens[index + 1].kind == "string":
            options.location = _unquoted(self.tokens[index + 1])
            return self._cut(index, index + 2)
        return index + 1

    def _closing(self, index: int) -> int:
        """The index after the parenthesis that closes the one at `index`."""
        for end in range(index, len(self.tokens)):
            if self.tokens[end].text == ")":
                return end + 1
        raise SqlSyntaxError("an opening parenthesis is not closed", position=self.tokens[index].start + 1)


def _folded(token: Token) -> str:
    return token.text[1:-1].replace('""', '"') if token.kind == "quoted" else token.text.lower()


def _unquoted(token: Token) -> str:
    return token.text[token.text.index("'") + 1 : -1].replace("''", "'")


class Replacement(NamedTuple):
    """Another name for the dotted one at a place, in bytes; a function that is called by it gets `first` before its
    arguments."""

    place: int
    name: str
    first: str = ""


def replace_names(text: str, replacements: Iterable[Replacement]) -> str:
    """The text with these names. Put in from the end, so that the bytes before keep their places."""
    source = text.encode()
    for place, name, first in sorted(replacements, reverse=True):
        rest = source[place:].decode()
        end, opened = _ends(rest)
        replaced = f"{name}({first}, {rest[opened:]}" if first else name + rest[end:]
        source = source[:place] + replaced.encode()
    return source.decode()


def _ends(text: str) -> tuple[int, int]:
    """Where the dotted name that a text begins with ends, and where what follows it does, such as a parenthesis."""
    tokens = _read_tokens(text)
    end = next(tokens).end
    while (following := next(tokens, None)) is not None and following.text == ".":
        end = next(tokens).end
    return end, end if following is None else following.end
