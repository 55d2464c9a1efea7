"""What the planner says should happen with one statement. Frozen values; the gateway carries them out.

`Metadata` is relayed to PostgreSQL. The session's own statements are `Begin`, `Commit`, `Rollback`, `Savepoint`,
`Release`, `RollbackTo`, `SetModes`, `SetVariable`, `ResetVariable`, `ShowVariable` and `Discard`; of its cursors
`DeclareCursor`, `FetchCursor` and `CloseCursor`, of its prepared statements `Prepare`, `Execute` and `Deallocate`.
`CatalogChange` goes to `Catalog.apply`. `Query` runs on a machine. `Constant` is answered at once, `Explain` by what it
explains. `Transfer` is PostgreSQL's, with rows that queries give.
"""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from catalog.changes import Change
from catalog.errors import SqlError
from catalog.names import TableName
from catalog.scans import Scan
from catalog.snapshots import Snapshot
from catalog.types import PgType, ResultColumn
from planner.customs import USUAL, Customs
from planner.puts import Put

if TYPE_CHECKING:
    from planner.parse import Statement

ALL_ROWS = sys.maxsize  # the count of FETCH ALL


class Dialect(StrEnum):
    POSTGRES = "postgres"
    SPARK = "spark"


class Lane(StrEnum):
    DUCKDB = "duckdb"
    SPARK = "spark"


class SessionValue(StrEnum):
    """Values folded from the session and its transaction, equal on relay and both lanes; and SEED, which nobody can
    guess and every parameter has its own of: machines that are clones would draw alike."""

    NOW = "now"
    CURRENT_USER = "current_user"
    SESSION_USER = "session_user"
    CURRENT_DATABASE = "current_database"
    CURRENT_SCHEMA = "current_schema"
    SEED = "seed"


@dataclass(frozen=True, slots=True)
class Settings:
    """What of a session's settings changes a plan. `lane` None means auto."""

    dialect: Dialect = Dialect.POSTGRES
    lane: Lane | None = None
    search_path: tuple[str, ...] = ("public",)
    customs: Customs = USUAL


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of the engine's SQL: `source` is the client's ``$n`` (from 1) or a value of the session."""

    name: str
    type: PgType
    source: int | SessionValue


@dataclass(frozen=True, slots=True)
class Assignment:
    """A call of set_config(): the setting's name, and whether it is for the block only; either may be ``$n``'s n."""

    name: str | int
    local: bool | int


@dataclass(frozen=True, slots=True)
class Metadata:
    """Relayed to PostgreSQL as `text`, which may differ from what the client sent (rewritten names).

    `asks_for_sessions`: the answer tells of the gateway's sessions (pg_stat_activity, pg_backend_pid and its kin), and
    where `asks_for_all` is set, of more than the one that asks. `asks_for_names`: it tells of the session's prepared
    statements or cursors. `asks_for_settings`: of settings that backends have otherwise. `asks_for_statistics`: of
    tables' rows or sizes. `assigns`: what it sets of the session's settings. `tag`: its command tag, if not the text's.
    """

    text: str
    asks_for_sessions: bool = False
    asks_for_all: bool = False
    asks_for_names: bool = False
    asks_for_settings: bool = False
    asks_for_statistics: bool = False
    assigns: tuple[Assignment, ...] = ()
    tag: str | None = None


@dataclass(frozen=True, slots=True)
class Modes:
    """How a transaction runs; None where nothing was said of it. `isolation` is a level in lower case."""

    isolation: str | None = None
    read_only: bool | None = None
    deferrable: bool | None = None

    def __str__(self) -> str:
        """As BEGIN and SET TRANSACTION take them; empty where nothing was said."""
        access = {None: "", True: "READ ONLY", False: "READ WRITE"}[self.read_only]
        deferral = {None: "", True: "DEFERRABLE", False: "NOT DEFERRABLE"}[self.deferrable]
        level = f"ISOLATION LEVEL {self.isolation.upper()}" if self.isolation else ""
        return ", ".join(word for word in (level, access, deferral) if word)

    def settings(self) -> Iterator[tuple[str, str]]:
        """What was said, as the settings of the transaction."""
        if self.isolation is not None:
            yield "transaction_isolation", self.isolation
        for name, switch in (("read_only", self.read_only), ("deferrable", self.deferrable)):
            if switch is not None:
                yield f"transaction_{name}", "on" if switch else "off"

    def over(self, earlier: "Modes") -> "Modes":
        """These, and the earlier ones where these say nothing."""
        return Modes(
            self.isolation or earlier.isolation,
            earlier.read_only if self.read_only is None else self.read_only,
            earlier.deferrable if self.deferrable is None else self.deferrable,
        )


@dataclass(frozen=True, slots=True)
class Begin:
    """BEGIN or START TRANSACTION, which differ in their tag only."""

    modes: Modes = Modes()
    tag: str = "BEGIN"


@dataclass(frozen=True, slots=True)
class Commit:
    chain: bool = False


@dataclass(frozen=True, slots=True)
class Rollback:
    chain: bool = False


@dataclass(frozen=True, slots=True)
class Savepoint:
    name: str


@dataclass(frozen=True, slots=True)
class Release:
    name: str


@dataclass(frozen=True, slots=True)
class RollbackTo:
    name: str


@dataclass(frozen=True, slots=True)
class SetModes:
    """SET TRANSACTION, for the block that is open, or SET SESSION CHARACTERISTICS, `for_session`: for those to come.
    `by_name`: as settings, which outside a block come to nothing without a word."""

    modes: Modes
    for_session: bool = False
    by_name: bool = False


@dataclass(frozen=True, slots=True)
class SetVariable:
    """SET. `value` is the list's items joined as PostgreSQL does, None for DEFAULT, or for the one in force if `keeps`
    (FROM CURRENT); `local` lasts until the block's end."""

    name: str
    value: str | None
    local: bool = False
    keeps: bool = False


