"""The messages of the protocol, one frozen class each, named as the protocol's documentation names them.

They hold values, not bytes; `codec` turns one into the other. A message belongs to the frontend (the client), to the
backend (us), or to both (the three of COPY). Names and texts are `str`, values of columns and parameters are bytes.

Reference: PostgreSQL documentation, "Message Formats".
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple


class ProtocolVersion(NamedTuple):
    """3.0 and 3.2 are spoken; 3.1 was never given out; 3.9999 is what clients send to try our negotiation."""

    major: int
    minor: int


class FrontendMessage:
    """What a client sends."""

    __slots__ = ()


class BackendMessage:
    """What a server sends."""

    __slots__ = ()


class CopyMessage(FrontendMessage, BackendMessage):
    """What either side sends while a COPY runs."""

    __slots__ = ()


# The frontend: before the start, without a type byte


@dataclass(frozen=True, slots=True)
class SSLRequest(FrontendMessage):
    """Asks for TLS. Answered by one byte (`EncryptionResponse`)."""


@dataclass(frozen=True, slots=True)
class ClientHello(FrontendMessage):
    """Direct TLS: the handshake begins with the connection's first byte, unasked. `content` is all that has come of
    it."""

    content: bytes


@dataclass(frozen=True, slots=True)
class GSSENCRequest(FrontendMessage):
    """Asks for GSSAPI encryption. Answered by one byte (`EncryptionResponse`)."""


@dataclass(frozen=True, slots=True)
class CancelRequest(FrontendMessage):
    """Asks, on a connection of its own, that another connection's statement be cancelled. Never answered."""

    pid: int
    secret: bytes


@dataclass(frozen=True, slots=True)
class StartupMessage(FrontendMessage):
    """Opens a session. `options` are the protocol's own (``_pq_.``), `parameters` all others, in the order sent."""

    version: ProtocolVersion
    parameters: Mapping[str, str]
    options: Mapping[str, str]

    @property
    def user(self) -> str:
        return self.parameters["user"]

    @property
    def database(self) -> str:
        """The database asked for: the user's name where none is given."""
        return self.parameters.get("database") or self.user


# The frontend: answers to an authentication request; one type byte, told apart by what was asked


@dataclass(frozen=True, slots=True)
class PasswordMessage(FrontendMessage):
    """A password in the clear. A client sends it; our server never asks for it."""

    password: str


@dataclass(frozen=True, slots=True)
class SASLInitialResponse(FrontendMessage):
    """The mechanism that the client chose, and its first message if it has one."""

    mechanism: str
    initial: bytes | None


@dataclass(frozen=True, slots=True)
class SASLResponse(FrontendMessage):
    content: bytes


# The frontend: statements


@dataclass(frozen=True, slots=True)
class Query(FrontendMessage):
    sql: str


@dataclass(frozen=True, slots=True)
class Parse(FrontendMessage):
    """`types` are OIDs, 0 where the server shall tell; there may be fewer than the statement has parameters."""

    statement: str
    sql: str
    types: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Bind(FrontendMessage):
    """`formats` and `result_formats` hold 0 (text) and 1 (binary): none, one for all, or one each."""

    portal: str
    statement: str
    formats: tuple[int, ...]
    parameters: tuple[bytes | None, ...]
    result_formats: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Describe(FrontendMessage):
    """Asks for the types of a prepared statement (`kind` ``S``) or a portal (``P``)."""

    kind: Literal["S", "P"]
    name: str


@dataclass(frozen=True, slots=True)
class Execute(FrontendMessage):
    """`max_rows` of zero or less means all of them."""

    portal: str
    max_rows: int


@dataclass(frozen=True, slots=True)
class Close(FrontendMessage):
    """Ends a prepared statement (`kind` ``S``) or a portal (``P``); no error if there is none of that name."""

    kind: Literal["S", "P"]
    name: str


@dataclass(frozen=True, slots=True)
class Sync(FrontendMessage):
    """Ends a cycle of the extended protocol; ReadyForQuery answers it."""


@dataclass(frozen=True, slots=True)
class Flush(FrontendMessage):
    """Asks for the answers that wait in the server's buffer."""


@dataclass(frozen=True, slots=True)
class FunctionCall(FrontendMessage):
    """The old fast path. The arguments are not taken apart, as we refuse it."""

    function: int
    arguments: bytes


