"""Spark's errors as PostgreSQL's: the SQLSTATE where both mean the same, else the nearest; only the first sentences."""

import re
from collections.abc import Iterator, Sequence
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

# Spark's states come from the standard, DB2 and others; clients of PostgreSQL know these instead.
_SQLSTATES = {
    "22018": "22P02",
    "22009": "22023",
    "22032": "22P02",
    "22546": "22023",
    "2200E": "2202E",
    "42604": "22007",
    "42607": "42803",
    "42613": "42601",
    "42614": "42601",
    "42617": "42601",
    "42623": "42701",
    "42704": "42702",
    "42711": "42701",
    "42713": "42601",
    "42802": "42601",
    "42805": "42P10",
    "42806": "42804",
    "42807": "42809",
    "42815": "42804",
    "42818": "42883",
    "42823": "42601",
    "42825": "42804",
    "42826": "42804",
    "42827": "42883",
    "428C4": "42601",
    "428EK": "42704",
    "428FT": "42601",
    "428H2": "0A000",
    "42K03": "42P01",
    "42K06": "22023",
    "42K07": "42804",
    "42K09": "42804",
    "42K0E": "2201W",
    "42KD9": "42804",
    "42KDF": "42601",
    "46103": "42704",
    "0AKDC": "0A000",
    "0AKDD": "0A000",
    "21S01": "42601",
    "2D521": "40001",
    "40000": "40001",
    "HY008": "57014",
    "KD000": "58030",
    "KD001": "58030",
    "KD003": "58030",
    "KD004": "XX001",
    "XXKCM": "0A000",
}
# Delta leaves many of its conditions without a state, or with one too general to act upon.
_CONDITIONS = (
    (re.compile(r"^DELTA_NOT_NULL_CONSTRAINT_VIOLATED"), "23502"),
    (re.compile(r"^DELTA_VIOLATE_CONSTRAINT"), "23514"),
    (re.compile(r"^DELTA_(CONCURRENT_|METADATA_CHANGED|PROTOCOL_CHANGED)"), "40001"),
    (re.compile(r"^DELTA_MULTIPLE_SOURCE_ROW_MATCHING"), "21000"),
    (re.compile(r"^DELTA_(FILE_NOT_FOUND|LOG_FILE_NOT_FOUND|TRUNCATED_TRANSACTION_LOG|STATE_RECOVER_ERROR)"), "58030"),
    (re.compile(r"^DELTA_VERSIONS_NOT_CONTIGUOUS|^FAILED_READ_FILE|^PARQUET_|^CANNOT_READ_"), "58030"),
    (re.compile(r"^DELTA_(VERSION_NOT_FOUND|VERSION_INVALID|TIMESTAMP_)"), "22023"),
    (re.compile(r"^DELTA_(.*UNSUPPORTED|.*NOT_SUPPORTED|INVALID_PROTOCOL_VERSION)"), "0A000"),
    (re.compile(r"OUT_OF_MEMORY|^CANNOT_ACQUIRE_MEMORY"), "53200"),
    (re.compile(r"^OPERATION_CANCELED"), "57014"),
)
# Errors of Java's own, which carry neither state nor condition.
_MESSAGES = (
    (re.compile(r"No space left on device"), "53100"),
    (re.compile(r"was cancelled|operation was cancel|interrupted", re.I), "57014"),
    (re.compile(r"FileNotFoundException|does not exist\b.*\.parquet|No such file", re.I), "58030"),
    (re.compile(r"OutOfMemoryError|Unable to acquire \d+ bytes"), "53200"),
)
_SAME_IN_BOTH = re.compile(r"0A000|21000|22\d{3}|23\d{3}|42\d{3}|42P\d\d|53\d{3}|54\d{3}|55\d{3}|57014|P0001")
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
    if by_condition := _first_match(_CONDITIONS, error.condition):
        return by_condition
    if error.sqlstate in _SQLSTATES:
        return _SQLSTATES[error.sqlstate]
    if _SAME_IN_BOTH.fullmatch(error.sqlstate):
        return error.sqlstate
    return _first_match(_MESSAGES, error.message) or "XX000"


def _first_match(table: Sequence[tuple[re.Pattern[str], str]], text: str) -> str | None:
    return next((sqlstate for pattern, sqlstate in table if pattern.search(text)), None)


def first_sentences(message: str) -> str:
    """Spark's text without its condition, state, plan, position, advice and Java, in PostgreSQL's style."""
    text = _TAIL.sub("", _PREFIX.sub("", message.strip()))
    text = _ADVICE.split(text.partition("\n")[0])[0].rstrip(" .:;")
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