@dataclass(frozen=True, slots=True)
class ResetVariable:
    """RESET; None resets all."""

    name: str | None


@dataclass(frozen=True, slots=True)
class ShowVariable:
    """SHOW of a setting that PostgreSQL's backends are not told of."""

    name: str


@dataclass(frozen=True, slots=True)
class Discard:
    """DISCARD ALL | PLANS | SEQUENCES | TEMP."""

    what: str


@dataclass(frozen=True, slots=True)
class Prepare:
    """PREPARE. `types` are those that it declares, as written, each with the character of the statement's text, from
    0, where it begins; None for one that is to be inferred."""

    name: str
    query: "Statement"
    types: tuple[tuple[str, int] | None, ...] = ()


@dataclass(frozen=True, slots=True)
class Execute:
    """EXECUTE with so many arguments. `arguments` is their list as PostgreSQL is sent it, empty where there is none,
    and begins at character `offset` of the statement's text. Of CREATE TABLE AS EXECUTE, `around` is what stands before
    and behind."""

    name: str
    count: int
    arguments: Metadata
    offset: int
    around: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Explain:
    """EXPLAIN of `query`, which lakehouse tables have a part in, or which an EXECUTE stands for. `prefix` is the text
    before it; `serialize` is the format in which rows are to be encoded, None for none."""

    query: "Statement"
    prefix: str
    json: bool
    analyze: bool
    verbose: bool
    costs: bool
    settings: bool
    timing: bool
    summary: bool
    serialize: str | None


@dataclass(frozen=True, slots=True)
class Deallocate:
    """DEALLOCATE; None drops all prepared statements."""

    name: str | None


class Direction(StrEnum):
    """Of FETCH and MOVE, as PostgreSQL's parser calls them: NEXT is forward 1, PRIOR backward 1, FIRST absolute 1, LAST
    absolute -1."""

    FORWARD = "FETCH_FORWARD"
    BACKWARD = "FETCH_BACKWARD"
    ABSOLUTE = "FETCH_ABSOLUTE"
    RELATIVE = "FETCH_RELATIVE"


