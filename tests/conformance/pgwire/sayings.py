"""From a step to the bytes that it sends."""

from collections.abc import Callable, Mapping
from typing import Any

from gateway.pgwire import messages as m
from gateway.pgwire.codec import encode
from gateway.pgwire.messages import FrontendMessage, ProtocolVersion
from gateway.pgwire.startup import OPTION_PREFIX
from tests.conformance.pgwire.script import Step
from tests.conformance.pgwire.spelling import read_bytes, read_formats, read_types, read_values

NEWEST = "3.2"
IDENTITY = {"user": "admin", "database": "demo"}
"""Who logs in where, on either server, unless a script says otherwise."""


def say(step: Step) -> bytes:
    """Raises ValueError for what is no message."""
    if step.verb in _RAW:
        return _RAW[step.verb](step)
    if step.verb not in _MESSAGES:
        raise ValueError(f"{step}: nobody can say that")
    return encode(_MESSAGES[step.verb](step, **step.fields))


def startup(fields: Mapping[str, str]) -> m.StartupMessage:
    """`version` apart, a field is a parameter; an empty one of `IDENTITY` is not sent."""
    pairs = {**IDENTITY, **{name: text for name, text in fields.items() if name != "version"}}
    pairs = {name: text for name, text in pairs.items() if text or name not in IDENTITY}
    options = {name: text for name, text in pairs.items() if name.startswith(OPTION_PREFIX)}
    major, minor = map(int, fields.get("version", NEWEST).split("."))
    parameters = {name: text for name, text in pairs.items() if name not in options}
    return m.StartupMessage(ProtocolVersion(major, minor), parameters, options)


def _parse(step: Step, statement: str = "", types: str = "") -> FrontendMessage:
    return m.Parse(statement, step.body, read_types(types))


def _bind(step: Step, portal: str = "", statement: str = "", formats: str = "", results: str = "") -> FrontendMessage:
    return m.Bind(portal, statement, read_formats(formats), read_values(step.body), read_formats(results))


def _named(message: type[m.Describe] | type[m.Close]) -> Callable[..., FrontendMessage]:
    def say_name(_: Step, statement: str | None = None, portal: str = "") -> FrontendMessage:
        return message("P", portal) if statement is None else message("S", statement)

    return say_name


def _plain(message: type[Any]) -> Callable[..., FrontendMessage]:
    def say_it(_: Step) -> FrontendMessage:
        said: FrontendMessage = message()
        return said

    return say_it


def _sasl_initial(step: Step, mechanism: str = "SCRAM-SHA-256") -> FrontendMessage:
    return m.SASLInitialResponse(mechanism, step.body.encode() if step.body else None)


_MESSAGES: Mapping[str, Callable[..., FrontendMessage]] = {
    "StartupMessage": lambda step, **fields: startup(fields),
    "PasswordMessage": lambda step: m.PasswordMessage(step.body),
    "SASLInitialResponse": _sasl_initial,
    "SASLResponse": lambda step: m.SASLResponse(step.body.encode()),
    "Query": lambda step: m.Query(step.body),
    "Parse": _parse,
    "Bind": _bind,
    "Describe": _named(m.Describe),
    "Close": _named(m.Close),
    "Execute": lambda step, portal="", max_rows="0": m.Execute(portal, int(max_rows)),
    "FunctionCall": lambda step, function: m.FunctionCall(int(function), read_bytes(step.body)),
    "CopyData": lambda step: m.CopyData(read_bytes(step.body)),
    "CopyFail": lambda step: m.CopyFail(step.body),
    **{
        message.__name__: _plain(message)
        for message in (m.Sync, m.Flush, m.Terminate, m.CopyDone, m.SSLRequest, m.GSSENCRequest)
    },
}


def _frame(step: Step) -> bytes:
    """A frame around any bytes; its type is a character or two hexadecimal digits."""
    kind, body = step.fields["type"], read_bytes(step.body)
    return (kind.encode() if len(kind) == 1 else bytes.fromhex(kind)) + _length(step, body) + body


def _length(step: Step, body: bytes) -> bytes:
    return (int(step.fields.get("length", len(body) + 4)) & 0xFFFFFFFF).to_bytes(4)


def _packet(step: Step) -> bytes:
    body = read_bytes(step.body)
    return _length(step, body) + body


_RAW: Mapping[str, Callable[[Step], bytes]] = {
    "frame": _frame,
    "packet": _packet,
    "bytes": lambda step: read_bytes(step.body),
}
