"""One machine as the fleet sees it."""

from dataclasses import dataclass, field
from enum import Enum, auto
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from compute.fleet.nodes import Node
    from compute.fleet.stock import Stock
    from compute.fleet.template import Template


class State(Enum):
    """Starting, spare (warm, lent to nobody yet), serving (bound to a workspace by a lease), stopping."""

    STARTING = auto()
    SPARE = auto()
    SERVING = auto()
    STOPPING = auto()

    __hash__ = object.__hash__  # an Enum's own hash is a Python call, and states are counted at every event


@dataclass(slots=True, eq=False)
class Machine:
    """`since` is when it took its state, or when its last lease ended. `principals` holds one entry a lease.

    `serves` is the template whose queue it serves: its own, or a smaller one. A start and its hedge are twins until
    one of them is ready.
    """

    number: int
    template: "Template"
    stock: "Stock"
    state: State
    since: float
    node_type: str
    node: "Node | None"
    workspace: str | None
    serves: "Template"
    principals: list[str] = field(default_factory=list)
    twin: "Machine | None" = None
    is_hedge: bool = False
    leaving: bool = False
