"""DuckDB's exceptions as SQLSTATEs. Batches fail through Arrow, which keeps only the text, so the text decides."""

import re

from catalog.errors import SqlError, error_class

_SQLSTATE_BY_KIND = {
    "Conversion": "22P02",
    "Out of Range": "22003",
    "Out of Memory": "53200",
    "Interrupt": "57014",
    "INTERRUPT": "57014",
    "IO": "58030",
    "HTTP": "58030",
    "Permission": "42501",
    "Parser": "42601",
    "Syntax": "42601",
    "Binder": "42804",
    "Catalog": "42883",
    "Not implemented": "0A000",
    "Invalid Input": "22023",
    "Constraint": "23514",
    "Sequence": "22003",
    "Invalid type": "42804",
    "Mismatch Type": "42804",
    "Cast": "22P02",
}
_SQLSTATE_BY_TEXT = (
    (re.compile(r"division by zero", re.I), "22012"),
    (re.compile(r"more than one row returned by a subquery", re.I), "21000"),
    (re.compile(r"invalid input syntax", re.I), "22P02"),
    (re.compile(r"invalid (timestamp|date|time|interval) ", re.I), "22007"),
    (re.compile(r"(date|timestamp|time|interval) field value out of range", re.I), "22008"),
    (re.compile(r"out of range|overflow", re.I), "22003"),
    (re.compile(r"Table with name .* does not exist", re.I), "42P01"),
    (re.compile(r"Referenced column .* not found", re.I), "42703"),
    (re.compile(r"Corrupt|No magic bytes|Invalid .*Parquet|TProtocolException", re.I), "58030"),
    (re.compile(r"max(imum)? expression depth|expression depth limit", re.I), "54001"),
)
_DISK_FULL = re.compile(r"No space left on device|max_temp_directory_size|failed to offload data block", re.I)
_UNREAD = re.compile(r"^(?:[A-Za-z ]+: )*(?:OSError|FileNotFoundError): (?P<message>[^\n]*)")
"""What Python's own file systems raise, as DuckDB passes it on."""
_KIND = re.compile(r"^(?:Query failed: )?(?P<kind>[A-Za-z ]+?) Error: (?P<message>.*)$", re.DOTALL)
_RAISED = re.compile(r"^(?P<sqlstate>[0-9A-Z]{5}): (?P<message>.*)$", re.DOTALL)


def translate(error: Exception) -> SqlError:
    """The SqlError of an exception that DuckDB raised, itself or through Arrow.

    A statement may raise any SQLSTATE with ``error('22012: division by zero')``. What has no kind is an internal error.
    """
    if unread := _UNREAD.match(str(error).strip()):
        return error_class("58030")(unread["message"])
    kind = _KIND.match(str(error).strip())
    if kind is None:
        return error_class("XX000")(f"the engine failed: {error}")
    message = kind["message"].partition("\n")[0].strip()
    if (raised := _RAISED.match(message)) and kind["kind"] == "Invalid Input":
        return error_class(raised["sqlstate"])(raised["message"])
    sqlstate = _sqlstate(kind["kind"], message)
    if sqlstate == "57014":
        return error_class(sqlstate)("canceling statement due to user request")
    return error_class(sqlstate)(message[:1].lower() + message[1:])


def _sqlstate(kind: str, message: str) -> str:
    if _DISK_FULL.search(message):
        return "53100"
    if kind in ("Out of Memory", "Interrupt", "INTERRUPT", "IO", "Permission", "Parser"):
        return _SQLSTATE_BY_KIND[kind]
    by_text = (sqlstate for pattern, sqlstate in _SQLSTATE_BY_TEXT if pattern.search(message))
    return next(by_text, None) or _SQLSTATE_BY_KIND.get(kind, "XX000")
