"""The simulated nodes: they join, are pressed, drain, are lost and come again."""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

from benchmarks.simulation.calendar import NEVER, Act, Calendar
from benchmarks.simulation.hardware import Hardware
from compute.events import NodeDraining, NodeEvent, NodeJoined, NodeLost


@dataclass(slots=True)
class _Node:
    """`machines` are on it; it goes at `leaves_at`."""

    joined: NodeJoined
    spot: bool
    machines: set[int] = field(default_factory=set)
    is_there: bool = False
    leaves_at: float = NEVER


class Nodes:
    """By number. `tell` says an event to the fleet, `end` ends a machine whose node is gone."""

    def __init__(
        self,
        hardware: Hardware,
        calendar: Calendar,
        chance: random.Random,
        clock: Callable[[], float],
        tell: Callable[[NodeEvent], None],
        end: Callable[[int], None],
    ) -> None:
        self._hardware = hardware
        self._calendar = calendar
        self._chance = chance
        self._clock = clock
        self._tell = tell
        self._end = end
        self._nodes = [
            _Node(
                NodeJoined(
                    f"{group.node_type}-{number}", group.node_type, group.memory_bytes, group.cpus, group.most_machines
                ),
                group.spot,
            )
            for group in hardware.nodes
            for number in range(group.count)
        ]
        self._by_name = {node.joined.node: node for node in self._nodes}

    def join_all(self) -> None:
        for number in range(len(self._nodes)):
            self._join(number)

    def plan_trouble(self, first_hour: float, until: float) -> None:
        """All that will befall them up to that moment, from the simulation's begin at an hour of the day."""
        hardware = self._hardware
        spot = [number for number, node in enumerate(self._nodes) if node.spot]
        kept = [number for number, node in enumerate(self._nodes) if not node.spot]
        for act, rate, numbers in (
            (self._interrupt, hardware.interruptions, spot),
            (self._drain, hardware.drains, kept),
            (self._lose, hardware.losses, kept),
            (self._press, hardware.pressures, [*spot, *kept]),
        ):
            for _ in range(round(len(numbers) * rate * until / 3600)):
                self._calendar.plan(self._chance.uniform(0, until), act, self._chance.choice(numbers))
        for at, number in self._wave(spot, first_hour):
            if 0 <= at < until:
                self._calendar.plan(at, self._interrupt, number)

    def house(self, name: str, machine: int) -> None:
        self._by_name[name].machines.add(machine)

    def clear(self, name: str, machine: int) -> None:
        """The machine is over."""
        self._by_name[name].machines.discard(machine)

    def _wave(self, spot: list[int], first_hour: float) -> Iterator[tuple[float, int]]:
        wave = self._hardware.wave
        begin = (wave.hour - first_hour) * 3600
        for number in self._chance.sample(spot, round(len(spot) * wave.share)):
            yield begin + self._chance.uniform(0, wave.seconds), number

    def _join(self, number: int) -> None:
        """It is new, or stays after all, or has its room again."""
        node = self._nodes[number]
        node.is_there, node.leaves_at = True, NEVER
        self._tell(node.joined)

    def _rejoin(self, number: int) -> None:
        if not self._nodes[number].is_there:
            self._join(number)

    def _interrupt(self, number: int) -> None:
        self._leave(number, self._hardware.notice_seconds)

    def _drain(self, number: int) -> None:
        if self._chance.random() < self._hardware.called_off_share:
            self._plan_in(self._hardware.drain_seconds / 2, self._call_off, number)
        self._leave(number, self._hardware.drain_seconds)

    def _leave(self, number: int, notice_seconds: float) -> None:
        node = self._nodes[number]
        if node.is_there and node.leaves_at == NEVER:
            node.leaves_at = self._clock() + notice_seconds
            self._tell(NodeDraining(node.joined.node, node.leaves_at))
            self._plan_in(notice_seconds + 1, self._go, number)

    def _call_off(self, number: int) -> None:
        if self._nodes[number].leaves_at < NEVER:
            self._join(number)

    def _go(self, number: int) -> None:
        if self._nodes[number].leaves_at <= self._clock():
            self._lose(number)

    def _lose(self, number: int) -> None:
        """Everything on it is over at once."""
        node = self._nodes[number]
        if node.is_there:
            node.is_there, node.leaves_at = False, NEVER
            self._tell(NodeLost(node.joined.node))
            for machine in sorted(node.machines):
                self._end(machine)
            self._plan_in(self._hardware.rejoin_seconds, self._rejoin, number)

    def _press(self, number: int) -> None:
        """It keeps what it has."""
        node = self._nodes[number]
        if node.is_there and node.leaves_at == NEVER:
            self._tell(replace(node.joined, most_machines=0))
            self._plan_in(self._hardware.pressure_seconds, self._relieve, number)

    def _relieve(self, number: int) -> None:
        node = self._nodes[number]
        if node.is_there and node.leaves_at == NEVER:
            self._join(number)

    def _plan_in(self, seconds: float, act: Act, number: int) -> None:
        self._calendar.plan(self._clock() + seconds, act, number)
