"""The options of COPY, old syntax and new, with PostgreSQL's checks, in its order and words.

Reference: `ProcessCopyOptions` in `src/backend/commands/copy.c`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from catalog.errors import FeatureNotSupported, InvalidParameterValue, SqlError, SqlSyntaxError
from planner import tree
from planner.encodings import python_codec
from planner.tree import Node

_FORBIDDEN_DELIMITERS = "\\.abcdefghijklmnopqrstuvwxyz0123456789"
_BOOLEANS = {"true": True, "on": True, "1": True, "false": False, "off": False, "0": False}
EVERY = "*"


@dataclass(frozen=True, slots=True)
class CopyOptions:
    """`force_*` are names of columns, or EVERY. `encoding` is PostgreSQL's name, None for the client's; `reject_limit`
    0 sets none."""

    format: Literal["text", "csv", "binary"]
    delimiter: str
    null: str
    default: str | None
    header: Literal["absent", "skip", "match"]
    quote: str
    escape: str
    force_quote: Sequence[str]
    force_not_null: Sequence[str]
    force_null: Sequence[str]
    encoding: str | None
    freeze: bool
    ignores_errors: bool
    reject_limit: int
    verbosity: Literal["silent", "default", "verbose"]


def read_options(nodes: Sequence[Node], *, is_from: bool, place: Callable[[int], int]) -> CopyOptions:
    """`nodes` are the statement's DefElems; `place` makes a character's position of a byte's. Raises SqlError."""
    given: dict[str, Any] = {}
    for node in nodes:
        element = node["DefElem"]
        name, position = element["defname"], place(int(element.get("location", 0)))
        if name in given:
            raise SqlSyntaxError("conflicting or redundant options", position=position)
        reader = _READERS.get(name)
        if reader is None:
            raise SqlSyntaxError(f'option "{name}" not recognized', position=position)
        given[name] = reader(_Element(name, element.get("arg"), position, is_from))
    return _checked(given, is_from=is_from)


@dataclass(frozen=True, slots=True)
class _Element:
    name: str
    value: Node | None
    position: int
    is_from: bool

    @property
    def text(self) -> str:
        """As `defGetString` has it."""
        if self.value is None:
            raise SqlSyntaxError(f"{self.name} requires a parameter")
        kind, fields = tree.unwrap(self.value)
        if kind == "A_Star":
            return EVERY
        if kind == "TypeName":
            return ".".join(tree.strings(fields["names"]))
        if kind == "List":
            return ", ".join(tree.strings(fields.get("items")))
        if kind == "Boolean":
            return "true" if fields.get("boolval") else "false"
        return str({"String": fields.get("sval", ""), "Integer": fields.get("ival", 0)}.get(kind, fields.get("fval")))


def _format(element: _Element) -> str:
    if element.text not in ("text", "csv", "binary"):
        raise InvalidParameterValue(f'COPY format "{element.text}" not recognized', position=element.position)
    return element.text


def _boolean(element: _Element) -> bool:
    found = True if element.value is None else _BOOLEANS.get(element.text.lower())
    if found is None:
        raise SqlSyntaxError(f"{element.name} requires a Boolean value")
    return found


def _header(element: _Element) -> str:
    found = True if element.value is None else _BOOLEANS.get(element.text.lower())
    if found is not None:
        return "skip" if found else "absent"
    if element.text.lower() != "match":
        raise SqlSyntaxError(f'{element.name} requires a Boolean value or "match"')
    if not element.is_from:
        raise FeatureNotSupported(f'cannot use "{element.text}" with HEADER in COPY TO')
    return "match"


def _columns(element: _Element) -> Sequence[str]:
    if element.value is not None and "A_Star" in element.value:
        return EVERY
    if element.value is not None and "List" in element.value:
        return tuple(tree.strings(tree.items(element.value)))
    raise InvalidParameterValue(
        f'argument to option "{element.name}" must be a list of column names', position=element.position
    )


def _encoding(element: _Element) -> str:
    if python_codec(element.text) is None:
        raise InvalidParameterValue(
            f'argument to option "{element.name}" must be a valid encoding name', position=element.position
        )
    return element.text


def _on_error(element: _Element) -> bool:
    if not element.is_from:
        raise InvalidParameterValue("COPY ON_ERROR cannot be used with COPY TO", position=element.position)
    if element.text.lower() not in ("stop", "ignore"):
        raise InvalidParameterValue(f'COPY ON_ERROR "{element.text}" not recognized', position=element.position)
    return element.text.lower() == "ignore"


def _verbosity(element: _Element) -> str:
    if element.text.lower() not in ("silent", "default", "verbose"):
        raise InvalidParameterValue(f'COPY LOG_VERBOSITY "{element.text}" not recognized', position=element.position)
    return element.text.lower()


def _reject_limit(element: _Element) -> int:
    if element.value is None:
        raise SqlSyntaxError("reject_limit requires a numeric value")
    if not element.text.lstrip("-").isdecimal():
        raise InvalidParameterValue(f'invalid input syntax for type bigint: "{element.text}"')
    if int(element.text) <= 0:
        raise InvalidParameterValue(f"REJECT_LIMIT ({element.text}) must be greater than zero")
    return int(element.text)


_READERS: dict[str, Callable[[_Element], Any]] = {
    "format": _format,
    "freeze": _boolean,
    "delimiter": lambda element: element.text,
    "null": lambda element: element.text,
    "default": lambda element: element.text,
    "header": _header,
    "quote": lambda element: element.text,
    "escape": lambda element: element.text,
    "force_quote": _columns,
    "force_not_null": _columns,
    "force_null": _columns,
    "encoding": _encoding,
    "on_error": _on_error,
    "log_verbosity": _verbosity,
    "reject_limit": _reject_limit,
}


