"""Errors on the wire: which field carries what, and what becomes of an exception that nobody meant to show.

Two kinds of violation, as PostgreSQL has them. A broken frame (an unknown type byte, an impossible length) is a
`ProtocolViolation`: nothing after it can be trusted, so the connection ends. A whole frame with a bad body is a
`MalformedMessage`: the next frame is sound, so the session goes on after the error.

Reference: PostgreSQL documentation, "Error and Notice Message Fields".
"""

import logging
import secrets
from collections.abc import Mapping

from catalog.errors import (
    CharacterNotInRepertoire,
    FeatureNotSupported,
    InternalError,
    ProtocolViolation,
    QueryCanceled,
    SqlError,
    error_class,
)
from gateway.pgwire.messages import ErrorResponse, NoticeResponse

log = logging.getLogger(__name__)

_FURTHER = "Wstcdn"
"""Where an error happened, and what it is about: schema, table, column, type, constraint."""


class LocalProtocolError(Exception):
    """We asked for what the state does not allow. A bug of ours; the peer did nothing wrong."""


class MalformedMessage(ProtocolViolation):
    """The body of a message is not what its type asks for; its frame is whole."""

    severity = "ERROR"


class InvalidStartupText(CharacterNotInRepertoire):
    """A start-up packet with text that is not UTF-8: there is no session yet that could go on."""

    severity = "FATAL"


class UnsupportedProtocol(FeatureNotSupported):
    severity = "FATAL"


class LoginTimeout(QueryCanceled):
    severity = "FATAL"


def error_response(error: SqlError, severity: str | None = None) -> ErrorResponse:
    """`severity` overrides the error's own: before a session has begun every error is FATAL."""
    return ErrorResponse(_fields(error, severity or error.severity))


def notice_response(notice: SqlError, severity: str = "NOTICE") -> NoticeResponse:
    """A notice has an error's parts. `severity` is NOTICE, WARNING, INFO, LOG or DEBUG."""
    return NoticeResponse(_fields(notice, severity))


def sql_error(fields: Mapping[str, str]) -> SqlError:
    """The error that another server's ErrorResponse reports, to be raised here as our own.

    It ends a statement of ours, never the session, whatever its class means where we raise it ourselves.
    """
    cls = error_class(fields.get("C", InternalError.sqlstate))
    position = fields.get("P", "")
    error = cls(
        fields.get("M", "the server reported an error without a message"),
        detail=fields.get("D"),
        hint=fields.get("H"),
        position=int(position) if position.isdecimal() else None,
    )
    error.severity = "ERROR"
    error.further = {code: fields[code] for code in _FURTHER if code in fields}
    return error


def presentable(error: Exception) -> SqlError:
    """What the client may see of an exception: an SqlError as it is, anything else as XX000 with an id.

    The id is also in the one log line that this writes, next to the traceback.
    """
    if isinstance(error, SqlError):
        return error
    incident = secrets.token_hex(4)
    log.error("unexpected error %s", incident, exc_info=error)
    return InternalError(f"internal error {incident}", hint="The gateway's log has the details under this id.")


def _fields(error: SqlError, severity: str) -> dict[str, str]:
    position = None if error.position is None else str(error.position)
    optional = {"D": error.detail, "H": error.hint, "P": position, **error.further}
    return {
        "S": severity,
        "V": severity,
        "C": error.sqlstate,
        "M": _sendable(error.message),
        **{code: _sendable(text) for code, text in optional.items() if text is not None},
    }


def _sendable(text: str) -> str:
    """The text without what the wire cannot carry: engines and file names put anything into their errors."""
    return text.replace("\0", "").encode("utf-8", "replace").decode()
