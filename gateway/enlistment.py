"""The tables that a block writes: enlisted by its first write, seen by its own statements alone, and committed or
discarded with it.

One table that was there before, and any that the block has made. The first write of the one waits for other writers,
and takes the table's newest version, at READ COMMITTED also where the block has read an earlier one; above that level
the table must not have moved since. At COMMIT an outside commit may have come in between: `catalog.commit` has the
rule. Definitions that the block has changed are committed with it: PostgreSQL's COMMIT comes last.
"""

from __future__ import annotations

import logging
from contextlib import AsyncExitStack, suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from catalog.changes import SyncTable
from catalog.commit import Origin, overtaken, replaced, withdraw
from catalog.completion import complete
from catalog.errors import FeatureNotSupported, SqlError
from catalog.locations import BLOCKS
from gateway.definitions import joins, open_definitions, patience
from gateway.draft import Draft
from gateway.scratch import Scratch

if TYPE_CHECKING:
    from collections.abc import Mapping

    from catalog.catalog import Catalog
    from catalog.names import TableName
    from catalog.resolution import Resolution, ResolvedTable
    from catalog.snapshots import Snapshot
    from gateway.draft import Mark
    from gateway.services import Services
    from gateway.session import Session
    from gateway.transaction import Block
    from planner.plan import Query

_log = logging.getLogger(__name__)
_STRICT = frozenset({"repeatable read", "serializable"})


async def enlist(session: Session, services: Services, write: Query, *, alone: bool) -> bool:
    """Has the block write its table. Whether that is elsewhere for the block from now on, so that the statement has to
    be planned anew. A statement that is `alone`, and no block's, commits by itself.

    Raises FeatureNotSupported for a second table that was there before, and for what cannot be written in a block;
    LockNotAvailable; SerializationFailure.
    """
    block, table = session.block, write.writes
    assert table is not None, "a write has a table"
    if not await joins(block, alone=alone):
        return False
    draft = find(services.catalog, session, table)
    fresh = draft is None
    if draft is None:
        draft = await _open(session, services, table)
        block.drafts[draft.origin.location] = draft
    draft.reads |= any(name == table for name, _ in write.reads)
    if isinstance(write.then, SyncTable):
        await open_definitions(session, services.catalog)
    return fresh


def find(catalog: Catalog, session: Session, table: TableName | None) -> Draft | None:
    """The draft of what has that name in the block, if it has written that."""
    if table is None or not session.block.drafts:
        return None
    location = catalog.find_location(session.workspace, table, session.block.definitions)
    return session.block.drafts.get(location or "")


async def _open(session: Session, services: Services, table: TableName) -> Draft:
    catalog, workspace, block = services.catalog, session.workspace, session.block
    location = catalog.find_location(workspace, table, block.definitions)
    made = location in block.made
    other = None if made else next((each for each in block.drafts.values() if not each.made), None)
    if other is not None:
        raise FeatureNotSupported(
            "a transaction block writes one lakehouse table beside those that it makes",
            detail=f"This one has written {other.table}.",
            hint=f"COMMIT before you write {table}.",
        )
    async with AsyncExitStack() as held:
        if not made and table not in block.turns:
            await held.enter_async_context(services.writers.turn(workspace, table, patience(session)))
        newest = await catalog.read_newest(workspace, table, location)
        level = block.modes.isolation or session.settings.get("default_transaction_isolation")
        pinned, strict = block.pinned.get(newest.location, newest.version), level in _STRICT
        if strict and pinned != newest.version:
            raise overtaken(table, pinned, newest.version)
        origin = Origin(table, newest.location, newest.root, newest.log.id, newest.version, strict)
        scratch = Scratch(catalog.scratch_location(workspace, BLOCKS, table.name), withdraw)
        draft = Draft(origin, scratch, held.pop_all(), catalog.forget, made=made)
        held.push_async_callback(draft.discard)
        await draft.open()
        held.pop_all()
    return draft


async def show_columns(session: Session, catalog: Catalog, draft: Draft, table: TableName) -> None:
    """The columns of a draft, by the name that it has now, are the block's to see, and everybody's with its COMMIT.
    Raises SqlError."""
    definitions = session.block.definitions
    assert definitions is not None, "opened before the columns changed"
    written = await catalog.read_newest(session.workspace, table, draft.location)
    # Versions of a clone are no table's: the statistics that come with them would never grow old.
    await definitions.follow(replace(written, version=draft.origin.version))


