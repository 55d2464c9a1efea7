"""What machines take turns with: a number each, and from it a user and a network namespace."""

from dataclasses import dataclass

from compute.spawners import CannotStart


@dataclass(frozen=True, slots=True)
class Slot:
    """`uid` is also the group; no account has it."""

    number: int
    uid: int
    namespace: str

    @property
    def namespace_path(self) -> str:
        """Where ip-netns(8) keeps it."""
        return f"/run/netns/{self.namespace}"


class Slots:
    """A machine's slot is its own until nothing of the machine is left."""

    def __init__(self, slots: tuple[Slot, ...]) -> None:
        self._count = len(slots)
        self._free = list(reversed(slots))

    def take(self) -> Slot:
        """The one given back last: its namespace is warm. Raises CannotStart."""
        if not self._free:
            raise CannotStart(f"all {self._count} slots of this host are taken")
        return self._free.pop()

    def give_back(self, slot: Slot) -> None:
        self._free.append(slot)
