"""What of a session lives on its backend: a block, suspended portals, temp objects. No I/O."""

from collections.abc import Callable, Iterator

from gateway.relay.backend import IDLE
from gateway.relay.exchange import Exchange
from gateway.relay.requests import FLUSH, SYNC


def savepoint(place: int) -> str:
    """The command that sets the savepoint of that place in a block."""
    return f"SAVEPOINT lakegate_{place}"


class Holdings:
    """`state` says that temp objects, held cursors or channels are there, `touched` that this may have changed.

    `begin` is the command of an open block, empty outside, `depth` counts its savepoints; `begun` says that PostgreSQL
    has had both. `epoch` changes
    with what is there; 0: nothing is. `portals` are open; those in `closing` are over, and PostgreSQL is told on the
    way.
    """

    def __init__(self, new_epoch: Callable[[], int]) -> None:
        self._new_epoch = new_epoch
        self.begin = ""
        self.depth = 0
        self.begun = False
        self.block_lost = False
        self.portals: set[str] = set()
        self.closing: list[str] = []
        self.forget()

    @property
    def is_empty(self) -> bool:
        """Nothing ties the session to its backend."""
        return not (self.begun or self.state or self.portals)

    @property
    def goes_on(self) -> bool:
        """Whether the next statement is in a transaction with others."""
        return bool(self.begin or self.portals)

    def choose_end(self, *, suspends: bool = False) -> bytes:
        """How a request ends: outside a block, a Sync would close the open portals."""
        return FLUSH if (suspends or self.portals) and not self.begin else SYNC

    def opening(self) -> Iterator[str]:
        """The commands that bring PostgreSQL into the block."""
        yield self.begin
        yield from map(savepoint, range(self.depth))

    def go_back(self, place: int) -> None:
        """The block is at that savepoint again: what was made since is gone."""
        self.depth = place + 1
        if self.state:
            self.touch()

    def note_portal(self, name: str, exchange: Exchange) -> None:
        """After an Execute: an error closes every portal, the last row its own. In a block the others stay, for a
        savepoint may bring them back."""
        if (exchange.error or exchange.lost) and not self.begin:
            self.portals.clear()
        elif exchange.suspended and not exchange.error:
            self.portals.add(name)
        elif name:
            self.close_portal(name)

    def close_portal(self, name: str) -> None:
        self.portals.discard(name)
        if self.begin:
            self.closing.append(name)

    def has_strayed(self, status: int) -> bool:
        """Whether a statement began or ended a block behind our back."""
        return status != 0 and (status != IDLE) is not self.begun

    def end_block(self) -> bool:
        """The block is over here; whether PostgreSQL has to hear of it."""
        begun = self.begun
        self.begin, self.depth = "", 0
        self.begun = self.block_lost = False
        if begun:
            self.portals.clear()
            self.closing.clear()
            self.touched = self.state
        return begun

    def touch(self) -> None:
        """A statement may have made or dropped something."""
        self.touched = self.state = True
        self.epoch = self._new_epoch()

    def settle(self, *, state: bool) -> None:
        """PostgreSQL was asked what is there."""
        self.touched = False
        self.state = state
        self.epoch = self._new_epoch()

    def lose(self) -> None:
        """The backend is gone; a block that had begun on it has failed."""
        self.block_lost = self.begun
        self.begun = False
        self.forget()

    def forget(self) -> None:
        """The session has no backend."""
        self.state = self.touched = False
        self.portals.clear()
        self.closing.clear()
        self.epoch = 0
