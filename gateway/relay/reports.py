"""PostgreSQL's errors as ours.

Every error that comes from a backend has its `ErrorReport` as ``__cause__``, so that the session can tell PostgreSQL's
own words from the gateway's: a relayed 42501 on a table that the user may read is a bug of ours.
"""

from collections.abc import Mapping

from catalog.errors import CannotConnectNow, QueryCanceled, SqlError, TooManyConnections
from gateway.pgwire.codec import HEADER_SIZE, LAYOUTS
from gateway.pgwire.errors import sql_error
from gateway.pgwire.messages import ErrorResponse


class ErrorReport(Exception):
    """All fields of PostgreSQL's ErrorResponse by their one-letter codes."""

    def __init__(self, fields: Mapping[str, str]) -> None:
        super().__init__(fields.get("M", ""))
        self.fields = fields


class BackendLost(SqlError):
    """The metastore ended the connection. Outside a block the next statement gets another one."""

    sqlstate = "08006"


class RelayUnavailable(CannotConnectNow):
    """The metastore cannot be reached; the session lives on, so this is no FATAL error."""

    severity = "ERROR"


class RelayExhausted(TooManyConnections):
    """Too many statements wait for the metastore; the session lives on."""

    severity = "ERROR"


class StatementTimeout(QueryCanceled):
    """The relay's own timer, which no setting of a user's reaches."""


def report_of(error: SqlError) -> ErrorReport | None:
    """PostgreSQL's own report of a relayed error; None when the gateway raised it."""
    return error.__cause__ if isinstance(error.__cause__, ErrorReport) else None


def relayed_error(fields: Mapping[str, str]) -> SqlError:
    """PostgreSQL's report as the error to raise; `report_of` finds the rest."""
    error = sql_error(fields)
    error.__cause__ = ErrorReport(fields)
    return error


def read_report(message: bytes) -> Mapping[str, str]:
    """The fields of an ErrorResponse or NoticeResponse message."""
    report: Mapping[str, str] = LAYOUTS[ErrorResponse].decode(message[HEADER_SIZE:]).fields
    return report
