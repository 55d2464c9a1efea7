"""The layouts of the backend's messages.

The gateway writes them to its clients, and reads them where it is itself the client of a PostgreSQL server.
"""

import struct
from collections.abc import Callable, Mapping
from typing import Any

from catalog.errors import FeatureNotSupported
from gateway.pgwire import fields, messages
from gateway.pgwire.errors import MalformedMessage
from gateway.pgwire.layout import BACKEND_LIMIT, Layout, bare
from gateway.pgwire.messages import BackendMessage, FieldDescription, ProtocolVersion

_FIELD = struct.Struct("!IhIhih")


def _encode_sasl(message: messages.AuthenticationSASL) -> bytes:
    return fields.INT32.pack(10) + b"".join(map(fields.text, message.mechanisms)) + b"\0"


def decode_authentication(body: bytes) -> BackendMessage:
    """All authentication requests share one type byte. Raises FeatureNotSupported for one that we cannot answer."""
    code, at = fields.read_number(fields.INT32, body, 0)
    match code:
        case 0:
            return messages.AuthenticationOk()
        case 3:
            return messages.AuthenticationCleartextPassword()
        case 10:
            names = [name.decode("ascii", "replace") for name in body[at:].split(b"\0") if name]
            return messages.AuthenticationSASL(tuple(names))
        case 11:
            return messages.AuthenticationSASLContinue(body[at:])
        case 12:
            return messages.AuthenticationSASLFinal(body[at:])
    raise FeatureNotSupported(
        f"the server asks for authentication method {code}, which is not supported",
        hint="Let the server ask for scram-sha-256.",
    )


def _encode_negotiation(message: messages.NegotiateProtocolVersion) -> bytes:
    newest = message.version.major << 16 | message.version.minor
    options = b"".join(map(fields.text, message.unknown_options))
    return fields.INT32.pack(newest) + fields.INT32.pack(len(message.unknown_options)) + options


def _decode_negotiation(body: bytes) -> messages.NegotiateProtocolVersion:
    newest, at = fields.read_number(fields.INT32, body, 0)
    count, at = fields.read_number(fields.INT32, body, at)
    if not 0 <= count <= len(body) - at:
        raise MalformedMessage("insufficient data left in message")
    options = []
    for _ in range(count):
        option, at = fields.read_text(body, at)
        options.append(option)
    fields.read_end(body, at)
    return messages.NegotiateProtocolVersion(ProtocolVersion(newest >> 16, newest & 0xFFFF), tuple(options))


def _decode_key_data(body: bytes) -> messages.BackendKeyData:
    pid, at = fields.read_number(fields.INT32, body, 0)
    return messages.BackendKeyData(pid, body[at:])


def _decode_parameter_status(body: bytes) -> messages.ParameterStatus:
    name, at = fields.read_text(body, 0)
    value, at = fields.read_text(body, at)
    fields.read_end(body, at)
    return messages.ParameterStatus(name, value)


def _encode_row_description(message: messages.RowDescription) -> bytes:
    parts = [fields.UINT16.pack(len(message.fields))]
    for field in message.fields:
        parts.append(fields.text(field.name))
        parts.append(
            _FIELD.pack(field.relation, field.attribute, field.type_oid, field.type_size, field.typmod, field.format)
        )
    return b"".join(parts)


def _decode_row_description(body: bytes) -> messages.RowDescription:
    count, at = fields.read_number(fields.UINT16, body, 0)
    columns = []
    for _ in range(count):
        name, at = fields.read_text(body, at)
        if at + _FIELD.size > len(body):
            raise MalformedMessage("insufficient data left in message")
        relation, attribute, oid, size, typmod, code = _FIELD.unpack_from(body, at)
        columns.append(FieldDescription(name, oid, size, typmod, code, relation, attribute))
        at += _FIELD.size
    fields.read_end(body, at)
    return messages.RowDescription(tuple(columns))


def _decode_parameter_description(body: bytes) -> messages.ParameterDescription:
    types, at = fields.read_numbers("I", body, 0)
    fields.read_end(body, at)
    return messages.ParameterDescription(types)


def _decode_data_row(body: bytes) -> messages.DataRow:
    values, at = fields.read_values(body, 0)
    fields.read_end(body, at)
    return messages.DataRow(values)


def _decode_command_complete(body: bytes) -> messages.CommandComplete:
    tag, at = fields.read_text(body, 0)
    fields.read_end(body, at)
    return messages.CommandComplete(tag)


def _encode_report(message: messages.ErrorResponse | messages.NoticeResponse) -> bytes:
    return b"".join(code.encode() + fields.text(text) for code, text in message.fields.items()) + b"\0"


def _read_report(body: bytes) -> Mapping[str, str]:
    report: dict[str, str] = {}
    at = 0
    while body[at : at + 1] not in (b"", b"\0"):
        report[chr(body[at])], at = fields.read_text(body, at + 1)
    fields.read_end(body, at + 1)
    return report


