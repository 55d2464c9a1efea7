"""Which statements write, and how many rows they wrote."""

import re
from collections.abc import Mapping

import pyarrow as pa

from compute.engines.spark.lexer import tokens

_READS = {"SELECT", "FROM", "VALUES", "TABLE", "DESCRIBE", "DESC", "SHOW", "EXPLAIN"}
_COUNTED = {"INSERT", "UPDATE", "DELETE", "MERGE", "CREATE", "REPLACE"}
_OTHERS = {"ALTER", "DROP", "TRUNCATE", "COMMENT", "OPTIMIZE", "VACUUM", "RESTORE", "SET", "REORG", "ANALYZE"}
_VERBS = _READS | _COUNTED | _OTHERS
_TARGET = re.compile(r"\bdelta\s*\.\s*(`(?:``|[^`])*`)", re.IGNORECASE)
# What Delta's history tells about an operation, in the order of preference.
_METRICS = ("numOutputRows", "numDeletedRows", "numUpdatedRows")


def verb(sql: str) -> str:
    """The statement's main verb in upper case, empty if there is none.

    That is its first known one outside parentheses, so that a WITH is passed over; else the first inside.
    """
    depth = 0
    inside = ""
    for token in tokens(sql):
        depth += (token.text == "(") - (token.text == ")")
        word = token.text.upper() if token.kind == "word" else ""
        if word in _VERBS:
            if depth == 0:
                return word
            inside = inside or word
    return inside


def is_read(sql: str) -> bool:
    """Whether the statement only reads, so that its rows are a result to stream."""
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
    affected: int | None = frame.column(0)[0].as_py()
    return affected if affected is not None and affected >= 0 else None


def metric_rows(metrics: Mapping[str, str]) -> int | None:
    """The count in a commit's operation metrics."""
    return next((int(metrics[name]) for name in _METRICS if name in metrics), None)
