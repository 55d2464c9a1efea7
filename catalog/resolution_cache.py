"""Resolutions of late: the same question, asked of the same states of the control tables, has the same answer but for
the tables' newest versions."""

from collections import OrderedDict

from catalog.inventory import Inventory
from catalog.names import Role, TableReference
from catalog.principals import Directory, Principal
from catalog.resolution import Resolution

_MOST = 512
Question = tuple[Principal, str, tuple[TableReference, ...], tuple[str, ...], frozenset[str]]
"""Who asks, in which workspace, about which references, with which search path and temporary tables."""


class ResolutionCache:
    """Bounded, oldest out first. States are told apart by identity: each change of the control tables makes a new
    one, and with it all that was answered before goes."""

    def __init__(self) -> None:
        self._kept: OrderedDict[Question, Resolution] = OrderedDict()
        self._states: dict[str, tuple[Directory, Inventory]] = {}

    def find(self, question: Question, directory: Directory, inventory: Inventory) -> Resolution | None:
        """The resolution made at these states; whether its snapshots are still the newest is for the caller to see."""
        self._enter(question[1], directory, inventory)
        kept = self._kept.get(question)
        if kept is not None:
            self._kept.move_to_end(question)
        return kept

    def keep(self, question: Question, directory: Directory, inventory: Inventory, resolution: Resolution) -> None:
        """Not kept: what is looked up anew every time (see `_is_lasting`), and what was made while the states
        changed."""
        if resolution.catalog_version != directory.version + inventory.version:
            return
        self._enter(question[1], directory, inventory)
        if all(_is_lasting(reference, resolution) for reference in question[2]):
            self._kept[question] = resolution
            self._kept.move_to_end(question)
            if len(self._kept) > _MOST:
                self._kept.popitem(last=False)

    def _enter(self, workspace: str, directory: Directory, inventory: Inventory) -> None:
        """The states of a workspace now."""
        states = self._states.get(workspace)
        if states is None or states[0] is not directory or states[1] is not inventory:
            self._states[workspace] = directory, inventory
            for question in [question for question in self._kept if question[1] == workspace]:
                del self._kept[question]


def _is_lasting(reference: TableReference, resolution: Resolution) -> bool:
    """Neither makes a table, which gets a new place every time, nor names nothing that is known, nor an old version,
    whose files would be kept, nor a table whose log is read anew every time."""
    if reference.role is Role.CREATE or reference.version is not None or reference not in resolution.tables:
        return False
    snapshot = resolution.tables[reference].snapshot
    return snapshot is None or snapshot.readable
