"""The layouts of the frontend's messages. The start-up packets, which have no type byte, are in `startup`."""

from typing import Any, Literal, cast

from catalog.errors import InvalidParameterValue
from gateway.pgwire import fields, messages
from gateway.pgwire.errors import MalformedMessage
from gateway.pgwire.layout import LARGE_LIMIT, LOGIN_LIMIT, Layout, bare
from gateway.pgwire.messages import FrontendMessage

_KINDS = {b"S": "S", b"P": "P"}
_DEFAULT_FORMATS = b"\0\0"
_NO_NUMBERS = ((), (0,), (1,))


def _decode_password(body: bytes) -> messages.PasswordMessage:
    password, at = fields.read_text(body, 0)
    fields.read_end(body, at)
    return messages.PasswordMessage(password)


def _encode_sasl_initial(message: messages.SASLInitialResponse) -> bytes:
    return fields.text(message.mechanism) + fields.value(message.initial)


def _decode_sasl_initial(body: bytes) -> messages.SASLInitialResponse:
    mechanism, at = fields.read_text(body, 0)
    initial, at = fields.read_value(body, at)
    fields.read_end(body, at)
    return messages.SASLInitialResponse(mechanism, initial)


def _decode_query(body: bytes) -> messages.Query:
    sql, at = fields.read_text(body, 0)
    fields.read_end(body, at)
    return messages.Query(sql)


def _encode_parse(message: messages.Parse) -> bytes:
    return fields.text(message.statement) + fields.text(message.sql) + fields.numbers("I", message.types)


def _decode_parse(body: bytes) -> messages.Parse:
    statement, at = fields.read_text(body, 0)
    sql, at = fields.read_text(body, at)
    types, at = fields.read_numbers("I", body, at)
    fields.read_end(body, at)
    return messages.Parse(statement, sql, types)


def _encode_bind(message: messages.Bind) -> bytes:
    return b"".join(
        (
            fields.text(message.portal),
            fields.text(message.statement),
            fields.numbers("h", message.formats),
            fields.values(message.parameters),
            fields.numbers("h", message.result_formats),
        )
    )


def _decode_bind(body: bytes) -> messages.Bind:
    portal, at = fields.read_text(body, 0)
    statement, at = fields.read_text(body, at)
    formats, at = fields.read_numbers("h", body, at)
    parameters, at = fields.read_values(body, at)
    result_formats, at = fields.read_numbers("h", body, at)
    fields.read_end(body, at)
    if len(formats) > 1 and len(formats) != len(parameters):
        raise MalformedMessage(f"bind message has {len(formats)} parameter formats but {len(parameters)} parameters")
    _check_formats(formats)
    _check_formats(result_formats)
    return messages.Bind(portal, statement, formats, parameters, result_formats)


def _check_formats(formats: tuple[int, ...]) -> None:
    if formats in _NO_NUMBERS:
        return
    for code in formats:
        if code not in (0, 1):
            raise InvalidParameterValue(f"unsupported format code: {code}")


def _encode_name(message: messages.Describe | messages.Close) -> bytes:
    return message.kind.encode() + fields.text(message.name)


def _read_name(body: bytes, message: str) -> tuple[Literal["S", "P"], str]:
    if not body:
        raise MalformedMessage("no data left in message")
    name, at = fields.read_text(body, 1)
    fields.read_end(body, at)
    kind = _KINDS.get(body[:1])
    if kind is None:
        raise MalformedMessage(f"invalid {message} message subtype {body[0]}")
    return cast('Literal["S", "P"]', kind), name


def _decode_describe(body: bytes) -> messages.Describe:
    return messages.Describe(*_read_name(body, "DESCRIBE"))


def _decode_close(body: bytes) -> messages.Close:
    return messages.Close(*_read_name(body, "CLOSE"))


def _encode_execute(message: messages.Execute) -> bytes:
    return fields.text(message.portal) + fields.INT32.pack(message.max_rows)


def _decode_execute(body: bytes) -> messages.Execute:
    portal, at = fields.read_text(body, 0)
    max_rows, at = fields.read_number(fields.INT32, body, at)
    fields.read_end(body, at)
    return messages.Execute(portal, max_rows)


def _encode_function_call(message: messages.FunctionCall) -> bytes:
    return fields.UINT32.pack(message.function) + message.arguments


def _decode_function_call(body: bytes) -> messages.FunctionCall:
    function, at = fields.read_number(fields.UINT32, body, 0)
    return messages.FunctionCall(function, body[at:])


def _decode_copy_fail(body: bytes) -> messages.CopyFail:
    reason, at = fields.read_text(body, 0)
    fields.read_end(body, at)
    return messages.CopyFail(reason)


# Each entry's functions take and give the class that is its key; the value's own parameter cannot say so.
LAYOUTS: dict[type[FrontendMessage], Layout[Any]] = {
    messages.PasswordMessage: Layout(b"p", lambda m: fields.text(m.password), _decode_password, LOGIN_LIMIT),
    messages.SASLInitialResponse: Layout(b"p", _encode_sasl_initial, _decode_sasl_initial, LOGIN_LIMIT),
    messages.SASLResponse: Layout(b"p", lambda m: m.content, messages.SASLResponse, LOGIN_LIMIT),
    messages.Query: Layout(b"Q", lambda m: fields.text(m.sql), _decode_query, LARGE_LIMIT),
    messages.Parse: Layout(b"P", _encode_parse, _decode_parse, LARGE_LIMIT),
    messages.Bind: Layout(b"B", _encode_bind, _decode_bind, LARGE_LIMIT),
    messages.Describe: Layout(b"D", _encode_name, _decode_describe),
    messages.Execute: Layout(b"E", _encode_execute, _decode_execute),
    messages.Close: Layout(b"C", _encode_name, _decode_close),
    messages.Sync: bare(messages.Sync(), b"S"),
    messages.Flush: bare(messages.Flush(), b"H"),
    messages.FunctionCall: Layout(b"F", _encode_function_call, _decode_function_call, LARGE_LIMIT),
    messages.Terminate: Layout(b"X", lambda _: b"", lambda _: messages.Terminate()),
    messages.CopyData: Layout(b"d", lambda m: m.content, messages.CopyData, LARGE_LIMIT),
    messages.CopyDone: bare(messages.CopyDone(), b"c"),
    messages.CopyFail: Layout(b"f", lambda m: fields.text(m.reason), _decode_copy_fail),
}
