"""What a gateway holds of its host, and lends to machines: a run folder, slots, network namespaces."""

import asyncio
import fcntl
import logging
import os
from dataclasses import dataclass
from pathlib import Path

from compute.spawners import CannotStart
from compute.spawners.firecracker import network
from compute.spawners.firecracker.config import FirecrackerConfig
from compute.spawners.firecracker.jail import Jail, control_group
from compute.spawners.firecracker.reaping import REAPERS, end_jail, jail_resource, namespace_resource
from compute.spawners.firecracker.slots import Slot, Slots
from compute.spawners.firecracker.threads import finish_in_thread
from compute.spawners.folders import RunFolder, make_folder
from compute.spawners.journal import JournalFull

LOCK = "owner.lock"
NAMESPACES = "namespaces"
"""What the journal has the namespaces under: they are no one machine's."""
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Place:
    """Where one VMM runs. Its own until nothing of the VMM is left."""

    jail: Jail
    slot: Slot


class Host:
    """Opened once; `close` takes away whatever is left."""

    def __init__(self, config: FirecrackerConfig) -> None:
        self._config = config
        self._slots = Slots(())
        self._lock: int | None = None
        self._folder: RunFolder | None = None

    async def open(self) -> None:
        """Reaps what a killed gateway has left, then makes the namespaces. Raises CannotStart; then nothing is held."""
        try:
            await self._open()
        except BaseException:
            await self.close()
            raise

    async def _open(self) -> None:
        try:
            await finish_in_thread(self._take_folder)
            slots = network.make_slots(self._config)
        except BlockingIOError:
            raise CannotStart(f"another gateway uses {self._config.folder}: give each a folder of its own") from None
        except (OSError, ValueError) as error:
            raise CannotStart(f"{self._config.folder}: {error}") from error
        await self._make_namespaces(slots)
        self._slots = Slots(slots)

    @property
    def folder(self) -> Path:
        assert self._folder is not None, "the host is not open"
        return Path(self._folder.path)

    def take(self, identifier: str) -> Place:
        """A place for a new VMM; the journal has it before it is made. Raises CannotStart."""
        assert self._folder is not None, "the host is not open"
        slot = self._slots.take()
        jail = Jail(self.folder, self._config.firecracker.name, identifier)
        try:
            self._folder.journal.record(identifier, jail_resource(self._config, jail))
        except (JournalFull, OSError) as error:
            self._slots.give_back(slot)
            raise CannotStart(f"a machine that cannot be recorded is not made: {error}") from error
        return Place(jail, slot)

    async def give_back(self, place: Place) -> None:
        """Ends what is left in the place and removes it. Where that fails, the journal and the slot keep it."""
        assert self._folder is not None, "the host is not open"
        try:
            await finish_in_thread(end_jail, place.jail, control_group(self._config, place.jail))
        except OSError as error:
            log.warning("%s stays: %s", place.jail.folder, error)
            return
        self._folder.journal.forget(place.jail.identifier)
        self._slots.give_back(place.slot)

    async def close(self) -> None:
        if self._folder is not None:
            await asyncio.to_thread(self._folder.remove)
            self._folder = None
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _take_folder(self) -> None:
        self._config.folder.mkdir(mode=0o711, parents=True, exist_ok=True)
        self._lock = os.open(self._config.folder / LOCK, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        self._folder = make_folder(str(self._config.folder), REAPERS)

    async def _make_namespaces(self, slots: tuple[Slot, ...]) -> None:
        assert self._folder is not None, "the folder comes first"
        for slot in {slot.namespace: slot for slot in slots}.values():
            self._folder.journal.record(NAMESPACES, namespace_resource(self._config, slot))
        if self._config.network == "none":
            commands = network.empty_commands()
        else:
            commands = tuple(command for slot in slots for command in network.build_commands(slot))
        for command in commands:
            await network.run(self._config.ip, command)
