"""What the fleet knows at one moment, shared by its parts, and the instructions of the event at hand."""

from itertools import count
from typing import TYPE_CHECKING

from compute.config import PoolConfig
from compute.fleet.ledger import Ledger
from compute.fleet.nodes import Nodes
from compute.fleet.ranking import Ranking
from compute.fleet.template import Template, make_templates

if TYPE_CHECKING:
    from collections.abc import Iterator

    from compute.events import Instruction
    from compute.fleet.machine import Machine

Timer = tuple[str, int, str]
"""What a moment is for: a kind, with a number and a name where the kind needs them."""


class Roster:
    """`timers` holds each moment at which waiting alone changes something."""

    def __init__(self, config: PoolConfig) -> None:
        self.config = config
        self.templates = make_templates(config)
        self.by_index: tuple[Template, ...] = tuple(self.templates.values())
        self.machines: dict[int, Machine] = {}
        self.requests: dict[int, Template] = {}
        self.nodes = Nodes(config.node_types)
        self.timers: Ranking[Timer] = Ranking()
        self.ledger = Ledger(config.workspaces, self.timers)
        self.out: list[Instruction] = []
        self.numbers: Iterator[int] = count(1)
        self.turns: Iterator[int] = count(1)