@dataclass(frozen=True, slots=True)
class Terminate(FrontendMessage):
    """The client leaves."""


# Both sides: COPY


@dataclass(frozen=True, slots=True)
class CopyData(CopyMessage):
    content: bytes


@dataclass(frozen=True, slots=True)
class CopyDone(CopyMessage):
    pass


@dataclass(frozen=True, slots=True)
class CopyFail(FrontendMessage):
    reason: str


# The backend: the start


@dataclass(frozen=True, slots=True)
class EncryptionResponse(BackendMessage):
    """One byte without a frame: ``S`` or ``G`` begins encryption, ``N`` goes on without."""

    answer: bytes


@dataclass(frozen=True, slots=True)
class AuthenticationOk(BackendMessage):
    pass


@dataclass(frozen=True, slots=True)
class AuthenticationCleartextPassword(BackendMessage):
    pass


@dataclass(frozen=True, slots=True)
class AuthenticationSASL(BackendMessage):
    mechanisms: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AuthenticationSASLContinue(BackendMessage):
    content: bytes


@dataclass(frozen=True, slots=True)
class AuthenticationSASLFinal(BackendMessage):
    content: bytes


@dataclass(frozen=True, slots=True)
class NegotiateProtocolVersion(BackendMessage):
    """The newest version that will be spoken, and the client's protocol options that are not known here."""

    version: ProtocolVersion
    unknown_options: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class BackendKeyData(BackendMessage):
    """What a CancelRequest must show. `secret` has 4 bytes before protocol 3.2, up to 256 since."""

    pid: int
    secret: bytes


@dataclass(frozen=True, slots=True)
class ParameterStatus(BackendMessage):
    name: str
    value: str


# The backend: answers


@dataclass(frozen=True, slots=True)
class FieldDescription:
    """One column of a RowDescription. `relation` and `attribute` are zero for an expression."""

    name: str
    type_oid: int
    type_size: int
    typmod: int = -1
    format: int = 0
    relation: int = 0
    attribute: int = 0


@dataclass(frozen=True, slots=True)
class RowDescription(BackendMessage):
    fields: tuple[FieldDescription, ...]


@dataclass(frozen=True, slots=True)
class ParameterDescription(BackendMessage):
    types: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Encoded(BackendMessage):
    """A run of whole messages in wire format, none of which changes the state: native rows, relayed answers."""

    content: bytes


@dataclass(frozen=True, slots=True)
class DataRow(BackendMessage):
    """A single row, for answers that the gateway makes itself; results are encoded in native code, as `Encoded`."""

    values: tuple[bytes | None, ...]


@dataclass(frozen=True, slots=True)
class CommandComplete(BackendMessage):
    tag: str


@dataclass(frozen=True, slots=True)
class EmptyQueryResponse(BackendMessage):
    pass


@dataclass(frozen=True, slots=True)
class PortalSuspended(BackendMessage):
    pass


@dataclass(frozen=True, slots=True)
class ParseComplete(BackendMessage):
    pass


@dataclass(frozen=True, slots=True)
class BindComplete(BackendMessage):
    pass


@dataclass(frozen=True, slots=True)
class CloseComplete(BackendMessage):
    pass


@dataclass(frozen=True, slots=True)
class NoData(BackendMessage):
    pass


@dataclass(frozen=True, slots=True)
class ErrorResponse(BackendMessage):
    """`fields` maps the protocol's one-letter codes (S, V, C, M, D, H, P, …) to texts."""

    fields: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class NoticeResponse(BackendMessage):
    """`fields` as in ErrorResponse."""

    fields: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class NotificationResponse(BackendMessage):
    pid: int
    channel: str
    payload: str


@dataclass(frozen=True, slots=True)
class FunctionCallResponse(BackendMessage):
    value: bytes | None


@dataclass(frozen=True, slots=True)
class ReadyForQuery(BackendMessage):
    """`status` is ``I`` (idle), ``T`` (in a transaction block) or ``E`` (in a failed one)."""

    status: bytes


@dataclass(frozen=True, slots=True)
class CopyInResponse(BackendMessage):
    """`format` is 0 (text) or 1 (binary) for the whole COPY, `column_formats` the same for each column."""

    format: int
    column_formats: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class CopyOutResponse(BackendMessage):
    """As CopyInResponse."""

    format: int
    column_formats: tuple[int, ...]
