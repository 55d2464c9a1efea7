"""The transaction block of a session: its status byte, what may run in it, and the versions it has pinned.

Statements outside BEGIN … COMMIT belong to an implicit block: one simple Query, or all up to Sync. Both kinds read
each table at one version. Reference: PostgreSQL protocol, "Multiple Statements in a Simple Query" and "Pipelining".
"""

from typing import TYPE_CHECKING

from catalog.errors import FeatureNotSupported, InFailedSqlTransaction, ReadOnlySqlTransaction

if TYPE_CHECKING:
    from datetime import datetime

    from catalog.names import TableName


class Block:
    """The state of one session's transaction. `status` is what ReadyForQuery shows: I, T or E.

    `implicit` says that several statements share the block without BEGIN. `read_only` is what BEGIN said, None if
    nothing. `now` is the block's start, None until somebody has asked for it.
    """

    def __init__(self) -> None:
        self.end()

    def end(self) -> None:
        """COMMIT, ROLLBACK, or the end of an implicit block."""
        self.explicit = False
        self.implicit = False
        self.failed = False
        self.read_only: bool | None = None
        self.now: datetime | None = None
        self.pinned: dict[TableName, int] = {}
        self._written = False

    @property
    def shared(self) -> bool:
        """Whether what one statement opens in it another can use."""
        return self.explicit or self.implicit

    @property
    def status(self) -> bytes:
        if not self.explicit:
            return b"I"
        return b"E" if self.failed else b"T"

    def begin(self, *, read_only: bool | None) -> None:
        """BEGIN; keeps what the implicit block has pinned, as PostgreSQL does."""
        self.explicit = True
        self.read_only = read_only

    def fail(self) -> None:
        """An error happened: an explicit block accepts nothing but its end from now on."""
        self.failed = self.explicit

    def admit(self, *, ends_block: bool) -> None:
        """Refuses statements in a failed block. Raises InFailedSqlTransaction; the client should send ROLLBACK."""
        if self.failed and not ends_block:
            raise InFailedSqlTransaction(
                "current transaction is aborted, commands ignored until end of transaction block"
            )

    def admit_write(self, tag: str, *, alone: bool, read_only: bool) -> None:
        """Refuses writes in a read-only block, and those that could not be undone with their block: each write commits
        by itself.

        `alone` says that no statement follows in the same simple Query; `tag` is the write's command tag.
        """
        if read_only:
            raise ReadOnlySqlTransaction(f"cannot execute {tag.removesuffix(' 0')} in a read-only transaction")
        if self.explicit:
            raise FeatureNotSupported(
                "writes to lakehouse tables inside a transaction block are not supported",
                hint="Run the statement outside BEGIN … COMMIT; each write is atomic by itself.",
            )
        if self._written or not alone:
            raise FeatureNotSupported(
                "a write to a lakehouse table must be the last statement of an implicit transaction block",
                hint="Send the statements one by one, with a Sync after each.",
            )
        self._written = True
