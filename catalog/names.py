"""Names of schemas and tables, folded and quoted as PostgreSQL does."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class TableName:
    """A table of one workspace. Both parts are exact: folding to lower case has already happened."""

    schema: str
    name: str

    def __str__(self) -> str:
        return f"{quote_identifier(self.schema)}.{quote_identifier(self.name)}"


def quote_identifier(name: str) -> str:
    """Always in double quotes, so that no reserved word or odd character can change a statement's meaning."""
    if "\0" in name:
        raise ValueError("a name cannot hold a NUL character")
    return '"' + name.replace('"', '""') + '"'
