"""The relay: statements that PostgreSQL itself answers, as raw messages under the user's own role.

Owns: the gateway's connections to the metastore's PostgreSQL for client sessions: login, pool, settings, blocks,
cancel, bounds; the cache of descriptions and the memo of answers. What may be relayed the planner has decided before;
here is the second fence.

Layers, top-down: `relay` (one a gateway), `session` (what a client session asks), `flight` (an execution that no task
waits for), `portal` (an execution's rows), `load` (a COPY's), `conversation` (holding a backend), `run` (one request on
its way), `pool` and `backend` (connections), `login` and `dialogue` (start-up, SCRAM, cancel). Without I/O: `requests`
(what is written), `exchange` (what comes back), `outcomes` (what it means), `holdings` (why a backend is kept),
`allotment` (how many there are, and are kept), `statements`, `settings`, `caches`, `answers`, `reports`,
`notifications`, `limits`.

A statement's way: the session's backend, or an idle one of its role, or a new one; one write holding BEGIN and the
savepoints if a block has begun, the settings that differ, Parse where the text is new there, Bind, Describe, Execute,
Sync; one read with the answer. Rows are forwarded as slices of what was read. ReadyForQuery, ParameterStatus and
BackendKeyData stop here. Rows of a client's or of the gateway's own go in by COPY FROM STDIN: `RelaySession.load`.

A backend is lent while a statement runs. It stays with its session while something lives there: a block, suspended
portals, temp tables, channels that it listens on. The last few are kept by nobody, so that what needs one for a moment
finds one. Its settings travel with it as a note of what they are, the role that its session has taken on among them;
the next session's first request changes what differs. When they are not known any more (after an error, a rollback),
all are reset first.

Never: a login as another role than the user's, a role that PostgreSQL does not let her take on, simple Query (which
takes several statements), decoding of rows, an unbounded wait or buffer.

Errors: PostgreSQL's own, with `ErrorReport` as cause; `BackendLost` 08006, `RelayUnavailable` 57P03, `RelayExhausted`
53300, `StatementTimeout` 57014 are the relay's.

References: PostgreSQL documentation, chapters "Frontend/Backend Protocol" and "Connections and Authentication".
"""

from gateway.relay.answers import RelayAnswer, RelayDescription
from gateway.relay.flight import Flight
from gateway.relay.limits import RelayLimits
from gateway.relay.load import RelayLoad
from gateway.relay.notifications import Subscriber
from gateway.relay.portal import RelayPortal
from gateway.relay.relay import Relay
from gateway.relay.reports import (
    BackendLost,
    ErrorReport,
    RelayExhausted,
    RelayUnavailable,
    StatementTimeout,
    report_of,
)
from gateway.relay.requests import Call
from gateway.relay.session import RelaySession

__all__ = [
    "BackendLost",
    "Call",
    "ErrorReport",
    "Flight",
    "Relay",
    "RelayAnswer",
    "RelayDescription",
    "RelayExhausted",
    "RelayLimits",
    "RelayLoad",
    "RelayPortal",
    "RelaySession",
    "RelayUnavailable",
    "StatementTimeout",
    "Subscriber",
    "report_of",
]