@dataclass(frozen=True, slots=True)
class Movement:
    """How far a FETCH or MOVE goes; `count` may be below 0, and is ALL_ROWS for ALL."""

    direction: Direction
    count: int


@dataclass(frozen=True, slots=True)
class DeclareCursor:
    """DECLARE. `scroll` is None where the statement does not say; `scans` that PostgreSQL would scroll it all the same.
    `query` is what it reads, `relayed` the whole statement where PostgreSQL answers that."""

    name: str
    query: "Statement"
    scroll: bool | None = None
    scans: bool = False
    hold: bool = False
    binary: bool = False
    relayed: Metadata | None = None


@dataclass(frozen=True, slots=True)
class FetchCursor:
    """FETCH, or MOVE if it is `silent`."""

    name: str
    movement: Movement
    silent: bool = False


@dataclass(frozen=True, slots=True)
class CloseCursor:
    """CLOSE; None closes all."""

    name: str | None


@dataclass(frozen=True, slots=True)
class CatalogChange:
    change: Change
    tag: str
    remarks: tuple[SqlError, ...] = ()


@dataclass(frozen=True, slots=True)
class Constant:
    """An answer known already: text cells. `columns` None means no result set, only the tag. `remarks`: notices."""

    tag: str
    columns: tuple[ResultColumn, ...] | None = None
    rows: tuple[tuple[str | None, ...], ...] = ()
    remarks: tuple[SqlError, ...] = ()


@dataclass(frozen=True, slots=True)
class Query:
    """Runs on a machine of `lane`, for `reason`.

    `columns` is what the client gets (None: only the tag with the number of rows written), `tag` lacks that. `reads`
    names each table's version; `writes` the table written. `snapshots` are of tables that a read on Spark names by
    their paths. `before` readies the table that is written. `then` is applied to the catalog when the engine is done: a
    write that fails before leaves the catalog as it was. `location` is a folder that this makes, removed if `then`
    fails. What the gateway does with the rows itself, none if no `sql` gives any, `put` says.
    """

    lane: Lane
    reason: str
    sql: str
    tag: str
    columns: tuple[ResultColumn, ...] | None
    parameters: tuple[Parameter, ...] = ()
    scans: tuple[Scan, ...] = ()
    reads: tuple[tuple[TableName, int], ...] = ()
    writes: TableName | None = None
    then: Change | None = None
    location: str | None = None
    snapshots: tuple[Snapshot, ...] = ()
    before: str | None = None
    put: Put | None = None
    remarks: tuple[SqlError, ...] = ()

    @property
    def changes(self) -> bool:
        """Whether it does anything but read."""
        return self.writes is not None or self.then is not None


@dataclass(frozen=True, slots=True)
class Pouring:
    """The rows of `select`, a statement of its own, come into a temporary table, which stands for characters `start` to
    `end` of a transfer's text: for a query, or, where `alias` is not None, for a relation, which has that alias unless
    it is empty: the text gives one then.

    `constants` are the outputs that are literals or parameters, by their place (below 0: from the end): they stay in
    the text, where PostgreSQL takes their type from what is around them.
    """

    select: str
    start: int
    end: int
    alias: str | None = None
    constants: tuple[tuple[int, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Transfer:
    """A statement that PostgreSQL carries out on temporary tables of the session, with rows of lakehouse tables: `text`
    once these are there."""

    text: str
    pourings: tuple[Pouring, ...]


PreparedPlan = Prepare | Execute | Deallocate
CursorPlan = DeclareCursor | FetchCursor | CloseCursor
Plan = (
    Metadata
    | Begin
    | Commit
    | Rollback
    | Savepoint
    | Release
    | RollbackTo
    | SetModes
    | SetVariable
    | ResetVariable
    | ShowVariable
    | Discard
    | CursorPlan
    | PreparedPlan
    | Explain
    | CatalogChange
    | Constant
    | Query
    | Transfer
)
