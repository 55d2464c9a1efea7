"""Who may say what, and when: the states of a connection and their tables. Every transition is here.

A connection is in one state, whichever side one looks from. `FRONTEND` and `BACKEND` list what each side may say in it
and the state that follows; what is not listed is refused. Reading goes on one message at a time: the server takes a
message only when the one before is answered, so a client that sends ahead (a pipeline) waits in the server's buffer and
the server's state never runs ahead of its answers.

    STARTUP <-> NEGOTIATING (the byte that answers SSLRequest and GSSENCRequest); a ClientHello is not answered here
       |
    AUTHENTICATING <-> SASL_INITIAL, SASL_RESPONSE, PASSWORD (each waits for one answer of the client)
       |
    STARTING (parameters, key) -> IDLE
    IDLE -> BUSY (Query, FunctionCall) -> IDLE
    IDLE -> EXTENDED (Parse … Flush) -> SYNCING (Sync) -> IDLE
            EXTENDED -> SKIPPING (an error) -> SYNCING; all but Sync and Terminate is dropped there
    BUSY -> COPY_IN -> BUSY, EXTENDED -> EXTENDED_COPY_IN -> EXTENDED
    any -> FAILED (the peer broke the protocol; only an ErrorResponse may be sent) -> CLOSED

A client does not follow the server's cycle, since it may have many open: after the start it stays in OPEN.

Reference: PostgreSQL documentation, "Message Flow".
"""

from collections.abc import Iterable, Mapping
from enum import Enum, auto

from gateway.pgwire import messages as m
from gateway.pgwire.messages import BackendMessage, FrontendMessage


class Side(Enum):
    """Which of the two a `Connection` plays."""

    CLIENT = auto()
    SERVER = auto()


class State(Enum):
    STARTUP = auto()
    NEGOTIATING = auto()
    AUTHENTICATING = auto()
    SASL_INITIAL = auto()
    SASL_RESPONSE = auto()
    PASSWORD = auto()
    STARTING = auto()
    IDLE = auto()
    BUSY = auto()
    EXTENDED = auto()
    SKIPPING = auto()
    SYNCING = auto()
    COPY_IN = auto()
    EXTENDED_COPY_IN = auto()
    OPEN = auto()
    FAILED = auto()
    CLOSED = auto()

    __hash__ = object.__hash__
    """By identity, as the members are equal by: the tables are looked up for every message."""


FrontendRow = Mapping[type[FrontendMessage], State]
BackendRow = Mapping[type[BackendMessage], State]

_CYCLE: FrontendRow = {
    m.Query: State.BUSY,
    m.FunctionCall: State.BUSY,
    m.Parse: State.EXTENDED,
    m.Bind: State.EXTENDED,
    m.Describe: State.EXTENDED,
    m.Execute: State.EXTENDED,
    m.Close: State.EXTENDED,
    m.Flush: State.EXTENDED,
    m.Sync: State.SYNCING,
    m.Terminate: State.CLOSED,
}

FRONTEND: Mapping[State, FrontendRow] = {
    State.STARTUP: {
        m.SSLRequest: State.NEGOTIATING,
        m.GSSENCRequest: State.NEGOTIATING,
        m.ClientHello: State.STARTUP,
        m.CancelRequest: State.CLOSED,
        m.StartupMessage: State.AUTHENTICATING,
    },
    State.SASL_INITIAL: {m.SASLInitialResponse: State.AUTHENTICATING},
    State.SASL_RESPONSE: {m.SASLResponse: State.AUTHENTICATING},
    State.PASSWORD: {m.PasswordMessage: State.AUTHENTICATING},
    State.IDLE: _CYCLE,
    State.EXTENDED: _CYCLE,
    State.SKIPPING: {m.Sync: State.SYNCING, m.Terminate: State.CLOSED},
    State.COPY_IN: {
        m.CopyData: State.COPY_IN,
        m.CopyDone: State.BUSY,
        m.CopyFail: State.BUSY,
        m.Terminate: State.CLOSED,
    },
    State.EXTENDED_COPY_IN: {
        m.CopyData: State.EXTENDED_COPY_IN,
        m.CopyDone: State.EXTENDED,
        m.CopyFail: State.EXTENDED,
        m.Terminate: State.CLOSED,
    },
    State.OPEN: {
        **dict.fromkeys(_CYCLE, State.OPEN),
        **dict.fromkeys((m.CopyData, m.CopyDone, m.CopyFail), State.OPEN),
        m.Terminate: State.CLOSED,
    },
}

