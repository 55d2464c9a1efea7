"""The answers to one request, taken apart as the bytes arrive. No I/O.

A request is written at once: commands of our own first (settings, BEGIN), whose answers are dropped, then the
statement. Only type bytes and lengths are read; rows stay the bytes that they came as. Reference: PostgreSQL protocol,
"Message Flow".
"""

import struct

from catalog.sessions import SIGNAL_SQLSTATE
from gateway.pgwire.codec import HEADER_SIZE, split

_LENGTH = struct.Struct("!xI").unpack_from
_SIGNAL = b"\0C%b\0" % SIGNAL_SQLSTATE.encode()
"""A field ends with a zero byte, so nothing that a user writes is taken for it."""
_ROWS = frozenset(b"Dd")


class Exchange:
    """What has been answered so far.

    `description`, `parameters`, `complete`, `error` are whole messages, empty until they come. `status` is
    ReadyForQuery's, 0 until then. `changed` says that a setting was changed by the statement itself, `copying` that it
    asks for COPY unasked; where `copies` says that it is to, its data are kept as rows are, and `invitation` is the
    CopyInResponse.
    `oversized` is the length of a message that was too long. `notifications`, and `signals` for other sessions, are
    whole messages too, to be taken at once: they are no answer.
    """

    __slots__ = (
        "_runs",
        "buffered",
        "changed",
        "complete",
        "copies",
        "copying",
        "description",
        "discarding",
        "error",
        "invitation",
        "lost",
        "no_data",
        "noticed",
        "notifications",
        "oversized",
        "parameters",
        "parsed",
        "signals",
        "skipped",
        "status",
        "suspended",
    )

    def __init__(self, skipped: int = 0) -> None:
        self.skipped = skipped
        self.parsed = 0
        self.buffered = 0
        self.status = 0
        self.oversized = 0
        self.description = self.parameters = self.complete = self.error = b""
        self.suspended = self.no_data = self.noticed = False
        self.invitation = b""
        self.copies = self.changed = self.copying = self.lost = self.discarding = False
        self.notifications: tuple[bytes, ...] = ()
        self.signals: set[bytes] = set()
        self._runs: list[bytes] = []

    @property
    def ended(self) -> bool:
        """Nothing more comes: the backend is ready, or gone."""
        return self.status != 0 or self.lost

    @property
    def executed(self) -> bool:
        """The Execute was answered, if only for some rows."""
        return self.suspended or self.complete != b"" or self.error != b""

    @property
    def described(self) -> bool:
        """The Describe was answered."""
        return self.no_data or self.description != b"" or self.error != b""

    def feed(self, data: bytes) -> int:
        """Takes the whole messages of `data`; returns how many bytes they are."""
        at, size = 0, len(data)
        while at + HEADER_SIZE <= size:
            if data[at] in _ROWS:  # DataRow, CopyData
                end = split(data, at, _ROWS)
                if end == at:
                    break
                if not self.skipped:
                    self._keep(data[at:end])
            else:
                end = at + 1 + _LENGTH(data, at)[0]
                if end > size:
                    break
                self._take(data[at], data[at:end])
            at = end
        return at

    def take(self) -> bytes:
        """The rows that wait, as one run of whole messages; empty if none does."""
        if not self._runs:
            return b""
        run = self._runs[0] if len(self._runs) == 1 else b"".join(self._runs)
        self._runs.clear()
        self.buffered = 0
        return run

    @property
    def rows(self) -> bytes:
        """The rows that wait, left where they are."""
        return b"".join(self._runs)

    def discard(self) -> None:
        """Nobody wants the rows any more: those that wait and those that come are dropped."""
        self.discarding = True
        self.take()

    def _keep(self, run: bytes) -> None:
        if not self.discarding:
            self._runs.append(run)
            self.buffered += len(run)

    def _take(self, kind: int, message: bytes) -> None:
        match kind:
            case 50:  # BindComplete
                pass
            case 84:  # RowDescription
                self.description = message
            case 67 | 73:  # CommandComplete, EmptyQueryResponse
                if self.skipped:
                    self.skipped -= 1
                else:
                    self.complete = message
            case 90:  # ReadyForQuery
                self.status = message[5]
            case 49:  # ParseComplete
                self.parsed += 1
            case 110:  # NoData
                self.no_data = True
            case 116:  # ParameterDescription
                self.parameters = message
            case 69:  # ErrorResponse
                self.error = self.error or message
            case 115:  # PortalSuspended
                self.suspended = True
            case 78 if _SIGNAL in message:
                self.signals.add(message)
            case 78:  # NoticeResponse
                if not self.skipped:
                    self.noticed = True
                    self._keep(message)
            case 65:  # NotificationResponse
                self.notifications = (*self.notifications, message)
            case 83:  # ParameterStatus
                self.changed = self.changed or not self.skipped
            case 71 if self.copies:
                self.invitation = message
            case 72 | 99 if self.copies:  # CopyDone
                self._keep(message)
            case 71 | 72 | 87:  # CopyInResponse, CopyOutResponse, CopyBothResponse
                self.copying = True
                self.discard()
