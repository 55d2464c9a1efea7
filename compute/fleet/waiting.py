"""Requests of one template that wait, and who goes first.

While a machine is coming for everybody, it is first come, first served. When machines are scarce, turns are fair:
interactive requests go before batch ones. Among those of one priority the workspace that holds the fewest leases for
its weight goes first, in it the principal who holds the fewest, and of his requests the oldest: max-min fairness, so
nobody gets a second machine where somebody else gets none. Alone that could starve batch work, and a second lease; so
one grant in `TURN` goes to the request that has waited longest, whoever's it is, and each request is served after at
most `TURN` grants for itself and for each that came before it.

References: Ghodsi et al., "Dominant Resource Fairness", NSDI 2011 (max-min fair shares); Hadoop's Fair Scheduler.
"""

from collections import Counter, OrderedDict
from collections.abc import Mapping
from math import ceil
from typing import TypeVar

from compute.config import WorkspacePolicy
from compute.events import Priority, Wanted
from compute.fleet.ranking import Ranking

TURN = 8
_NO_POLICY = WorkspacePolicy()
_Key = TypeVar("_Key")


class _Party:
    """One workspace's requests of one priority."""

    __slots__ = ("lines", "order", "requests")

    def __init__(self) -> None:
        self.requests: OrderedDict[int, Wanted] = OrderedDict()
        self.lines: dict[str, OrderedDict[int, Wanted]] = {}
        self.order: Ranking[str] = Ranking()

    def first(self) -> Wanted:
        """Of the principal with the fewest leases."""
        head = self.order.head()
        assert head is not None, "a party without requests is dropped"
        return next(iter(self.lines[head[1]].values()))


class Waiting:
    """`demand` is how many machines all of them need; `lend` and `give_back` keep who holds how many leases."""

    def __init__(self, leases_per_machine: int, workspaces: Mapping[str, WorkspacePolicy]) -> None:
        self._leases_per_machine = leases_per_machine
        self._workspaces = workspaces
        self._requests: OrderedDict[int, Wanted] = OrderedDict()
        self._parties: dict[tuple[Priority, str], _Party] = {}
        self._orders: dict[Priority, Ranking[str]] = {priority: Ranking() for priority in Priority}
        self._counts: Counter[str] = Counter()
        self._crowd: Ranking[str] = Ranking()
        self._held: Counter[str] = Counter()
        self._held_by: Counter[tuple[str, str]] = Counter()
        self._grants: Counter[str | None] = Counter()
        self.demand = 0

    def __len__(self) -> int:
        return len(self._requests)

    def __contains__(self, number: int) -> bool:
        return number in self._requests

    def numbers(self) -> list[int]:
        """The requests, oldest first."""
        return list(self._requests)

    def find(self, number: int) -> Wanted:
        """Raises KeyError."""
        return self._requests[number]

    def before(self, request: Wanted) -> int:
        """How many go before it, by priority and age; fair turns may let others pass."""
        own = request.priority, request.request
        return sum((each.priority, each.request) < own for each in self._requests.values())

    def has(self, workspace: str | None) -> bool:
        """Whether anybody waits, or anybody of that workspace."""
        return bool(self._requests) if workspace is None else workspace in self._counts

    def demand_of(self, workspace: str) -> int:
        """Machines that its requests need."""
        return ceil(self._counts[workspace] / self._leases_per_machine)

    def add(self, request: Wanted) -> None:
        """Puts it behind what of its priority waits for its workspace and principal."""
        number, workspace = request.request, request.workspace
        key = (request.priority, workspace)
        self._requests[number] = request
        party = self._parties.get(key)
        if party is None:
            party = self._parties[key] = _Party()
        party.requests[number] = request
        party.lines.setdefault(request.principal, OrderedDict())[number] = request
        self._count(workspace, 1)
        self._rank(request.priority, workspace, request.principal)

    def remove(self, number: int) -> Wanted:
        """Raises KeyError."""
        request = self._requests.pop(number)
        key = (request.priority, request.workspace)
        party = self._parties[key]
        del party.requests[number]
        line = party.lines[request.principal]
        del line[number]
        if not line:
            del party.lines[request.principal]
            party.order.drop(request.principal)
        if not party.requests:
            del self._parties[key]
            self._orders[request.priority].drop(request.workspace)
        self._count(request.workspace, -1)
        if request.workspace not in self._counts:
            self._grants.pop(request.workspace, None)
        self._rank(request.priority, request.workspace, request.principal)
        return request

    def oldest(self, workspace: str | None = None) -> Wanted | None:
        """Who came first: of all, or of one workspace."""
        if workspace is None:
            return next(iter(self._requests.values()), None)
        parties = [party for priority in Priority if (party := self._parties.get((priority, workspace)))]
        heads = [next(iter(party.requests.values())) for party in parties]
        return min(heads, key=lambda each: each.request, default=None)

    def fairest(self, workspace: str | None = None) -> Wanted | None:
        """Whose turn it is: of all, or of one workspace."""
        if self._grants[workspace] % TURN == TURN - 1:
            return self.oldest(workspace)
        if workspace is None:
            return self._first_of_all()
        for priority in Priority:
            if party := self._parties.get((priority, workspace)):
                return party.first()
        return None

    def most_crowding(self, workspace: str) -> Wanted | None:
        """In a full queue: the newest request of the workspace that has most, if it has more than one more than this.

        Batch requests come before interactive ones, here too.
        """
        head = self._crowd.head()
        if head is None or -head[0] <= self._counts[workspace] + 1:
            return None
        for priority in reversed(Priority):
            if party := self._parties.get((priority, head[1])):
                return next(reversed(party.requests.values()))
        return None

    def pass_turn(self, workspace: str | None = None) -> None:
        """The request that `fairest` chose is granted; remove it next."""
        self._grants[workspace] += 1

    def lend(self, workspace: str, principal: str) -> None:
        self._hold(workspace, principal, 1)

    def give_back(self, workspace: str, principal: str) -> None:
        self._hold(workspace, principal, -1)

    def _first_of_all(self) -> Wanted | None:
        for priority, order in self._orders.items():
            if (head := order.head()) is not None:
                return self._parties[priority, head[1]].first()
        return None

    def _hold(self, workspace: str, principal: str, change: int) -> None:
        _add(self._held, workspace, change)
        _add(self._held_by, (workspace, principal), change)
        if workspace in self._counts:
            for priority in Priority:
                self._rank(priority, workspace, principal)

    def _rank(self, priority: Priority, workspace: str, principal: str) -> None:
        """A party's place in line, and a principal's in the party, by leases held, then by the oldest request."""
        party = self._parties.get((priority, workspace))
        if party is None:
            return
        share = self._held[workspace] / self._workspaces.get(workspace, _NO_POLICY).weight
        self._orders[priority].put(workspace, (share, next(iter(party.requests))))
        if line := party.lines.get(principal):
            party.order.put(principal, (self._held_by[workspace, principal], next(iter(line))))

    def _count(self, workspace: str, change: int) -> None:
        self.demand -= self.demand_of(workspace)
        _add(self._counts, workspace, change)
        self.demand += self.demand_of(workspace)
        if workspace in self._counts:
            self._crowd.put(workspace, -self._counts[workspace])
        else:
            self._crowd.drop(workspace)


def _add(counter: Counter[_Key], key: _Key, change: int) -> None:
    """Counts of zero are not kept: there is no end of names."""
    number = counter.get(key, 0) + change
    if number:
        counter[key] = number
    else:
        del counter[key]
