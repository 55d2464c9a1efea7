"""Columns that a table gets, loses and has under another name, in its log's own schema. No I/O.

References: Delta protocol, sections "Schema Serialization Format", "Column Mapping".
"""

import json
from dataclasses import dataclass
from typing import Any

from catalog.replay import Action
from catalog.snapshots import SnapshotColumn


@dataclass(frozen=True, slots=True)
class Alteration:
    """One of these. Of a table that does not map its columns' names only `added` can be done."""

    added: tuple[SnapshotColumn, ...] = ()
    dropped: tuple[str, ...] = ()
    renamed: tuple[str, str] | None = None

    @property
    def operation(self) -> str:
        """As a table's history calls it."""
        if self.renamed is not None:
            return "RENAME COLUMN"
        return "ADD COLUMNS" if self.added else "DROP COLUMNS"

    def apply(self, schema: Action) -> Action:
        """The schema that comes of it. What the fields' own metadata says stays."""
        kept = [self._rename(field) for field in schema["fields"] if field["name"] not in self.dropped]
        return {**schema, "fields": [*kept, *map(spell_field, self.added)]}

    def _rename(self, field: Action) -> Action:
        if self.renamed is None or field["name"] != self.renamed[0]:
            return field
        return {**field, "name": self.renamed[1]}


def spell_field(column: SnapshotColumn) -> Action:
    """A new column as a schema has it."""
    type_: Any = column.delta_type
    metadata = {}
    if type_.startswith("{"):
        type_ = json.loads(type_)
    elif type_.startswith(("varchar(", "char(")):
        type_, metadata = "string", {"__CHAR_VARCHAR_TYPE_STRING": type_}
    return {"name": column.name, "type": type_, "nullable": column.nullable, "metadata": metadata}


def spell(schema: Action) -> str:
    """As the log has it."""
    return json.dumps(schema, separators=(",", ":"))
