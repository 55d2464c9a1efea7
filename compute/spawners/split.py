"""Machines of several spawners in one pool: each engine has its own."""

import asyncio
from collections.abc import Callable, Mapping, Sequence

from compute.config import MachineSpec, Room, own_room
from compute.events import NodeEvent
from compute.spawners import CannotStart, Isolation, Machine, Placing, Spawner, Supersedable

_STRENGTH = ("none", "namespaces", "virtual")


class SplitSpawner:
    """`spawners` by engine; one that stands for several engines is opened once."""

    def __init__(self, spawners: Mapping[str, Spawner]) -> None:
        self._spawners = spawners
        self._each = list({id(spawner): spawner for spawner in spawners.values()}.values())
        self._owners: dict[str, Spawner] = {}

    async def open(self) -> Isolation:
        """The isolation that all of them have: the weakest. Raises what the first that fails has raised, CannotStart,
        once none is being opened any more."""
        try:
            async with asyncio.TaskGroup() as group:
                opening = [group.create_task(spawner.open()) for spawner in self._each]
        except ExceptionGroup as failed:
            raise failed.exceptions[0] from None
        return weakest([each.result() for each in opening])

    async def start(self, spec: MachineSpec) -> Machine:
        """Raises CannotStart."""
        spawner = self._spawners.get(spec.engine)
        if spawner is None:
            raise CannotStart(f"there is no spawner for {spec.engine}")
        machine = await spawner.start(spec)
        self._owners[machine.name] = spawner
        machine.ended.add_done_callback(lambda _ended: self._owners.pop(machine.name, None))
        return machine

    async def poll(self, machine: Machine) -> int | None:
        return machine.ended.result() if machine.ended.done() else None

    async def stop(self, machine: Machine, *, now: bool = False) -> None:
        """One that has ended needs nothing."""
        if owner := self._owners.get(machine.name):
            await owner.stop(machine, now=now)

    def footprint(self, spec: MachineSpec) -> Room:
        owner = self._spawners.get(spec.engine)
        return owner.footprint(spec) if isinstance(owner, Placing) else own_room(spec)

    def watch_nodes(self, tell: Callable[[NodeEvent], None]) -> None:
        for spawner in self._each:
            if isinstance(spawner, Placing):
                spawner.watch_nodes(tell)

    def watch_name(self, tell: Callable[[str], None]) -> None:
        for spawner in self._each:
            if isinstance(spawner, Supersedable):
                spawner.watch_name(tell)

    async def close(self) -> None:
        await asyncio.gather(*(spawner.close() for spawner in self._each))


def weakest(isolations: Sequence[Isolation]) -> Isolation:
    """What a principal can rely on wherever its statement runs."""
    level = min((each.level for each in isolations), key=_STRENGTH.index)
    missing = [reason for each in isolations for reason in each.missing]
    unbounded = [resource for each in isolations for resource in each.unbounded]
    users = [each.guest_uid for each in isolations if each.guest_uid is not None]
    return Isolation(level, tuple(missing), tuple(unbounded), users[0] if users else None)
