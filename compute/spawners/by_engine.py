"""A spawner for each engine behind one: where not every engine fits the same kind of machine."""

import asyncio
from collections.abc import Mapping

from compute.config import MachineSpec
from compute.spawners import CannotStart, Isolation, Machine, Spawner

STRENGTH = ("none", "namespaces", "virtual")


class SpawnerByEngine:
    """Hands each call to the spawner of the machine's engine."""

    def __init__(self, spawners: Mapping[str, Spawner]) -> None:
        self._spawners = spawners
        self._owners: dict[Machine, Spawner] = {}

    async def open(self) -> Isolation:
        """All of them, one after another; the isolation of the weakest. Raises CannotStart."""
        opened = [await spawner.open() for spawner in self._spawners.values()]
        weakest = min(opened, key=lambda isolation: STRENGTH.index(isolation.level))
        return Isolation(
            weakest.level,
            tuple(text for isolation in opened for text in isolation.missing),
            tuple(text for isolation in opened for text in isolation.unbounded),
            next((isolation.guest_uid for isolation in opened if isolation.guest_uid is not None), None),
        )

    async def start(self, spec: MachineSpec) -> Machine:
        """Raises CannotStart."""
        spawner = self._spawners.get(spec.engine)
        if spawner is None:
            raise CannotStart(f"no spawner here starts machines of {spec.engine}")
        machine = await spawner.start(spec)
        self._owners[machine] = spawner
        machine.ended.add_done_callback(lambda _ended: self._owners.pop(machine, None))
        return machine

    async def poll(self, machine: Machine) -> int | None:
        return machine.ended.result() if machine.ended.done() else None

    async def stop(self, machine: Machine, *, now: bool = False) -> None:
        """Nothing is left to do for one that has ended."""
        if (spawner := self._owners.get(machine)) is not None:
            await spawner.stop(machine, now=now)

    async def close(self) -> None:
        await asyncio.gather(*(spawner.close() for spawner in self._spawners.values()))
