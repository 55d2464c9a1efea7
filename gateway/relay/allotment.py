"""How many backends there may be: in all, of one role, and of those that sessions keep. No I/O."""

from collections import Counter

from gateway.relay.backend import Identity
from gateway.relay.limits import RelayLimits
from gateway.relay.reports import RelayExhausted


class Allotment:
    """Counts backends by role and workspace. One that is kept counts among the others, too; the last
    `backends_reserved`, of a role and in all, nobody keeps."""

    def __init__(self, limits: RelayLimits) -> None:
        self._limits = limits
        self._made: Counter[Identity] = Counter()
        self._kept: Counter[Identity] = Counter()

    @property
    def total(self) -> int:
        return self._made.total()

    @property
    def is_full(self) -> bool:
        return self.total >= self._limits.backends

    def may_add(self, identity: Identity) -> bool:
        """Whether the role may have one more."""
        return self._made[identity] < self._limits.backends_per_role

    def may_keep(self, identity: Identity) -> bool:
        """Whether a session of the role may keep one more."""
        return self._role_may_keep(identity) and self._kept.total() < self._limits.most_kept

    def add(self, identity: Identity, *, kept: bool) -> None:
        self._made[identity] += 1
        if kept:
            self.keep(identity)

    def remove(self, identity: Identity, *, kept: bool) -> None:
        _decrease(self._made, identity)
        if kept:
            self.let_go(identity)

    def keep(self, identity: Identity) -> None:
        self._kept[identity] += 1

    def let_go(self, identity: Identity) -> None:
        _decrease(self._kept, identity)

    def refuse(self, identity: Identity, message: str, *, keeps: bool) -> RelayExhausted:
        """The error of who gets none, or may not keep it: which option bounds that."""
        by_role = not (self.may_add(identity) and (self._role_may_keep(identity) or not keeps))
        option = "backends_per_role" if by_role else "backends"
        made, kept = self._made, self._kept
        of_role = f"role {identity.role} has {made[identity]}, and its sessions keep {kept[identity]}"
        in_all = f"there are {made.total()}, and sessions keep {kept.total()}"
        return RelayExhausted(
            message,
            detail=f"In workspace {identity.workspace}, {of_role}." if by_role else f"On this gateway {in_all}.",
            hint="Close sessions that hold temporary tables, cursors, LISTEN or open transaction blocks, or try again "
            f"later. An operator bounds them by metastore.{option} in the warehouse file.",
        )

    def _role_may_keep(self, identity: Identity) -> bool:
        return self._kept[identity] < self._limits.most_kept_per_role


def _decrease(counts: Counter[Identity], identity: Identity) -> None:
    counts[identity] -= 1
    if not counts[identity]:
        del counts[identity]
