"""What workspaces with a budget have spent in the running window, in machine-seconds, and when it will be all of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from math import inf
from typing import TYPE_CHECKING

from compute.config import Budget, WorkspacePolicy
from compute.fleet.machine import Machine

if TYPE_CHECKING:
    from compute.fleet.ranking import Ranking
    from compute.fleet.roster import Timer


@dataclass(slots=True)
class _Account:
    """`spent` up to `at`; so many `running` machines of the workspace spend on from there, and will have spent all at
    `exhausted_at`. `machines` are those of them that have not been handed out by `Ledger.exhaust`."""

    budget: Budget
    window_ends: float
    at: float
    spent: float = 0.0
    running: int = 0
    exhausted_at: float = inf
    machines: dict[int, Machine] = field(default_factory=dict)

    @property
    def is_spent(self) -> bool:
        return self.spent >= self.budget.machine_seconds

    def foresee(self) -> float:
        """When the machines that run will have spent the budget, of this window or the next; infinite if never."""
        if not self.machines:
            return inf
        at = self.at + max(self.budget.machine_seconds - self.spent, 0.0) / self.running
        if at < self.window_ends:
            return at
        at = self.window_ends + self.budget.machine_seconds / self.running
        return at if at < self.window_ends + self.budget.window_seconds else inf

    def settle(self, now: float) -> None:
        """Brings the account up to now. A window that is over takes what was spent in it along."""
        if now >= self.window_ends:
            windows = (now - self.window_ends) // self.budget.window_seconds + 1
            self.window_ends += windows * self.budget.window_seconds
            self.spent = 0.0
            self.at = self.window_ends - self.budget.window_seconds
        self.spent += self.running * (now - self.at)
        self.at = now
        if self.window_ends - self.budget.window_seconds <= self.exhausted_at <= now:
            self.spent = max(self.spent, self.budget.machine_seconds)  # a sum may be a rounding error short of it


class Ledger:
    """Windows begin with a workspace's first request. A workspace without a budget has no account.

    One of `timers` an account is for the moment at which its machines exhaust the budget.
    """

    def __init__(self, workspaces: Mapping[str, WorkspacePolicy], timers: "Ranking[Timer]") -> None:
        self._budgets = {name: policy.budget for name, policy in workspaces.items() if policy.budget is not None}
        self._accounts: dict[str, _Account] = {}
        self._timers = timers

    def begin(self, workspace: str, machine: Machine, now: float) -> None:
        """The machine is the workspace's from now on."""
        if (account := self._account(workspace, now)) is not None:
            account.running += 1
            account.machines[machine.number] = machine
            self._watch(workspace, account)

    def end(self, workspace: str, machine: Machine, now: float) -> None:
        if (account := self._account(workspace, now)) is not None:
            account.running -= 1
            account.machines.pop(machine.number, None)
            self._watch(workspace, account)

    def exhaust(self, workspace: str, most: int, now: float) -> Sequence[Machine]:
        """So many of the machines of a workspace that has spent its budget, each once: they should spend no more."""
        account = self._account(workspace, now)
        if account is None:
            return []
        machines = list(islice(account.machines.values(), most)) if account.is_spent else []
        for machine in machines:
            del account.machines[machine.number]
        self._watch(workspace, account)
        return machines

    def wait_seconds(self, workspace: str, now: float) -> float:
        """Until the workspace may spend again; 0 while it may."""
        account = self._account(workspace, now)
        if account is None or not account.is_spent:
            return 0.0
        return account.window_ends - now

    def _watch(self, workspace: str, account: _Account) -> None:
        timer = ("budget", 0, workspace)
        account.exhausted_at = account.foresee()
        if account.exhausted_at == inf:
            self._timers.drop(timer)
        else:
            self._timers.put(timer, account.exhausted_at)

    def _account(self, workspace: str, now: float) -> _Account | None:
        """Settled up to now."""
        budget = self._budgets.get(workspace)
        if budget is None:
            return None
        account = self._accounts.get(workspace)
        if account is None:
            account = self._accounts[workspace] = _Account(budget, now + budget.window_seconds, now)
        account.settle(now)
        return account
