"""What PostgreSQL answered, as values: descriptions, and whole answers that may be given again."""

from dataclasses import dataclass

from catalog.types import PgType, ResultColumn
from gateway.pgwire.codec import HEADER_SIZE, LAYOUTS
from gateway.pgwire.messages import DataRow, ParameterDescription, RowDescription
from gateway.relay.exchange import Exchange
from gateway.rows import split_rows


@dataclass(frozen=True, slots=True)
class RelayDescription:
    """A described statement: parameter type OIDs, columns (None: no rows come), and RowDescription as it came."""

    parameters: tuple[int, ...]
    columns: tuple[ResultColumn, ...] | None
    row_description: bytes


@dataclass(frozen=True, slots=True)
class RelayAnswer:
    """A whole answer in wire format: RowDescription (empty: none), DataRows, CommandComplete."""

    row_description: bytes
    rows: bytes
    complete: bytes

    @property
    def tag(self) -> str:
        return read_tag(self.complete)

    @property
    def row_count(self) -> int:
        """For Execute's row limit."""
        return int(self.tag.rpartition(" ")[2]) if self.row_description else 0

    @property
    def size(self) -> int:
        return len(self.row_description) + len(self.rows) + len(self.complete)


def read_tag(complete: bytes) -> str:
    """The command tag of a CommandComplete; empty for an EmptyQueryResponse."""
    return complete[HEADER_SIZE:-1].decode()


def read_description(exchange: Exchange) -> RelayDescription:
    """What a statement's Describe was answered."""
    parameters = LAYOUTS[ParameterDescription].decode(exchange.parameters[HEADER_SIZE:]).types
    if not exchange.description:
        return RelayDescription(parameters, None, b"")
    fields = LAYOUTS[RowDescription].decode(exchange.description[HEADER_SIZE:]).fields
    columns = tuple(ResultColumn(field.name, PgType(field.type_oid, field.typmod)) for field in fields)
    return RelayDescription(parameters, columns, exchange.description)


def read_cell(row: bytes) -> str:
    """The only cell of an only row, as text; empty for NULL."""
    (cell,) = LAYOUTS[DataRow].decode(row[HEADER_SIZE:]).values
    return "" if cell is None else cell.decode()


def read_values(rows: bytes) -> tuple[bytes | None, ...]:
    """The cells of an only row, among notices."""
    (row,) = read_rows(rows)
    return row


def read_rows(rows: bytes) -> list[tuple[bytes | None, ...]]:
    """The cells of rows, among notices."""
    return [LAYOUTS[DataRow].decode(row[HEADER_SIZE:]).values for row in split_rows(rows)]
