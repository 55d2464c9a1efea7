"""Spark's errors as PostgreSQL's: the SQLSTATE where both mean the same, else the nearest; only the first sentences."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

from catalog.errors import (
    FeatureNotSupported,
    MachineLost,
    QueryCanceled,
    SqlError,
    UnreadableTable,
    error_class,
)
from compute.engines.spark.types import UnknownType
from compute.spark.client import ConnectError

# Spark's classes of SQLSTATE come from the standard, DB2 and others; clients of PostgreSQL know these instead.
_SQLSTATES = {
    "22018": "22P02",
    "22023": "22023",
    "22009": "22023",
    "22032": "22P02",
    "22546": "22023",
    "2200E": "2202E",
    "42601": "42601",
    "42604": "22007",
    "42607": "42803",
    "42613": "42601",
    "42614": "42601",
    "42617": "42601",
    "42623": "42701",
    "42703": "42703",
    "42704": "42702",
    "42710": "42710",
    "42711": "42701",
    "42713": "42601",
    "42723": "42723",
    "42802": "42601",
    "42803": "42803",
    "42805": "42P10",
    "42806": "42804",
    "42807": "42809",
    "42809": "42809",
    "42815": "42804",
    "42818": "42883",
    "42823": "42601",
    "42825": "42804",
    "42826": "42804",
    "42827": "42883",
    "42846": "42846",
    "42883": "42883",
    "428C4": "42601",
    "428EK": "42704",
    "428FT": "42601",
    "428H2": "0A000",
    "42K03": "42P01",
    "42K06": "22023",
    "42K0E": "2201W",
    "42K07": "42804",
    "42K09": "42804",
    "42KD9": "42804",
    "42KDF": "42601",
    "46103": "42704",
    "KD000": "58030",
    "KD001": "58030",
    "KD003": "58030",
    "KD004": "XX001",
    "XXKCM": "0A000",
    "21S01": "42601",
    "38000": "XX000",
    "39000": "XX000",
    "40000": "40001",
    "2D521": "40001",
}
_CONDITIONS = (
    (re.compile(r"^DELTA_(VIOLATE_CONSTRAINT|NOT_NULL_CONSTRAINT_VIOLATED|.*NULL_CONSTRAINT)"), None),
    (re.compile(r"^DELTA_CONCURRENT_|^DELTA_METADATA_CHANGED|^DELTA_PROTOCOL_CHANGED"), "40001"),
    (re.compile(r"^DELTA_MULTIPLE_SOURCE_ROW_MATCHING"), "21000"),
    (re.compile(r"^DELTA_(FILE_NOT_FOUND|LOG_FILE_NOT_FOUND|TRUNCATED_TRANSACTION_LOG|STATE_RECOVER_ERROR)"), "58030"),
    (re.compile(r"^DELTA_(UNSUPPORTED_FEATURES|INVALID_PROTOCOL_VERSION)"), "0A000"),
    (re.compile(r"^DELTA_.*(UNSUPPORTED|NOT_SUPPORTED)"), "0A000"),
    (re.compile(r"^DELTA_VERSIONS_NOT_CONTIGUOUS"), "58030"),
    (re.compile(r"^DELTA_(VERSION_NOT_FOUND|VERSION_INVALID|TIMESTAMP_)"), "22023"),
    (re.compile(r"^FAILED_READ_FILE|^PARQUET_|^CANNOT_READ_"), "58030"),
    (re.compile(r"OUT_OF_MEMORY|^CANNOT_ACQUIRE_MEMORY"), "53200"),
    (re.compile(r"^OPERATION_CANCELED"), "57014"),
)
_NO_CONDITION = (
    (re.compile(r"was cancelled|operation was cancel|OPERATION_CANCELED|interrupted", re.I), "57014"),
    (re.compile(r"FileNotFoundException|does not exist\b.*\.parquet|No such file", re.I), "58030"),
    (re.compile(r"OutOfMemoryError|Unable to acquire \d+ bytes"), "53200"),
)
_SAME_IN_BOTH = re.compile(r"^(0A|21|22|23|42601|42703|42883|42P|53|54|55|57014|P0001)")
_PREFIX = re.compile(r"^\s*(?:\([\w.]+\)\s*)?(?:[\w.$]+(?:Exception|Error): )?(?:\[[\w.]+\]\s*)?")
_TAIL = re.compile(r"\s*SQLSTATE: [0-9A-Z]{5}.*$|;?\s*line \d+,? pos \d+.*$", re.DOTALL)
_ADVICE = re.compile(r"\s+(?:Use (?:`|')?try_\w+|If necessary set|To tolerate|Correct the value|Verify the spelling)")


def translate_error(error: ConnectError) -> SqlError:
    """The SqlError of what a server answered. What Spark gives no state, and we know no better, is XX000."""
    if error.lost:
        return MachineLost("the machine with spark was lost while it ran the statement")
    sqlstate = _sqlstate(error)
    if sqlstate == "57014":
        return QueryCanceled("canceling statement due to user request")
    message = first_sentences(error.message)
    if sqlstate == "58030":
        return UnreadableTable("could not read the files of the table", detail=message)
    return error_class(sqlstate)(message)


def _sqlstate(error: ConnectError) -> str:
    if error.condition.startswith("DELTA_NOT_NULL"):
        return "23502"
    if error.condition.startswith("DELTA_VIOLATE_CONSTRAINT"):
        return "23514"
    for pattern, sqlstate in _CONDITIONS:
        if sqlstate and pattern.search(error.condition):
            return sqlstate
    if error.sqlstate in _SQLSTATES:
        return _SQLSTATES[error.sqlstate]
    if _SAME_IN_BOTH.match(error.sqlstate):
        return error.sqlstate
    return next((state for pattern, state in _NO_CONDITION if pattern.search(error.message)), "XX000")


def first_sentences(message: str) -> str:
    """Spark's text without its condition, state, plan, position, advice and Java, in PostgreSQL's style."""
    text = _TAIL.sub("", _PREFIX.sub("", message.strip()))
    text = _ADVICE.split(text.partition("\n")[0])[0].strip().rstrip(".")
    return text[:1].lower() + text[1:] if text[1:2].islower() else text


@contextmanager
def translated() -> Iterator[None]:
    """Turns what the server or a type refuses into SqlError."""
    try:
        yield
    except ConnectError as error:
        raise translate_error(error) from None
    except UnknownType as error:
        raise FeatureNotSupported(f"results cannot hold spark's type {error}") from None