_COPY = (m.CopyData, m.CopyDone, m.CopyFail)

DROPPED: Mapping[State, Iterable[type[FrontendMessage]]] = {
    State.IDLE: _COPY,
    State.EXTENDED: _COPY,
    State.SKIPPING: (*(set(_CYCLE) - {m.Sync, m.Terminate}), *_COPY),
    State.COPY_IN: (m.Flush, m.Sync),
    State.EXTENDED_COPY_IN: (m.Flush, m.Sync),
}
"""What a server reads and forgets: the rest of a failed COPY or cycle, and what means nothing during COPY."""

_ANY_TIME = (m.NoticeResponse, m.ParameterStatus, m.NotificationResponse, m.Encoded)
_ANSWERS = (
    *_ANY_TIME,
    m.RowDescription,
    m.DataRow,
    m.CommandComplete,
    m.EmptyQueryResponse,
    m.CopyOutResponse,
    m.CopyData,
    m.CopyDone,
)
_EXTENDED_ANSWERS = (
    *_ANSWERS,
    m.ParseComplete,
    m.BindComplete,
    m.CloseComplete,
    m.ParameterDescription,
    m.NoData,
    m.PortalSuspended,
)
_REFUSAL: BackendRow = {m.ErrorResponse: State.CLOSED}


def _staying(state: State, answers: Iterable[type[BackendMessage]]) -> BackendRow:
    return dict.fromkeys(answers, state)


BACKEND: Mapping[State, BackendRow] = {
    State.STARTUP: _REFUSAL,
    State.NEGOTIATING: {m.EncryptionResponse: State.STARTUP},
    State.AUTHENTICATING: {
        m.NegotiateProtocolVersion: State.AUTHENTICATING,
        m.NoticeResponse: State.AUTHENTICATING,
        m.AuthenticationSASL: State.SASL_INITIAL,
        m.AuthenticationSASLContinue: State.SASL_RESPONSE,
        m.AuthenticationSASLFinal: State.AUTHENTICATING,
        m.AuthenticationCleartextPassword: State.PASSWORD,
        m.AuthenticationOk: State.STARTING,
        **_REFUSAL,
    },
    State.SASL_INITIAL: _REFUSAL,
    State.SASL_RESPONSE: _REFUSAL,
    State.PASSWORD: _REFUSAL,
    State.STARTING: {
        **_staying(State.STARTING, (*_ANY_TIME, m.BackendKeyData)),
        m.ReadyForQuery: State.IDLE,
        **_REFUSAL,
    },
    State.IDLE: _staying(State.IDLE, (*_ANY_TIME, m.ErrorResponse)),
    State.BUSY: {
        **_staying(State.BUSY, (*_ANSWERS, m.FunctionCallResponse, m.ErrorResponse)),
        m.CopyInResponse: State.COPY_IN,
        m.ReadyForQuery: State.IDLE,
    },
    State.EXTENDED: {
        **_staying(State.EXTENDED, _EXTENDED_ANSWERS),
        m.CopyInResponse: State.EXTENDED_COPY_IN,
        m.ErrorResponse: State.SKIPPING,
    },
    State.SKIPPING: _staying(State.SKIPPING, (*_ANY_TIME, m.ErrorResponse)),
    State.SYNCING: {
        **_staying(State.SYNCING, (*_ANY_TIME, m.ErrorResponse)),
        m.ReadyForQuery: State.IDLE,
    },
    State.COPY_IN: {**_staying(State.COPY_IN, _ANY_TIME), m.ErrorResponse: State.BUSY},
    State.EXTENDED_COPY_IN: {**_staying(State.EXTENDED_COPY_IN, _ANY_TIME), m.ErrorResponse: State.SKIPPING},
    State.OPEN: _staying(
        State.OPEN,
        (*_EXTENDED_ANSWERS, m.FunctionCallResponse, m.CopyInResponse, m.ErrorResponse, m.ReadyForQuery),
    ),
    State.FAILED: _REFUSAL,
}

BEFORE_SESSION = frozenset(
    {
        State.STARTUP,
        State.NEGOTIATING,
        State.AUTHENTICATING,
        State.SASL_INITIAL,
        State.SASL_RESPONSE,
        State.PASSWORD,
        State.STARTING,
        State.FAILED,
    }
)
"""Where every error is the last word: there is no session yet, or none any more."""

CYCLE_ENDS = frozenset({State.BUSY, State.SYNCING, State.STARTING})
"""Where ReadyForQuery follows, once all is answered."""

OVER = frozenset({State.CLOSED, State.FAILED})
