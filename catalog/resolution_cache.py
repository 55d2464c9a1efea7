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
    one."""

    def __init__(self) -> None:
        self._kept: OrderedDict[Question, tuple[Directory, Inventory, Resolution]] = OrderedDict()

    def find(self, question: Question, directory: Directory, inventory: Inventory) -> Resolution | None:
        """The resolution made at these states; whether its snapshots are still the newest is for the caller to see."""
        kept = self._kept.get(question)
        if kept is None or kept[0] is not directory or kept[1] is not inventory:
            return None
        self._kept.move_to_end(question)
        return kept[2]

    def keep(self, question: Question, directory: Directory, inventory: Inventory, resolution: Resolution) -> None:
        """Not kept: what makes a table, which gets a new place every time; names of nothing that is known, which are
        looked up anew every time; and what was made while the states changed."""
        references = question[2]
        makes = any(reference.role is Role.CREATE for reference in references)
        unknown = any(reference not in resolution.tables for reference in references)
        if makes or unknown or resolution.catalog_version != directory.version + inventory.version:
            return
        self._kept[question] = directory, inventory, resolution
        self._kept.move_to_end(question)
        if len(self._kept) > _MOST:
            self._kept.popitem(last=False)
