"""The packets that open a connection: a length, a code, and what the code asks for; no type byte.

Reference: PostgreSQL documentation, "Start-up"; `ProcessStartupPacket` for the texts of the errors.
"""

from catalog.errors import InvalidAuthorizationSpecification, ProtocolViolation
from gateway.pgwire import fields
from gateway.pgwire.errors import InvalidStartupText, UnsupportedProtocol
from gateway.pgwire.messages import (
    CancelRequest,
    ClientHello,
    FrontendMessage,
    GSSENCRequest,
    NegotiateProtocolVersion,
    ProtocolVersion,
    SSLRequest,
    StartupMessage,
)

OLDEST = ProtocolVersion(3, 0)
NEWEST = ProtocolVersion(3, 2)
OPTION_PREFIX = "_pq_."

_CANCEL_CODE = 80877102
_SSL_CODE = 80877103
_GSSENC_CODE = 80877104
_SECRET_LENGTHS = range(4, 257)


def decode(body: bytes) -> FrontendMessage:
    """Reads a packet after its length. Raises an SqlError of severity FATAL for all that is not as it should be."""
    if len(body) < fields.UINT32.size:
        raise ProtocolViolation("invalid length of startup packet")
    (code,) = fields.UINT32.unpack_from(body)
    if code in (_SSL_CODE, _GSSENC_CODE):
        if len(body) != fields.UINT32.size:
            raise ProtocolViolation("invalid length of startup packet")
        return SSLRequest() if code == _SSL_CODE else GSSENCRequest()
    if code == _CANCEL_CODE:
        return _decode_cancel(body)
    return _decode_startup(ProtocolVersion(code >> 16, code & 0xFFFF), body)


def _decode_cancel(body: bytes) -> CancelRequest:
    secret = body[2 * fields.INT32.size :]
    if len(secret) not in _SECRET_LENGTHS:
        raise ProtocolViolation("invalid length of cancel request packet")
    return CancelRequest(fields.INT32.unpack_from(body, 4)[0], secret)


def _decode_startup(version: ProtocolVersion, body: bytes) -> StartupMessage:
    if version.major != OLDEST.major:
        raise unsupported(version)
    pairs = _read_pairs(body)
    parameters = {name: value for name, value in pairs if not name.startswith(OPTION_PREFIX)}
    options = {name: value for name, value in pairs if name.startswith(OPTION_PREFIX)}
    if not parameters.get("user"):
        raise InvalidAuthorizationSpecification("no PostgreSQL user name specified in startup packet")
    return StartupMessage(version, parameters, options)


def unsupported(version: ProtocolVersion) -> UnsupportedProtocol:
    return UnsupportedProtocol(
        f"unsupported frontend protocol {version.major}.{version.minor}: "
        f"server supports {OLDEST.major}.{OLDEST.minor} to {NEWEST.major}.{NEWEST.minor}"
    )


def request_version(request: SSLRequest | GSSENCRequest) -> ProtocolVersion:
    """What the code of such a request would be as a version: it is read as one where it may not come."""
    code = _SSL_CODE if isinstance(request, SSLRequest) else _GSSENC_CODE
    return ProtocolVersion(code >> 16, code & 0xFFFF)


def negotiate(message: StartupMessage) -> NegotiateProtocolVersion | None:
    """What a server must answer before it authenticates: None if it speaks all that the client asks for.

    Clients try this on purpose with version 3.9999 and an option that nobody knows.
    """
    if message.version <= NEWEST and not message.options:
        return None
    return NegotiateProtocolVersion(min(message.version, NEWEST), tuple(message.options))


def has_long_secrets(version: ProtocolVersion) -> bool:
    """Whether the secret in BackendKeyData may have up to 256 bytes: clients before 3.2 can hold four."""
    return version >= NEWEST


def _read_pairs(body: bytes) -> list[tuple[str, str]]:
    """Names and values in turn, each ended by a NUL, then one NUL more."""
    layout = ProtocolViolation("invalid startup packet layout: expected terminator as last byte")
    if len(body) < fields.UINT32.size + 1 or body[-1] != 0:
        raise layout
    pieces = body[fields.UINT32.size : -1].split(b"\0")
    if pieces.pop() != b"" or len(pieces) % 2 or b"" in pieces[::2]:
        raise layout
    texts = [_decode_text(piece) for piece in pieces]
    return list(zip(texts[::2], texts[1::2], strict=True))


def _decode_text(piece: bytes) -> str:
    try:
        return piece.decode()
    except UnicodeDecodeError as error:
        raise InvalidStartupText(fields.invalid_bytes(error)) from None


def encode(message: FrontendMessage) -> bytes:
    """A start-up packet with its length, or TLS as it is. The other frontend messages are `codec`'s."""
    if isinstance(message, ClientHello):
        return message.content
    body = _encode_body(message)
    return fields.INT32.pack(len(body) + fields.INT32.size) + body


def _encode_body(message: FrontendMessage) -> bytes:
    match message:
        case SSLRequest():
            return fields.UINT32.pack(_SSL_CODE)
        case GSSENCRequest():
            return fields.UINT32.pack(_GSSENC_CODE)
        case CancelRequest(pid, secret):
            return fields.UINT32.pack(_CANCEL_CODE) + fields.INT32.pack(pid) + secret
        case StartupMessage(version, parameters, options):
            pairs = {**parameters, **options}
            texts = b"".join(fields.text(name) + fields.text(value) for name, value in pairs.items())
            return fields.UINT32.pack(version.major << 16 | version.minor) + texts + b"\0"
    raise TypeError(f"{type(message).__name__} does not open a connection")
