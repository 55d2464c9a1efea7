"""What a gateway holds of its host, and lends to machines: a run folder, slots, network namespaces."""

import asyncio
import fcntl
import logging
import os
from dataclasses import dataclass, replace
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
from compute.spawners.shares import Share, take_share

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
        self.config = config
        """With this gateway's share of the host, once it is open."""
        self._share: Share | None = None
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
            await finish_in_thread(self._take_share)
            await finish_in_thread(self._take_folder)
            slots = network.make_slots(self.config)
        except BlockingIOError:
            raise CannotStart(f"another gateway uses {self.config.own_folder}: give each a folder of its own") from None
        except (OSError, ValueError) as error:
            raise CannotStart(f"{self.config.own_folder}: {error}") from error
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
        jail = Jail(self.folder, self.config.firecracker.name, identifier)
        try:
            self._folder.journal.record(identifier, jail_resource(self.config, jail))
        except (JournalFull, OSError) as error:
            self._slots.give_back(slot)
            raise CannotStart(f"a machine that cannot be recorded is not made: {error}") from error
        return Place(jail, slot)

    async def give_back(self, place: Place) -> None:
        """Ends what is left in the place and removes it. Where that fails, the journal and the slot keep it."""
        assert self._folder is not None, "the host is not open"
        try:
            await finish_in_thread(end_jail, place.jail, control_group(self.config, place.jail))
        except OSError as error:
            log.warning("%s stays: %s", place.jail.folder, error)
            return
        self._folder.journal.forget(place.jail.identifier)
        self._slots.give_back(place.slot)

    async def close(self) -> None:
        """The share goes last: the next one who has it finds nothing of ours."""
        if self._folder is not None:
            await asyncio.to_thread(self._folder.remove)
            self._folder = None
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None
        if self._share is not None:
            self._share.release()
            self._share = None

    def _take_share(self) -> None:
        self._share = take_share(self.config.shares)
        self.config = replace(self.config, share=self._share.number)

    def _take_folder(self) -> None:
        self.config.own_folder.mkdir(mode=0o711, parents=True, exist_ok=True)
        self._lock = os.open(self.config.own_folder / LOCK, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        self._folder = make_folder(str(self.config.own_folder), REAPERS)

    async def _make_namespaces(self, slots: tuple[Slot, ...]) -> None:
        assert self._folder is not None, "the folder comes first"
        for slot in {slot.namespace: slot for slot in slots}.values():
            self._folder.journal.record(NAMESPACES, namespace_resource(self.config, slot))
        if self.config.network == "none":
            commands = network.empty_commands(slots[0])
        else:
            commands = tuple(command for slot in slots for command in network.build_commands(slot))
        for command in commands:
            await network.run(self.config.ip, command)
