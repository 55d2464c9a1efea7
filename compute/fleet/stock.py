"""Warm machines of one template, for anybody or reserved for one workspace: how many there should be."""

from collections import OrderedDict
from math import inf
from typing import TYPE_CHECKING

from compute.fleet.forecast import Forecast
from compute.fleet.machine import Machine

if TYPE_CHECKING:
    from compute.fleet.template import Template

ANYBODY = ""
"""The owner of a stock that is reserved for nobody."""
CANDIDATES = 4
"""Spares looked at for one whose node has few machines of the workspace."""


class Stock:
    """`spares` wait to be lent, the longest idle first; `starting` counts starts, without hedges. Up to `quiet_until`
    none starts but for who waits.

    `owner` is the workspace that it is reserved for, or ANYBODY.
    """

    __slots__ = ("forecast", "owner", "quiet_until", "spares", "starting", "template")

    def __init__(self, template: "Template", owner: str) -> None:
        self.template = template
        self.owner = owner
        self.spares: OrderedDict[int, Machine] = OrderedDict()
        self.starting = 0
        self.quiet_until = -inf
        self.forecast = Forecast()

    @property
    def least(self) -> int:
        """Spares that are kept whatever the demand."""
        return self.template.config.warm_machines if self.owner == ANYBODY else 0

    @property
    def demand(self) -> int:
        """Machines for those who wait."""
        waiting = self.template.waiting
        return waiting.demand if self.owner == ANYBODY else waiting.demand_of(self.owner)

    def observe(self, now: float) -> None:
        """A machine of it was asked for."""
        if self.template.config.warm_limit:
            self.forecast.observe(now, self.template.start_times.mean)

    def target(self, now: float) -> int:
        """Spares to have, beside what those who wait need."""
        config = self.template.config
        if not config.warm_limit:
            return self.least
        predicted = self.forecast.level(now, self.template.start_times.mean)
        return max(self.least, min(predicted, config.warm_limit))

    @property
    def is_urgent(self) -> bool:
        """Whether somebody waits for whom nothing is coming."""
        return self.demand > self.starting + len(self.spares)

    @property
    def is_empty(self) -> bool:
        return not (self.spares or self.starting or self.demand)

    def lacking(self, now: float) -> int:
        """Machines to start; negative where there are too many."""
        urgent = self.demand - self.starting - len(self.spares)
        lacking = urgent + self.target(now)
        return lacking if lacking < 0 or now >= self.quiet_until else max(urgent, 0)

    def choose(self, workspace: str) -> Machine:
        """The spare used last, so that what is not needed idles; rather one on a node not crowded by the workspace.

        There must be one.
        """
        newest = next(reversed(self.spares.values()))
        if newest.node is None or not newest.node.is_crowded(workspace):
            return newest
        for machine, _ in zip(reversed(self.spares.values()), range(CANDIDATES), strict=False):
            if machine.node is not None and not machine.node.is_crowded(workspace):
                return machine
        return newest