async def overlay(catalog: Catalog, block: Block, resolution: Resolution) -> Resolution:
    """As the block's own statements see it: its tables, behind views too, as it has written them. Raises
    SerializationFailure where the name of one has another table by now."""
    written: dict[str, Snapshot] = {}
    for known in resolution.snapshots():
        draft = block.drafts.get(known.location)
        if draft is not None:
            draft.require_table(known)
            written[known.location] = await catalog.read_newest(resolution.workspace, known.table, draft.location)
        elif any(known.table == each.table for each in block.drafts.values()) and not _touches(block, known.table):
            raise replaced(known.table)
    if not written:
        return resolution
    tables = {
        reference: _written(resolved, written) if reference.version is None else resolved
        for reference, resolved in resolution.tables.items()
    }
    return replace(resolution, tables=tables)


def _touches(block: Block, table: TableName) -> bool:
    return block.definitions is not None and table in block.definitions.touched


def _written(resolved: ResolvedTable, written: Mapping[str, Snapshot]) -> ResolvedTable:
    if resolved.view is not None:
        relations = {name: _written(behind, written) for name, behind in resolved.view.relations.items()}
        return replace(resolved, view=replace(resolved.view, relations=relations))
    if resolved.snapshot is None or resolved.snapshot.location not in written:
        return resolved
    return replace(resolved, snapshot=written[resolved.snapshot.location])


async def commit(session: Session, catalog: Catalog) -> None:
    """Raises SerializationFailure, UndefinedTable, and what PostgreSQL has against it; the block is to be rolled back
    then. Once it has happened nothing is raised, also when it is cancelled: statistics that cannot be had now are
    those of the next read."""
    block, workspace = session.block, session.workspace
    drafts = [draft for draft in block.drafts.values() if await _is_there(session, catalog, draft)]
    for draft in drafts:
        await draft.prepare()
    if drafts and session.relay.has_begun:
        # What PostgreSQL has deferred to COMMIT, and a lost backend, show while nothing is put yet.
        await (await session.relay_statement("SET CONSTRAINTS ALL IMMEDIATE")).close()
    if block.definitions is None:
        for draft in drafts:
            await draft.commit()
    else:
        await complete(_commit_definitions(session, drafts))
    for draft in drafts:
        await draft.finish()
        name = catalog.find_name(workspace, draft.origin.location)
        with suppress(SqlError):
            await complete(catalog.observe(workspace, name or draft.table))


async def _is_there(session: Session, catalog: Catalog, draft: Draft) -> bool:
    """Not where the block has dropped it. Raises UndefinedTable, SerializationFailure where somebody else has."""
    block, workspace, location = session.block, session.workspace, draft.origin.location
    name = catalog.find_name(workspace, location, block.definitions)
    if name is None and _touches(block, draft.table):
        return False
    if not draft.made:
        called = draft.table if name is None else name
        draft.require_table(await catalog.read_newest(workspace, called, location if _touches(block, called) else None))
    return name is not None


async def _commit_definitions(session: Session, drafts: list[Draft]) -> None:
    """PostgreSQL has the last word on them, so the tables' logs have theirs before. A failure there is rare, and comes
    late for the one table that was there: what has been written stays then."""
    definitions = session.block.definitions
    assert definitions is not None, "definitions to be committed"
    version = await definitions.finish()
    for draft in sorted(drafts, key=lambda each: not each.made):
        await draft.commit()
    await session.relay.end(commit=True)
    try:
        await definitions.publish(version)
    except SqlError as error:
        _log.warning("a block's definitions are seen here when their notification comes: %s", error)


async def go_back(block: Block, marks: Mapping[str, Mark]) -> None:
    """The block's tables are what they were at a savepoint: at their mark, or not written yet."""
    for location, draft in list(block.drafts.items()):
        if location in marks:
            await draft.go_back(marks[location])
        else:
            del block.drafts[location]
            await draft.discard()
    if block.definitions is not None:
        await block.definitions.refresh()


async def leave(block: Block) -> None:
    """What is not committed is gone."""
    drafts, block.drafts = block.drafts, {}
    async with block.held as rest:
        for draft in drafts.values():
            rest.push_async_callback(draft.discard)
