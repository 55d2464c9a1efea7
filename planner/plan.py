"""What the planner says should happen with one statement. Frozen values; the gateway carries them out.

`Metadata` is relayed to PostgreSQL. The session's own statements are `Begin`, `Commit`, `Rollback`, `SetVariable`,
`ResetVariable` and `Discard`. `CatalogChange` goes to `Catalog.apply`. `Query` runs on a machine. `Constant` is
answered at once.
"""

from dataclasses import dataclass
from enum import StrEnum

from catalog.changes import Change
from catalog.names import TableName
from catalog.scans import Scan
from catalog.snapshots import Snapshot
from catalog.types import Oid, PgType, ResultColumn

SET_COLUMNS = (ResultColumn("set_config", PgType(Oid.TEXT)),)
"""The columns of a SELECT of set_config()."""


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
    time_zone: str = "UTC"


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of the engine's SQL: `source` is the client's ``$n`` (from 1) or a value of the session."""

    name: str
    type: PgType
    source: int | SessionValue


@dataclass(frozen=True, slots=True)
class Metadata:
    """Relayed to PostgreSQL as `text`, which may differ from what the client sent (rewritten names).

    `asks_for_sessions`: the answer tells of the gateway's sessions (pg_stat_activity, pg_backend_pid and its kin).
    """

    text: str
    asks_for_sessions: bool = False


@dataclass(frozen=True, slots=True)
class Begin:
    """BEGIN or START TRANSACTION, which differ in their tag only."""

    read_only: bool | None = None
    isolation: str | None = None
    tag: str = "BEGIN"


@dataclass(frozen=True, slots=True)
class Commit:
    chain: bool = False


@dataclass(frozen=True, slots=True)
class Rollback:
    chain: bool = False


@dataclass(frozen=True, slots=True)
class SetVariable:
    """SET. `value` is the list's items joined as PostgreSQL does, None for DEFAULT; `local` lasts until the block's
    end. `answers`: it was a SELECT of set_config(), and a row with the value is expected."""

    name: str
    value: str | None
    local: bool = False
    answers: bool = False


@dataclass(frozen=True, slots=True)
class ResetVariable:
    """RESET; None resets all."""

    name: str | None


@dataclass(frozen=True, slots=True)
class Discard:
    """DISCARD ALL | PLANS | SEQUENCES | TEMP, or DEALLOCATE (`what` "DEALLOCATE", `name` None for ALL)."""

    what: str
    name: str | None = None


@dataclass(frozen=True, slots=True)
class CatalogChange:
    change: Change
    tag: str
    notice: str | None = None


@dataclass(frozen=True, slots=True)
class Constant:
    """An answer known already: text cells. `columns` None means no result set, only the tag (and the notice)."""

    tag: str
    columns: tuple[ResultColumn, ...] | None = None
    rows: tuple[tuple[str | None, ...], ...] = ()
    notice: str | None = None


@dataclass(frozen=True, slots=True)
class Query:
    """Runs on a machine of `lane`, for `reason`.

    `columns` is what the client gets (None: no result set, only the tag with the number of rows written). `tag` lacks
    the row count. `reads` names each table's version; `writes` the table written. `snapshots` are of the tables that a
    read on Spark names by their paths. `then` is applied to the catalog
    when the engine is done: a write that fails before leaves the catalog as it was. `location` is a folder that this
    statement makes, to be removed if `then` fails.
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
    notice: str | None = None


Plan = Metadata | Begin | Commit | Rollback | SetVariable | ResetVariable | Discard | CatalogChange | Constant | Query
