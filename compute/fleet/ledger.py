"""What workspaces with a budget have spent in the running window, in machine-seconds."""

from collections.abc import Mapping
from dataclasses import dataclass

from compute.config import Budget, WorkspacePolicy


@dataclass(slots=True)
class _Account:
    """`spent` up to `at`; `machines` of the workspace spend on from there."""

    budget: Budget
    window_ends: float
    at: float
    spent: float = 0.0
    machines: int = 0

    def settle(self, now: float) -> None:
        """Brings the account up to now. A window that is over takes what was spent in it along."""
        if now >= self.window_ends:
            windows = (now - self.window_ends) // self.budget.window_seconds + 1
            self.window_ends += windows * self.budget.window_seconds
            self.spent = 0.0
            self.at = self.window_ends - self.budget.window_seconds
        self.spent += self.machines * (now - self.at)
        self.at = now


class Ledger:
    """Windows begin with a workspace's first request. A workspace without a budget has no account."""

    def __init__(self, workspaces: Mapping[str, WorkspacePolicy]) -> None:
        self._budgets = {name: policy.budget for name, policy in workspaces.items() if policy.budget is not None}
        self._accounts: dict[str, _Account] = {}

    def begin(self, workspace: str, now: float) -> None:
        """A machine is the workspace's from now on."""
        if (account := self._account(workspace, now)) is not None:
            account.machines += 1

    def end(self, workspace: str, now: float) -> None:
        if (account := self._account(workspace, now)) is not None:
            account.machines -= 1

    def wait_seconds(self, workspace: str, now: float) -> float:
        """Until the workspace may spend again; 0 while it may."""
        account = self._account(workspace, now)
        if account is None or account.spent < account.budget.machine_seconds:
            return 0.0
        return account.window_ends - now

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
