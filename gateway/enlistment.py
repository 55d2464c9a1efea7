"""The table that a block writes: enlisted by its first write, seen by its own statements alone, and committed or
discarded with it.

One table a block. Its first write waits for other writers, and takes the table's newest version, at READ COMMITTED
also where the block has read an earlier one; above that level the table must not have moved since. At COMMIT an outside
commit may have come in between: `catalog.commit` has the rule.
"""

from __future__ import annotations

from contextlib import AsyncExitStack, suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from catalog.commit import Origin, overtaken, withdraw
from catalog.completion import complete
from catalog.errors import FeatureNotSupported, SqlError
from catalog.locations import BLOCKS
from gateway.draft import Draft
from gateway.scratch import Scratch

if TYPE_CHECKING:
    from catalog.catalog import Catalog
    from catalog.names import TableName
    from catalog.resolution import Resolution, ResolvedTable
    from catalog.snapshots import Snapshot
    from gateway.draft import Mark
    from gateway.services import Services
    from gateway.session import Session
    from gateway.transaction import Block
    from planner.plan import Query

_STRICT = frozenset({"repeatable read", "serializable"})


async def enlist(session: Session, services: Services, write: Query, *, alone: bool) -> bool:
    """Has the block write its table. Whether that is elsewhere for the block from now on, so that the statement has to
    be planned anew. A statement that is `alone`, and no block's, commits by itself.

    Raises FeatureNotSupported for a second table, and for what cannot be written in a block; LockNotAvailable;
    SerializationFailure.
    """
    block, table = session.block, write.writes
    assert table is not None, "a write has a table"
    if block.draft is None and not block.explicit and alone and not (block.goes_on and await block.goes_on()):
        return False
    fresh = block.draft is None
    if block.draft is None:
        block.draft = await _open(session, services, table)
    elif block.draft.table != table:
        raise FeatureNotSupported(
            "a transaction block writes one lakehouse table",
            detail=f"This one has written {block.draft.table}.",
            hint=f"COMMIT before you write {table}.",
        )
    block.draft.reads |= any(name == table for name, _ in write.reads)
    return fresh


async def _open(session: Session, services: Services, table: TableName) -> Draft:
    catalog, workspace = services.catalog, session.workspace
    async with AsyncExitStack() as held:
        await held.enter_async_context(services.writers.turn(workspace, table, session.lock_seconds))
        newest = await catalog.read_newest(workspace, table)
        level = session.block.modes.isolation or session.settings.get("default_transaction_isolation")
        pinned, strict = session.block.pinned.get(newest.location, newest.version), level in _STRICT
        if strict and pinned != newest.version:
            raise overtaken(table, pinned, newest.version)
        origin = Origin(table, newest.location, newest.log.id, newest.version, strict)
        scratch = Scratch(catalog.scratch_location(workspace, BLOCKS, table.name), withdraw)
        draft = Draft(origin, scratch, held.pop_all(), catalog.forget)
        held.push_async_callback(draft.discard)
        await draft.open()
        held.pop_all()
    return draft


async def overlay(catalog: Catalog, block: Block, resolution: Resolution) -> Resolution:
    """As the block's own statements see it: its table, behind views too, as it has written it. Raises
    SerializationFailure where that name has another table by now."""
    draft = block.draft
    if draft is None or all(known.table != draft.table for known in resolution.snapshots()):
        return resolution
    written = await catalog.read_newest(resolution.workspace, draft.table, draft.location)
    tables = {
        reference: _written(resolved, draft, written) if reference.version is None else resolved
        for reference, resolved in resolution.tables.items()
    }
    return replace(resolution, tables=tables)


def _written(resolved: ResolvedTable, draft: Draft, written: Snapshot) -> ResolvedTable:
    if resolved.view is not None:
        relations = {name: _written(behind, draft, written) for name, behind in resolved.view.relations.items()}
        return replace(resolved, view=replace(resolved.view, relations=relations))
    if resolved.snapshot is None or resolved.name != written.table:
        return resolved
    draft.require_table(resolved.snapshot)
    return replace(resolved, snapshot=written)


async def commit(catalog: Catalog, workspace: str, block: Block) -> None:
    """Raises SerializationFailure, UndefinedTable; the block is to be rolled back then. Once it has happened nothing is
    raised, also when it is cancelled: statistics that cannot be had now are those of the next read."""
    if block.draft is not None and not block.doomed:
        block.draft.require_table(await catalog.read_newest(workspace, block.draft.table))
        await block.draft.commit()
        with suppress(SqlError):
            await complete(catalog.observe(workspace, block.draft.table))


async def go_back(block: Block, mark: Mark | None) -> None:
    """The block's table is what it was at a savepoint: at `mark`, or not written yet."""
    if mark is None:
        await leave(block)
    elif block.draft is not None:
        await block.draft.go_back(mark)


async def leave(block: Block) -> None:
    """What is not committed is gone."""
    draft, block.draft = block.draft, None
    if draft is not None:
        await draft.discard()
