"""The open portals of a session: those of the protocol and the cursors of DECLARE, which share their names.

Reference: PostgreSQL `src/backend/utils/mmgr/portalmem.c`.
"""

from collections.abc import Iterator

from catalog.errors import DuplicateCursor, ProgramLimitExceeded
from gateway.portal import Portal


class Portals:
    """By name. Used by the session's task alone."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._open: dict[str, Portal] = {}

    @property
    def idle(self) -> bool:
        """Whether the end of a block finds nothing to stop, to give back or to keep."""
        return not any((portal.held or portal.options.hold) and not portal.kept for portal in self._open.values())

    def __iter__(self) -> Iterator[tuple[str, Portal]]:
        yield from self._open.items()

    def find(self, name: str) -> Portal | None:
        return self._open.get(name)

    def check(self, name: str) -> None:
        """Raises 42P03 where a portal of that name may not be opened, 54000 where there are too many."""
        if name and name in self._open:
            raise DuplicateCursor(f'cursor "{name}" already exists')
        if name not in self._open and len(self._open) >= self._most:
            raise ProgramLimitExceeded("too many portals", hint="Close those that are not needed any more.")

    def add(self, name: str, portal: Portal, depth: int) -> None:
        """One made under `depth` savepoints. That of no name takes the place of an earlier one, which must not be
        held."""
        portal.depth = depth
        self._open[name] = portal

    async def close(self, name: str) -> None:
        portal = self._open.pop(name, None)
        if portal is not None:
            await portal.close()

    async def close_all(self, but: Portal | None = None) -> None:
        """When that is interrupted, those not closed yet stay."""
        for name in [name for name, portal in self._open.items() if portal is not but]:
            await self.close(name)

    async def abandon(self) -> None:
        """Closes all, the kept ones too; PostgreSQL's cursors go with the backend that has them."""
        self._open = {name: portal for name, portal in self._open.items() if not portal.options.relayed}
        await self.close_all()

    def forget(self) -> None:
        """The end of a block, where `idle`."""
        self._open = {name: portal for name, portal in self._open.items() if portal.kept}

    def fail(self) -> None:
        """An implicit block has failed: what it has opened will not be kept."""
        for portal in self._open.values():
            portal.failed = portal.failed or not portal.kept

    async def keep(self) -> None:
        """The cursors WITH HOLD of a block that is about to be committed. Raises what one of their queries raises."""
        for portal in self._open.values():
            if portal.options.hold and not (portal.kept or portal.failed):
                await portal.keep()

    async def end_block(self, *, commit: bool) -> None:
        """All that is not kept goes."""
        for portal in self._open.values():
            portal.kept = portal.kept or (commit and portal.options.hold and not portal.failed)
        await self.go_back(-1)

    async def go_back(self, depth: int) -> None:
        """What the block has made under more savepoints goes. PostgreSQL ends its own cursors itself. When that is
        interrupted, those not closed yet stay."""
        for name, portal in list(self._open.items()):
            if portal.kept or portal.depth <= depth:
                continue
            if portal.options.relayed:
                del self._open[name]
            else:
                await self.close(name)

    def adopt(self, depth: int) -> None:
        """The savepoints beyond so many are released: what was made under them belongs to what is left."""
        for portal in self._open.values():
            portal.depth = min(portal.depth, depth)
