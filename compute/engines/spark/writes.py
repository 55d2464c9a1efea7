"""Which statements write, and how many rows they wrote."""

import re

import pyarrow as pa

_TOKEN = re.compile(r"--[^\n]*|/\*.*?\*/|'(?:\\.|[^'\\])*'|\"(?:\\.|[^\"\\])*\"|`(?:``|[^`])*`|[()]|\w+", re.DOTALL)
_READS = {"SELECT", "FROM", "VALUES", "TABLE", "DESCRIBE", "DESC", "SHOW", "EXPLAIN"}
_COUNTED = {"INSERT", "UPDATE", "DELETE", "MERGE", "CREATE", "REPLACE"}
_OTHERS = {"ALTER", "DROP", "TRUNCATE", "COMMENT", "OPTIMIZE", "VACUUM", "RESTORE", "SET", "REORG", "ANALYZE"}
_VERBS = _READS | _COUNTED | _OTHERS
_TARGET = re.compile(r"\bdelta\s*\.\s*(`(?:``|[^`])*`)", re.IGNORECASE)
# What Delta's history tells about an operation, in the order of preference.
_METRICS = ("numOutputRows", "numDeletedRows", "numUpdatedRows")


def verb(sql: str) -> str:
    """The statement's main verb in upper case: its first known one outside parentheses, so that a WITH is passed over."""
    depth = 0
    for match in _TOKEN.finditer(sql):
        token = match[0]
        depth += (token == "(") - (token == ")")
        if depth == 0 and token.upper() in _VERBS:
            return token.upper()
        if depth == 1 and token.upper() in _READS and not sql[: match.start()].strip("( \t\r\n"):
            return token.upper()
    return ""


def is_read(sql: str) -> bool:
    """Whether the statement only reads, so that its rows are a result to stream and it may be run again."""
    return verb(sql) in _READS


def counts_rows(sql: str) -> bool:
    """Whether the statement's command tag tells rows: DML, and CREATE TABLE AS."""
    return verb(sql) in _COUNTED


def target(sql: str) -> str | None:
    """The first Delta table that the text names by path, quoted: of a statement that writes, the one it writes."""
    found = _TARGET.search(sql)
    return found[1] if found else None


def told_rows(frame: pa.Table) -> int | None:
    """The count that UPDATE, DELETE and MERGE answer themselves; None where Delta does not know it."""
    if frame.num_columns == 0 or frame.schema.names[0] != "num_affected_rows" or frame.num_rows != 1:
        return None
    affected = frame.column(0)[0].as_py()
    return affected if affected is not None and affected >= 0 else None


def metric_rows(metrics: dict[str, str]) -> int | None:
    """The count in a commit's operation metrics."""
    return next((int(metrics[name]) for name in _METRICS if name in metrics), None)
