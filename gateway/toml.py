"""Tables of a TOML file against the keys that they may have: what is wrong is named, with what to write instead."""

import math
import re
import tomllib
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")
Check = Callable[[Any], Any]
"""The value as what it sets wants it. Raises Unfit."""
Keys = Mapping[str, tuple[str, Check]]
"""By key: the field that it sets, and what it may be."""


class Unfit(ValueError):
    """A value that won't do: the text says what would."""


def read_file(file: Path, build: Callable[[Mapping[str, Any]], T]) -> T:
    """What `build` makes of it. Raises ValueError that names file and key, and says what to write instead."""
    try:
        return build(tomllib.loads(file.read_text()))
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise ValueError(f"{file}: {reason}") from error


def check_number(value: Any, *, least: float, whole: bool = False) -> float | int:
    kind = int if whole else (int, float)
    if isinstance(value, bool) or not isinstance(value, kind) or not least <= value < math.inf:
        raise Unfit(f"a {'whole ' if whole else ''}number, at least {least:g}")
    return int(value) if whole else float(value)


def check_flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise Unfit("true or false")
    return value


def check_word(value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise Unfit("a name in quotes")
    return value


def check_words(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not value:
        raise Unfit('a list of names, such as ["spot", "on-demand"]')
    return tuple(check_word(each) for each in value)


def check_text(value: Any, *, form: re.Pattern[str], example: str) -> str:
    if not isinstance(value, str) or form.fullmatch(value) is None:
        raise Unfit(example)
    return value


def read_part(content: Mapping[str, Any], key: str, keys: Keys) -> dict[str, Any]:
    """A table that has these keys and no others."""
    table = read_table(content.get(key, {}), key)
    refuse_others(table, keys, f"{key}.")
    return read_fields(table, keys, key)


def read_fields(table: Mapping[str, Any], keys: Keys, where: str) -> dict[str, Any]:
    """What the table says of these keys, by the field that each sets."""
    fields = {}
    for key, (field, check) in keys.items():
        if key in table:
            try:
                fields[field] = check(table[key])
            except Unfit as unfit:
                raise ValueError(f"{where}.{key}: must be {unfit}, not {table[key]!r}") from None
    return fields


def read_tables(
    content: Mapping[str, Any], key: str, names: Collection[str] | None = None, prefix: str = ""
) -> list[tuple[str, Mapping[str, Any]]]:
    """The tables below a key, by name."""
    parent = read_table(content.get(key, {}), f"{prefix}{key}")
    if names is not None:
        refuse_others(parent, names, f"{prefix}{key}.")
    return [(name, read_table(table, f"{prefix}{key}.{name}")) for name, table in parent.items()]


def read_table(value: Any, where: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise ValueError(f"{where}: must be a table; write [{where}], and its keys below")
    return value


def refuse_others(table: Mapping[str, Any], names: Collection[str], prefix: str) -> None:
    for key in table:
        if key not in names:
            raise ValueError(f"{prefix}{key}: there is no such key; here may be {', '.join(names)}")
