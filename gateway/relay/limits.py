"""The bounds of a relay: how many backends, how long, how much memory."""

from dataclasses import dataclass

KIBIBYTE = 1024
MEBIBYTE = 1024 * KIBIBYTE


@dataclass(frozen=True, slots=True)
class RelayLimits:
    """Counts, seconds and bytes of one gateway.

    `backends_per_role` is the concurrency of one role in one workspace; who comes later waits in line, `waiting` at
    most and `wait_seconds` long. The last `backends_reserved`, of a role and in all, are for what needs one for a
    moment: no session keeps them. `statement_seconds`, 0 for no bound, are PostgreSQL's, from the request to its last
    answer; while it waits for a client to read, they do not pass. An hour is longer than any look at a catalog takes,
    and ends what was forgotten, which works at the expense of all. `buffered_bytes` of an answer are held before the
    backend is paused; one message longer than `message_bytes` ends its statement.
    """

    backends: int = 200
    backends_per_role: int = 100
    backends_reserved: int = 4
    waiting: int = 1000
    wait_seconds: float = 30.0
    connect_seconds: float = 10.0
    idle_seconds: float = 60.0
    statement_seconds: float = 3600.0
    lock_milliseconds: int = 5000
    buffered_bytes: int = 256 * KIBIBYTE
    message_bytes: int = 32 * MEBIBYTE
    statements: int = 64
    named_text_bytes: int = 16 * KIBIBYTE
    description_cache_bytes: int = 16 * MEBIBYTE
    memo_bytes: int = 16 * MEBIBYTE
    memo_answer_bytes: int = 8 * KIBIBYTE

    @property
    def most_kept(self) -> int:
        """Backends that sessions may keep. One may be kept whatever is reserved."""
        return max(1, self.backends - self.backends_reserved)

    @property
    def most_kept_per_role(self) -> int:
        """The same of one role in one workspace."""
        return max(1, self.backends_per_role - self.backends_reserved)
