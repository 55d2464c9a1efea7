"""One statement after another, said to the gateway and to a real PostgreSQL: all that a client hears of each."""

from dataclasses import dataclass, field

import psycopg
from psycopg.pq import DiagnosticField, ExecStatus

from tests.target import Target, of_waiting

REPORTED = ("TimeZone", "DateStyle", "IntervalStyle", "search_path", "application_name")
"""Settings of which the server tells unasked."""


@dataclass(frozen=True, slots=True)
class Heard:
    """The answer to one statement, the transaction's status after it, and the settings that were reported."""

    tag: str
    rows: list[list[str | None]]
    error: tuple[str, str] | None
    warnings: list[str]
    status: str
    reported: dict[str, str | None] = field(repr=False)


def hear(target: Target, statements: list[str], *, extended: bool = False, options: str = "") -> list[Heard]:
    """A new connection's answers, by simple Query or by Parse, Bind and Execute. `options`: more of those that it
    begins with."""
    with target.connect(options=f"-c TimeZone=UTC -c work_mem=2MB {options}") as connection:
        return [_ask(connection, statement, extended=extended) for statement in statements]


def _ask(connection: psycopg.Connection, statement: str, *, extended: bool) -> Heard:
    warnings: list[str] = []

    def hear(notice: psycopg.errors.Diagnostic) -> None:
        if not of_waiting(notice.message_primary):
            warnings.append(f"{notice.severity} {notice.sqlstate}")

    connection._notice_handlers.clear()
    connection.add_notice_handler(hear)
    pgconn, command = connection.pgconn, statement.encode()
    result = pgconn.exec_params(command, None) if extended else pgconn.exec_(command)
    error = None
    if result.status == ExecStatus.FATAL_ERROR:
        state, message = (
            result.error_field(part) for part in (DiagnosticField.SQLSTATE, DiagnosticField.MESSAGE_PRIMARY)
        )
        error = ((state or b"").decode(), (message or b"").decode())
    cells = [[result.get_value(row, column) for column in range(result.nfields)] for row in range(result.ntuples)]
    return Heard(
        (result.command_status or b"").decode(),
        [[None if cell is None else cell.decode() for cell in row] for row in cells],
        error,
        warnings,
        connection.info.transaction_status.name,
        {name: connection.info.parameter_status(name) for name in REPORTED},
    )
