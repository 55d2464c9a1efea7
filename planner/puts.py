"""What the gateway itself puts into a table's log, as one commit."""

from dataclasses import dataclass

from catalog.alteration import Alteration
from catalog.snapshots import Snapshot


@dataclass(frozen=True, slots=True)
class Put:
    """Rows behind those of `table`; or, where `takes` is not None, rows that it was read for, in place of the files
    with these paths: the last column tells then which ones the statement has met. Only where it `keeps` these they
    stay. Or no rows: it `alters` its columns."""

    table: Snapshot
    takes: tuple[str, ...] | None = None
    keeps: bool = True
    alters: Alteration | None = None

    @property
    def is_change(self) -> bool:
        """Whether it is of what the table is by then, and not blind to that."""
        return self.takes is not None or self.alters is not None