def _encode_notification(message: messages.NotificationResponse) -> bytes:
    return fields.INT32.pack(message.pid) + fields.text(message.channel) + fields.text(message.payload)


def _decode_notification(body: bytes) -> messages.NotificationResponse:
    pid, at = fields.read_number(fields.INT32, body, 0)
    channel, at = fields.read_text(body, at)
    payload, at = fields.read_text(body, at)
    fields.read_end(body, at)
    return messages.NotificationResponse(pid, channel, payload)


def _decode_function_result(body: bytes) -> messages.FunctionCallResponse:
    value, at = fields.read_value(body, 0)
    fields.read_end(body, at)
    return messages.FunctionCallResponse(value)


def _decode_ready(body: bytes) -> messages.ReadyForQuery:
    if body not in (b"I", b"T", b"E"):
        raise MalformedMessage("invalid message format")
    return messages.ReadyForQuery(body)


def _encode_copy(message: messages.CopyInResponse | messages.CopyOutResponse) -> bytes:
    return bytes([message.format]) + fields.numbers("h", message.column_formats)


def _read_copy(body: bytes) -> tuple[int, tuple[int, ...]]:
    if not body:
        raise MalformedMessage("no data left in message")
    formats, at = fields.read_numbers("h", body, 1)
    fields.read_end(body, at)
    return body[0], formats


def _authentication(encode: Callable[..., bytes]) -> Layout[Any]:
    return Layout(b"R", encode, decode_authentication)


def _report(cls: type[messages.ErrorResponse] | type[messages.NoticeResponse], code: bytes) -> Layout[Any]:
    return Layout(code, _encode_report, lambda body: cls(_read_report(body)), BACKEND_LIMIT)


def _copy(cls: type[messages.CopyInResponse] | type[messages.CopyOutResponse], code: bytes) -> Layout[Any]:
    return Layout(code, _encode_copy, lambda body: cls(*_read_copy(body)))


_ENCODE_NUMBER = fields.INT32.pack

# Each entry's functions take and give the class that is its key; the value's own parameter cannot say so.
LAYOUTS: dict[type[BackendMessage], Layout[Any]] = {
    messages.AuthenticationOk: _authentication(lambda _: _ENCODE_NUMBER(0)),
    messages.AuthenticationCleartextPassword: _authentication(lambda _: _ENCODE_NUMBER(3)),
    messages.AuthenticationSASL: _authentication(_encode_sasl),
    messages.AuthenticationSASLContinue: _authentication(lambda m: _ENCODE_NUMBER(11) + m.content),
    messages.AuthenticationSASLFinal: _authentication(lambda m: _ENCODE_NUMBER(12) + m.content),
    messages.NegotiateProtocolVersion: Layout(b"v", _encode_negotiation, _decode_negotiation),
    messages.BackendKeyData: Layout(b"K", lambda m: _ENCODE_NUMBER(m.pid) + m.secret, _decode_key_data),
    messages.ParameterStatus: Layout(
        b"S", lambda m: fields.text(m.name) + fields.text(m.value), _decode_parameter_status, BACKEND_LIMIT
    ),
    messages.RowDescription: Layout(b"T", _encode_row_description, _decode_row_description, BACKEND_LIMIT),
    messages.ParameterDescription: Layout(
        b"t", lambda m: fields.numbers("I", m.types), _decode_parameter_description, BACKEND_LIMIT
    ),
    messages.DataRow: Layout(b"D", lambda m: fields.values(m.values), _decode_data_row, BACKEND_LIMIT),
    messages.CommandComplete: Layout(b"C", lambda m: fields.text(m.tag), _decode_command_complete),
    messages.EmptyQueryResponse: bare(messages.EmptyQueryResponse(), b"I"),
    messages.PortalSuspended: bare(messages.PortalSuspended(), b"s"),
    messages.ParseComplete: bare(messages.ParseComplete(), b"1"),
    messages.BindComplete: bare(messages.BindComplete(), b"2"),
    messages.CloseComplete: bare(messages.CloseComplete(), b"3"),
    messages.NoData: bare(messages.NoData(), b"n"),
    messages.ErrorResponse: _report(messages.ErrorResponse, b"E"),
    messages.NoticeResponse: _report(messages.NoticeResponse, b"N"),
    messages.NotificationResponse: Layout(b"A", _encode_notification, _decode_notification),
    messages.FunctionCallResponse: Layout(
        b"V", lambda m: fields.value(m.value), _decode_function_result, BACKEND_LIMIT
    ),
    messages.ReadyForQuery: Layout(b"Z", lambda m: m.status, _decode_ready),
    messages.CopyInResponse: _copy(messages.CopyInResponse, b"G"),
    messages.CopyOutResponse: _copy(messages.CopyOutResponse, b"H"),
    messages.CopyData: Layout(b"d", lambda m: m.content, messages.CopyData, BACKEND_LIMIT),
    messages.CopyDone: bare(messages.CopyDone(), b"c"),
}
