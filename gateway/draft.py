"""A table as one block has written it, which nobody else sees before COMMIT.

It lies as a shallow clone (`catalog.clone`) in a folder of its own, where the block's statements write and read it like
any table. A savepoint is the clone's version then; ROLLBACK TO makes a clone of that in a folder beside it, since an
engine may have kept the old one in mind, or still be writing to it. COMMIT puts what it comes to into the table's log
(`catalog.commit`).
"""

import logging
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from catalog.checkpoint import is_due, make_checkpoint
from catalog.clone import admit_state, net_actions, write_clone
from catalog.commit import Commit, Origin, replaced
from catalog.logfiles import LocalLog
from catalog.names import TableName
from catalog.owner import Owner, acting_as
from catalog.replay import Action, LogState, newest_version, read_commit, read_definition, read_state
from catalog.snapshots import Snapshot
from gateway.files import find_writer, run_on_files
from gateway.scratch import Scratch

T = TypeVar("T")
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Mark:
    """What a draft can go back to: a clone, by its number, at a version."""

    clone: int
    version: int


class Draft:
    """Of the table at `origin.location`, which is called `origin.table`, and which the block has `made` itself or not.
    `held` is what it gives back when it is discarded: the table, for other writers;
    `forget` is told then of each folder in which nothing is read any more. `reads` says that a write has read the
    table beside what it does to it."""

    def __init__(
        self,
        origin: Origin,
        scratch: Scratch,
        held: AsyncExitStack,
        forget: Callable[[str], None],
        *,
        made: bool = False,
    ) -> None:
        self.origin = origin
        self.made = made
        self.reads = False
        self._scratch = scratch
        self._held = held
        self._forget = forget
        self._owner: Owner | None = None
        self._base: LogState
        self._clone = self._version = 0
        self._commit: Commit | None = None
        self._put: int | None = None
        self._histories: list[Sequence[Action]] = [()]

    @property
    def table(self) -> TableName:
        """What it was called when it was first written."""
        return self.origin.table

    @property
    def location(self) -> str:
        """Where the block's own statements find the table."""
        return str(self._folder(self._clone))

    async def open(self) -> None:
        """Clones the table. Raises FeatureNotSupported, and SqlError where that cannot be done."""
        await self._run(self._begin)

    def require_table(self, found: Snapshot) -> None:
        """Raises SerializationFailure where the name means another table by now, of which this is `found`."""
        if (found.location, found.log.id) != (self.origin.location, self.origin.id):
            raise replaced(self.table)

    def mark(self) -> Mark:
        """What it is now, while no statement writes to it."""
        self._version = newest_version(self._log(self._clone))
        return Mark(self._clone, self._version)

    async def go_back(self, mark: Mark) -> None:
        """It is what it was at the mark."""
        await self._run(lambda: self._restore(mark))

    async def prepare(self) -> None:
        """Makes its commit ready, if it has become any different. Raises SerializationFailure."""
        await self._run(self._prepare)

    async def commit(self) -> None:
        """Puts what was prepared into the table's log, which takes a moment. Goes on to the end when it is cancelled.
        Raises SerializationFailure."""
        await self._run(self._publish, certain=True)

    async def finish(self) -> None:
        """What a table's log needs now and then after a commit."""
        await self._run(self._make_checkpoint, certain=True)

    async def discard(self) -> None:
        """Nothing of it is left but what was committed; other writers have their turn."""
        async with self._held:
            for clone in range(len(self._histories)):
                self._forget(str(self._folder(clone)))
            await self._run(self._remove, certain=True)

    def _folder(self, clone: int) -> Path:
        return self._scratch.path / str(clone)

    def _log(self, clone: int) -> LocalLog:
        return LocalLog(self._workspace, self._folder(clone))

    @property
    def _workspace(self) -> Path:
        """The folder of the workspace that the block's is in."""
        return self._scratch.path.parents[1]

    def _begin(self) -> None:
        log, version = self.origin.log, self.origin.version
        self._owner = find_writer(log, self._workspace)
        definition = read_definition(log, version)
        admit_state(definition)
        if definition.metadata["id"] != self.origin.id:
            raise replaced(self.table)
        self._base = read_state(log, version)
        admit_state(self._base)
        with self._acting():
            self._scratch.open()
            write_clone(self._folder(0), self._base, self.origin.location)

    def _restore(self, mark: Mark) -> None:
        state = read_state(self._log(mark.clone), mark.version)
        self._histories.append(self._history(mark))
        self._clone, self._version = len(self._histories) - 1, 0
        with self._acting():
            write_clone(self._folder(self._clone), state, self._folder(mark.clone))

    def _history(self, mark: Mark) -> Sequence[Action]:
        """The commit information of the writes up to a mark."""
        commits = (read_commit(self._log(mark.clone), version) for version in range(1, mark.version + 1))
        told = (next((action["commitInfo"] for action in commit if "commitInfo" in action), {}) for commit in commits)
        return (*self._histories[mark.clone], *told)

    def _prepare(self) -> None:
        mark = self.mark()
        clone = read_state(self._log(mark.clone), mark.version)
        net = net_actions(self._base, self.origin.location, clone, self._folder(mark.clone))
        if net:
            with self._acting():
                history, folder = self._history(mark), self._scratch.path
                commit = Commit(self.origin, net, history, folder, reads=self.reads)
                commit.prepare()
                self._commit = commit

    def _publish(self) -> None:
        if self._commit is not None:
            with self._acting():
                commit, self._commit = self._commit, None
                self._put = commit.put()

    def _make_checkpoint(self) -> None:
        properties = self._base.metadata.get("configuration") or {}
        if self._put is not None and self._owner is not None and is_due(self._put, properties):
            make_checkpoint(self.origin.log, self._put, self._owner)

    def _remove(self) -> None:
        """What stays is nobody's any more, and removed by whoever comes next: no client hears of it."""
        if self._owner is not None:
            try:
                with self._acting():
                    if self._commit is not None:
                        self._commit.take_back()
                    self._scratch.discard()
            except OSError as error:
                _log.warning("%s is not removed: %s", self._scratch.path, error)

    def _acting(self) -> AbstractContextManager[None]:
        assert self._owner is not None, "an open draft"
        return acting_as(self._owner)

    async def _run(self, work: Callable[[], T], *, certain: bool = False) -> T:
        return await run_on_files(work, self.table, certain=certain)
