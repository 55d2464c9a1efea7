"""An explanation in the manner of PostgreSQL's text format. `gateway.explanation` makes it."""

from collections.abc import Iterator
from typing import Any

ESTIMATE = "Estimated Cardinality"

Properties = dict[str, Any]
"""As in PostgreSQL's JSON: names to values; nested ones are lists of the same, or of lines."""


def write_out(told: Properties) -> Iterator[str]:
    """Its lines."""
    yield from _statement_lines(told["Plan"], "", "")
    if told.get("Settings"):
        yield "Settings: " + ", ".join(f"{name} = '{value}'" for name, value in told["Settings"].items())
    if "Serialization" in told:
        volume = told["Serialization"]
        spent = f"time={volume['Time']:.3f} ms  " if "Time" in volume else ""
        yield f"Serialization: {spent}output={volume['Output Volume']}kB  format={volume['Format']}"
    yield from (f"{name}: {value:.3f} ms" for name, value in told.items() if name.endswith(" Time"))


def _statement_lines(node: Properties, arrow: str, indent: str) -> Iterator[str]:
    """What the gateway tells of a statement, then what engines do."""
    actual = [f"time={node['Actual Total Time']:.3f}"] if "Actual Total Time" in node else []
    actual += [f"rows={node['Actual Rows']}"] if "Actual Rows" in node else []
    yield f"{arrow}{node['Node Type']} on {node['Lane']}" + (f"  (actual {' '.join(actual)})" if actual else "")
    for name in ("Reason", "Warehouse", "Writes", "SQL"):
        if name in node:
            yield f"{indent}  {name}: {node[name]}"
    if node.get("Output"):
        yield f"{indent}  Output: {', '.join(node['Output'])}"
    for table in node.get("Tables", ()):
        yield f"{indent}  {_table_line(table)}"
    for each in node.get("Engine Plan", ()):
        yield from [f"{indent}  {each}"] if isinstance(each, str) else _node_lines(each, f"{indent}  ")
    for each in node.get("Plans", ()):
        yield from _statement_lines(each, f"{indent}  ->  ", f"{indent}      ")


def _table_line(table: Properties) -> str:
    if "Copied Rows" in table:
        rows, size = table["Copied Rows"], table["Bytes"]
        return f"Table: {table['Relation Name']} copied from PostgreSQL  (rows={rows}, bytes={size})"
    line = f"Table: {table['Relation Name']} at version {table['Version']}"
    if "Files" not in table:
        return line
    skipped = f", {table['Files Skipped']} skipped" if "Files Skipped" in table else ""
    return f"{line}  (files={table['Files']}{skipped}, bytes={table['Bytes']})"


def _node_lines(node: Properties, indent: str) -> Iterator[str]:
    rows = f"  (rows={node[ESTIMATE]})" if ESTIMATE in node else ""
    yield f"{indent}->  {node['Node Type']}{rows}"
    for name, value in node.items():
        if name not in ("Node Type", "Plans", ESTIMATE) and value != "":
            yield f"{indent}      {name}: {', '.join(map(str, value)) if isinstance(value, list) else value}"
    for child in node.get("Plans", ()):
        yield from _node_lines(child, f"{indent}      ")