def _checked(given: dict[str, Any], *, is_from: bool) -> CopyOptions:
    is_csv, is_binary = given.get("format") == "csv", given.get("format") == "binary"
    for name in ("delimiter", "null", "default"):
        if is_binary and name in given:
            raise SqlSyntaxError(f"cannot specify {name.upper()} in BINARY mode")
    quote = given.get("quote", '"')
    options = CopyOptions(
        format=given.get("format", "text"),
        delimiter=given.get("delimiter", "," if is_csv else "\t"),
        null=given.get("null", "" if is_csv else "\\N"),
        default=given.get("default"),
        header=given.get("header", "absent"),
        quote=quote,
        escape=given.get("escape", quote),
        force_quote=given.get("force_quote", ()),
        force_not_null=given.get("force_not_null", ()),
        force_null=given.get("force_null", ()),
        encoding=given.get("encoding"),
        freeze=given.get("freeze", False),
        ignores_errors=given.get("on_error", False),
        reject_limit=given.get("reject_limit", 0),
        verbosity=given.get("log_verbosity", "default"),
    )
    for applies, wrong in _rules(options, given, is_csv=is_csv, is_binary=is_binary, is_from=is_from):
        if applies:
            raise wrong
    return options


def _rules(
    options: CopyOptions, given: dict[str, Any], *, is_csv: bool, is_binary: bool, is_from: bool
) -> Sequence[tuple[bool, SqlError]]:
    """What is wrong with the options, in the order in which PostgreSQL looks."""
    return [
        *_mark_rules(options, given, is_csv=is_csv, is_binary=is_binary),
        *_forced_rules(given, is_csv=is_csv, is_from=is_from),
        *_clash_rules(options, is_csv=is_csv, is_from=is_from),
        (is_binary and options.ignores_errors, SqlSyntaxError("only ON_ERROR STOP is allowed in BINARY mode")),
        (
            options.reject_limit > 0 and not options.ignores_errors,
            InvalidParameterValue("COPY REJECT_LIMIT requires ON_ERROR to be set to IGNORE"),
        ),
    ]


def _mark_rules(
    options: CopyOptions, given: dict[str, Any], *, is_csv: bool, is_binary: bool
) -> Sequence[tuple[bool, SqlError]]:
    """Of what stands between values and around them."""
    delimiter, quote = options.delimiter, options.quote
    broken = "representation cannot use newline or carriage return"
    return [
        (not _is_byte(delimiter), FeatureNotSupported("COPY delimiter must be a single one-byte character")),
        (_breaks(delimiter), InvalidParameterValue("COPY delimiter cannot be newline or carriage return")),
        (_breaks(options.null), InvalidParameterValue(f"COPY null {broken}")),
        (_breaks(options.default or ""), InvalidParameterValue(f"COPY default {broken}")),
        (
            not is_csv and delimiter in _FORBIDDEN_DELIMITERS,
            InvalidParameterValue(f'COPY delimiter cannot be "{delimiter}"'),
        ),
        (is_binary and options.header != "absent", FeatureNotSupported("cannot specify HEADER in BINARY mode")),
        (not is_csv and "quote" in given, FeatureNotSupported("COPY QUOTE requires CSV mode")),
        (is_csv and not _is_byte(quote), FeatureNotSupported("COPY quote must be a single one-byte character")),
        (is_csv and delimiter == quote, InvalidParameterValue("COPY delimiter and quote must be different")),
        (not is_csv and "escape" in given, FeatureNotSupported("COPY ESCAPE requires CSV mode")),
        (
            is_csv and not _is_byte(options.escape),
            FeatureNotSupported("COPY escape must be a single one-byte character"),
        ),
    ]


def _forced_rules(given: dict[str, Any], *, is_csv: bool, is_from: bool) -> Sequence[tuple[bool, SqlError]]:
    """Of the options that name columns."""
    way = "COPY FROM" if is_from else "COPY TO"
    forced: Sequence[tuple[str, bool, type[SqlError]]] = (
        ("force_quote", is_from, FeatureNotSupported),
        ("force_not_null", not is_from, InvalidParameterValue),
        ("force_null", not is_from, InvalidParameterValue),
    )
    rules: list[tuple[bool, SqlError]] = []
    for name, unfit, wrong in forced:
        rules += [
            (not is_csv and name in given, FeatureNotSupported(f"COPY {name.upper()} requires CSV mode")),
            (unfit and name in given, wrong(f"COPY {name.upper()} cannot be used with {way}")),
        ]
    return rules


def _clash_rules(options: CopyOptions, *, is_csv: bool, is_from: bool) -> Sequence[tuple[bool, SqlError]]:
    """Of markers that could not be told from values, and of what goes one way only."""
    delimiter, null, default, quote = options.delimiter, options.null, options.default, options.quote
    clash = "character must not appear in the {} specification"
    return [
        (delimiter in null, InvalidParameterValue(f"COPY delimiter {clash.format('NULL')}")),
        (is_csv and quote in null, InvalidParameterValue(f"CSV quote {clash.format('NULL')}")),
        (options.freeze and not is_from, InvalidParameterValue("COPY FREEZE cannot be used with COPY TO")),
        (default is not None and not is_from, FeatureNotSupported("COPY DEFAULT cannot be used with COPY TO")),
        (delimiter in (default or ""), FeatureNotSupported(f"COPY delimiter {clash.format('DEFAULT')}")),
        (is_csv and quote in (default or ""), FeatureNotSupported(f"CSV quote {clash.format('DEFAULT')}")),
        (null == default, FeatureNotSupported("NULL specification and DEFAULT specification cannot be the same")),
    ]


def _is_byte(text: str) -> bool:
    return len(text.encode()) == 1


def _breaks(text: str) -> bool:
    return "\r" in text or "\n" in text
