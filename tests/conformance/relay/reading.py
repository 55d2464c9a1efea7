"""Reads what a relay forwards, with the protocol's own decoder."""

from collections.abc import Mapping, Sequence

from gateway.pgwire.codec import HEADER_SIZE, LAYOUTS
from gateway.pgwire.messages import DataRow, RowDescription
from gateway.relay import RelayPortal, RelaySession

Row = tuple[bytes | None, ...]


def read_rows(run: bytes) -> list[Row]:
    """The cells of the DataRows in a run of whole messages; others are passed over."""
    rows, at = [], 0
    while at < len(run):
        end = at + 1 + int.from_bytes(run[at + 1 : at + HEADER_SIZE], "big")
        if run[at : at + 1] == b"D":
            rows.append(LAYOUTS[DataRow].decode(run[at + HEADER_SIZE : end]).values)
        at = end
    return rows


def read_columns(message: bytes) -> list[tuple[str, int, int]]:
    """Name, type OID and format of each column of a RowDescription message."""
    fields = LAYOUTS[RowDescription].decode(message[HEADER_SIZE:]).fields
    return [(field.name, field.type_oid, field.format) for field in fields]


async def fetch(portal: RelayPortal, max_rows: int = 0) -> list[Row]:
    return [row async for run in portal.fetch(max_rows) for row in read_rows(run)]


async def query(
    session: RelaySession,
    sql: str,
    values: Sequence[bytes | None] = (),
    variables: Mapping[str, str] | None = None,
    *,
    types: Sequence[int] = (),
    formats: Sequence[int] = (),
    result_formats: Sequence[int] = (),
    immutable: bool = False,
) -> list[Row]:
    """Executes to the end; the rows' cells as they came."""
    portal = await session.execute(sql, types, formats, values, result_formats, variables or {}, immutable=immutable)
    return await fetch(portal)


async def value(session: RelaySession, sql: str, variables: Mapping[str, str] | None = None) -> str | None:
    """The only cell of the only row, as text."""
    ((cell,),) = await query(session, sql, variables=variables)
    return None if cell is None else cell.decode()
