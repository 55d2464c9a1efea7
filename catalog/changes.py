"""Changes to the metastore, as the planner states them and `Catalog.apply` carries them out in one transaction."""

from dataclasses import dataclass, field
from enum import StrEnum

from catalog.names import TableName
from catalog.types import ResultColumn


class Privilege(StrEnum):
    """What can be granted. USAGE and CREATE are a schema's, the rest a table's."""

    SELECT = "SELECT"
    INSERT = "INSERT"
    UPDATE = "UPDATE"
    DELETE = "DELETE"
    USAGE = "USAGE"
    CREATE = "CREATE"


@dataclass(frozen=True, slots=True)
class CreateSchema:
    name: str
    if_not_exists: bool = False


@dataclass(frozen=True, slots=True)
class DropSchema:
    name: str
    if_exists: bool = False
    cascade: bool = False


@dataclass(frozen=True, slots=True)
class Key:
    """A primary key; with `references` a foreign key, to that table's `referenced` columns or else its primary key.

    Without a name PostgreSQL gives it one.
    """

    name: str | None
    columns: tuple[str, ...]
    references: TableName | None = None
    referenced: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RegisterTable:
    """Makes the shadow of the Delta table at `location`, which exists by now. The principal becomes its owner.

    `columns` are those that it must have, in their order; none said: whatever it has.
    """

    name: TableName
    location: str
    keys: tuple[Key, ...] = ()
    columns: tuple[ResultColumn, ...] = ()


@dataclass(frozen=True, slots=True)
class SyncTable:
    """Brings a shadow up to the Delta table's present schema, after ALTER TABLE or an outside writer."""

    name: TableName


@dataclass(frozen=True, slots=True)
class DropTable:
    """Or DROP VIEW, if `view`."""

    name: TableName
    if_exists: bool = False
    cascade: bool = False
    view: bool = False


@dataclass(frozen=True, slots=True)
class CreateView:
    """`text` is the whole CREATE VIEW statement, with the exact names of all relations that are known; `unknown` is one
    that is none of the lakehouse's."""

    name: TableName
    text: str
    replace: bool = False
    unknown: str | None = None


@dataclass(frozen=True, slots=True)
class RenameTable:
    """ALTER TABLE, or ALTER VIEW, … RENAME TO `new`, in the same schema."""

    name: TableName
    new: str


@dataclass(frozen=True, slots=True)
class CommentOnTable:
    """On a table or view. `column` None means the table itself; `comment` None removes it."""

    name: TableName
    column: str | None
    comment: str | None


@dataclass(frozen=True, slots=True)
class AddKey:
    table: TableName
    key: Key


@dataclass(frozen=True, slots=True)
class DropKey:
    table: TableName
    name: str
    if_exists: bool = False
    cascade: bool = False


@dataclass(frozen=True, slots=True)
class CreateRole:
    """`password` is plain text or a ready SCRAM verifier; only a verifier is ever stored. A group cannot log in."""

    name: str
    password: str | None = field(repr=False)
    login: bool
    admin: bool = False
    connection_limit: int = -1


@dataclass(frozen=True, slots=True)
class AlterRole:
    """None leaves an attribute as it is."""

    name: str
    password: str | None = field(default=None, repr=False)
    login: bool | None = None
    admin: bool | None = None
    connection_limit: int | None = None


@dataclass(frozen=True, slots=True)
class DropRole:
    names: tuple[str, ...]
    if_exists: bool = False


@dataclass(frozen=True, slots=True)
class Grant:
    """GRANT (or, with `revoke`, REVOKE) of privileges on tables or schemas to roles.

    `tables` and `schemas` are exact names; `all_tables_in` stands for every table that these schemas hold now.
    """

    privileges: frozenset[Privilege]
    grantees: tuple[str, ...]
    tables: tuple[TableName, ...] = ()
    schemas: tuple[str, ...] = ()
    all_tables_in: tuple[str, ...] = ()
    revoke: bool = False


@dataclass(frozen=True, slots=True)
class GrantMembership:
    """GRANT group TO member (or, with `revoke`, REVOKE group FROM member)."""

    groups: tuple[str, ...]
    members: tuple[str, ...]
    revoke: bool = False


Change = (
    CreateSchema
    | DropSchema
    | RegisterTable
    | SyncTable
    | DropTable
    | CreateView
    | RenameTable
    | CommentOnTable
    | AddKey
    | DropKey
    | CreateRole
    | AlterRole
    | DropRole
    | Grant
    | GrantMembership
)
