"""Every error that a client may see: one class a SQLSTATE.

Only `SqlError` and its subclasses reach a client. Any other exception is a bug: it is logged once under an id, and
the client sees ``XX000`` with that id. Messages follow PostgreSQL's style: lowercase, no full stop; what to do goes
in the hint.

References: PostgreSQL documentation, appendix A (error codes) and chapter "Error Message Style Guide".
"""

from functools import lru_cache
from typing import ClassVar


class SqlError(Exception):
    """An error fit to show. `position` counts characters from 1 into the text that the client sent.

    `further` are fields by the protocol's letters: what it is about (schema, table, column, type, constraint), and the
    `context`, which says what was being done.
    """

    sqlstate: ClassVar[str] = "XX000"
    severity: str = "ERROR"

    def __init__(
        self, message: str, *, detail: str | None = None, hint: str | None = None, position: int | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.detail = detail
        self.hint = hint
        self.position = position
        self.further: dict[str, str] = {}

    @property
    def context(self) -> str | None:
        return self.further.get("W")

    @context.setter
    def context(self, text: str) -> None:
        self.further["W"] = text


class SuccessfulCompletion(SqlError):
    """Not an error: the code of a notice that has none of its own."""

    sqlstate = "00000"


class ProtocolViolation(SqlError):
    sqlstate = "08P01"
    severity = "FATAL"


class FeatureNotSupported(SqlError):
    sqlstate = "0A000"


class CardinalityViolation(SqlError):
    sqlstate = "21000"


class StringDataRightTruncation(SqlError):
    sqlstate = "22001"


class NumericValueOutOfRange(SqlError):
    sqlstate = "22003"


class InvalidDatetimeFormat(SqlError):
    sqlstate = "22007"


class DatetimeFieldOverflow(SqlError):
    sqlstate = "22008"


class InvalidTimeZoneDisplacement(SqlError):
    sqlstate = "22009"


class DivisionByZero(SqlError):
    sqlstate = "22012"


class IntervalFieldOverflow(SqlError):
    sqlstate = "22015"


class CharacterNotInRepertoire(SqlError):
    sqlstate = "22021"


class InvalidParameterValue(SqlError):
    sqlstate = "22023"


class InvalidTextRepresentation(SqlError):
    sqlstate = "22P02"


class InvalidBinaryRepresentation(SqlError):
    sqlstate = "22P03"


class NotNullViolation(SqlError):
    sqlstate = "23502"


class CheckViolation(SqlError):
    sqlstate = "23514"


class ActiveSqlTransaction(SqlError):
    sqlstate = "25001"


class NoActiveSqlTransaction(SqlError):
    sqlstate = "25P01"


class ReadOnlySqlTransaction(SqlError):
    sqlstate = "25006"


class InFailedSqlTransaction(SqlError):
    sqlstate = "25P02"


class IdleInTransactionTimeout(SqlError):
    sqlstate = "25P03"
    severity = "FATAL"


class TransactionTimeout(SqlError):
    sqlstate = "25P04"
    severity = "FATAL"


class InvalidSqlStatementName(SqlError):
    sqlstate = "26000"


class InvalidAuthorizationSpecification(SqlError):
    sqlstate = "28000"
    severity = "FATAL"


class InvalidPassword(SqlError):
    sqlstate = "28P01"
    severity = "FATAL"


class DependentObjectsStillExist(SqlError):
    sqlstate = "2BP01"


class InvalidCursorName(SqlError):
    sqlstate = "34000"


class InvalidSavepointSpecification(SqlError):
    sqlstate = "3B001"


class InvalidCatalogName(SqlError):
    sqlstate = "3D000"
    severity = "FATAL"


class InvalidSchemaName(SqlError):
    sqlstate = "3F000"


class SerializationFailure(SqlError):
    sqlstate = "40001"


class StatementCompletionUnknown(SqlError):
    """A write was under way when its machine was lost: look at the table before running it again."""

    sqlstate = "40003"


class InsufficientPrivilege(SqlError):
    sqlstate = "42501"


class SqlSyntaxError(SqlError):
    sqlstate = "42601"


class InvalidName(SqlError):
    sqlstate = "42602"


class DuplicateColumn(SqlError):
    sqlstate = "42701"


class UndefinedColumn(SqlError):
    sqlstate = "42703"


class UndefinedObject(SqlError):
    sqlstate = "42704"


class DuplicateObject(SqlError):
    sqlstate = "42710"


class InvalidTableDefinition(SqlError):
    sqlstate = "42P16"


class DatatypeMismatch(SqlError):
    sqlstate = "42804"


class WrongObjectType(SqlError):
    sqlstate = "42809"


class UndefinedFunction(SqlError):
    sqlstate = "42883"


class ReservedName(SqlError):
    sqlstate = "42939"


class UndefinedTable(SqlError):
    sqlstate = "42P01"


class UndefinedParameter(SqlError):
    sqlstate = "42P02"


class DuplicateCursor(SqlError):
    sqlstate = "42P03"


class DuplicatePreparedStatement(SqlError):
    sqlstate = "42P05"


class DuplicateSchema(SqlError):
    sqlstate = "42P06"


class DuplicateTable(SqlError):
    sqlstate = "42P07"


class IndeterminateDatatype(SqlError):
    sqlstate = "42P18"


class InsufficientResources(SqlError):
    sqlstate = "53000"


class DiskFull(SqlError):
    sqlstate = "53100"


class OutOfMemory(SqlError):
    sqlstate = "53200"


class TooManyConnections(SqlError):
    sqlstate = "53300"
    severity = "FATAL"


class MachinesExhausted(SqlError):
    sqlstate = "53400"


class StatementTooComplex(SqlError):
    sqlstate = "54001"


class ProgramLimitExceeded(SqlError):
    sqlstate = "54000"


class ObjectNotInPrerequisiteState(SqlError):
    sqlstate = "55000"


class LockNotAvailable(SqlError):
    sqlstate = "55P03"


class QueryCanceled(SqlError):
    sqlstate = "57014"


class AdminShutdown(SqlError):
    sqlstate = "57P01"
    severity = "FATAL"


class CannotConnectNow(SqlError):
    sqlstate = "57P03"
    severity = "FATAL"


class IdleSessionTimeout(SqlError):
    sqlstate = "57P05"
    severity = "FATAL"


class MachineLost(SqlError):
    """The machine died under a statement. A read of which nothing was sent may be run again; a write may not."""

    sqlstate = "58000"


class UnreadableTable(SqlError):
    """A table's files or log are missing or damaged."""

    sqlstate = "58030"


class StoreUnavailable(SqlError):
    """The object store that holds a table does not answer: run the statement again."""

    sqlstate = "HV00N"


class InternalError(SqlError):
    sqlstate = "XX000"


class DataCorrupted(SqlError):
    sqlstate = "XX001"


BY_SQLSTATE: dict[str, type[SqlError]] = {cls.sqlstate: cls for cls in SqlError.__subclasses__()}
"""The class of each SQLSTATE, for errors that arrive as data (from a guest, from PostgreSQL)."""


def error_class(sqlstate: str) -> type[SqlError]:
    """The class of that SQLSTATE, made when it is needed where PostgreSQL has a code that none of ours names."""
    return BY_SQLSTATE.get(sqlstate) or _unnamed_class(sqlstate)


@lru_cache(maxsize=1024)
def _unnamed_class(sqlstate: str) -> type[SqlError]:
    return type(f"SqlError{sqlstate}", (SqlError,), {"sqlstate": sqlstate})
