"""Names of schemas and tables, folded and quoted as PostgreSQL does."""

from dataclasses import dataclass
from enum import StrEnum

SYSTEM_COLUMNS = frozenset({"ctid", "xmin", "cmin", "xmax", "cmax", "tableoid"})


@dataclass(frozen=True, slots=True, order=True)
class TableName:
    """A table of one workspace. Both parts are exact: folding to lower case has already happened."""

    schema: str
    name: str

    @property
    def parts(self) -> tuple[str, str]:
        return self.schema, self.name

    def __str__(self) -> str:
        return f"{quote_identifier(self.schema)}.{quote_identifier(self.name)}"


def quote_identifier(name: str) -> str:
    """Always in double quotes, so that no reserved word or odd character can change a statement's meaning."""
    if "\0" in name:
        raise ValueError("a name cannot hold a NUL character")
    return '"' + name.replace('"', '""') + '"'


class Role(StrEnum):
    """What a statement does with a relation that it names."""

    READ = "read"
    WRITE = "write"
    CREATE = "create"
    OBJECT = "object"


@dataclass(frozen=True, slots=True)
class TableReference:
    """A relation as a statement names it, before resolution; the names are folded already.

    `version` is the Delta version that the statement asks for (time travel), None for the present one. `position`
    counts characters from 1 in the text that the client sent.
    """

    name: str
    schema: str | None = None
    catalog: str | None = None
    role: Role = Role.READ
    version: int | None = None
    position: int | None = None
