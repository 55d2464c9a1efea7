"""The journal of a spawner: what it makes that outlives a SIGKILL, written before it is made.

One JSON line an entry, appended with a single write, so that a process killed at any moment leaves whole lines and at
most one torn one, which is passed over. What is forgotten takes no room for long: the file is written anew when most of
it is history. `folders` keeps a journal in each run folder and hands what the dead have left to the `reapers`.

A write survives the death of this process as it is, and that is enough for whatever does not survive the host either.
Only what lives elsewhere (a pod) needs `durable`, which waits for the disk.
"""

import json
import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from compute.spawners import CannotStart

MAX_MACHINES = 1 << 17
"""Machines that one journal may hold at once: ten times what one gateway serves."""
COMPACT_LINES = 1024
"""Lines of history that are left alone, however few machines there are."""
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Resource:
    """Something that has to be reaped.

    `kind` names its reaper, `name` finds it (a path, a process id, a pod's name), `detail` makes sure that it is still
    the same one (a process's start time).
    """

    kind: str
    name: str
    detail: Mapping[str, str] = field(default_factory=dict)


class JournalFull(CannotStart):
    """More machines than the bound: one that was not recorded must not be made."""


class Journal:
    """The resources of each machine by the machine's name, in the order in which they were recorded: they are reaped in
    the opposite one.

    Record a resource before it is made, or, where its name is only known afterwards, at once then. Forget a machine
    when all of it is gone. Not for two threads at a time.
    """

    def __init__(self, path: str) -> None:
        """Opens the journal, a new one if there is none."""
        self._path = path
        self._machines = read(path)
        self._file = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self._lines = 0
        self._compact()

    @property
    def machines(self) -> Mapping[str, Sequence[Resource]]:
        """What is recorded and not forgotten."""
        return self._machines

    def record(self, machine: str, *resources: Resource, durable: bool = False) -> None:
        """Adds to what that machine has. `durable` waits for the disk: not for the event loop.

        Raises JournalFull, OSError: then nothing was recorded.
        """
        if machine not in self._machines and len(self._machines) >= MAX_MACHINES:
            raise JournalFull(f"{MAX_MACHINES} machines are recorded already")
        self._write(_entry(machine, resources), durable)
        self._machines.setdefault(machine, []).extend(resources)

    def forget(self, machine: str, *, durable: bool = False) -> None:
        """All that machine had is gone. Nothing happens for one that is not known."""
        if self._machines.pop(machine, None) is None:
            return
        self._write({"machine": machine, "gone": True}, durable)
        if self._lines > COMPACT_LINES + 2 * len(self._machines):
            self._compact()

    def close(self) -> None:
        os.close(self._file)

    def _write(self, entry: Mapping[str, Any], durable: bool) -> None:
        os.write(self._file, _line(entry))
        if durable:
            os.fsync(self._file)
        self._lines += 1

    def _compact(self) -> None:
        """Writes what is left beside the journal and puts it in its place, whole or not at all."""
        fresh = self._path + ".new"
        written = os.open(fresh, os.O_CREAT | os.O_WRONLY | os.O_TRUNC | os.O_APPEND | os.O_CLOEXEC, 0o600)
        for machine, resources in self._machines.items():
            os.write(written, _line(_entry(machine, resources)))
        os.fsync(written)
        os.replace(fresh, self._path)
        os.close(self._file)
        self._file, self._lines = written, len(self._machines)


def read(path: str) -> dict[str, list[Resource]]:
    """What a journal of the dead says is left, oldest machine first; empty if there is no journal."""
    machines: dict[str, list[Resource]] = {}
    for entry in _entries(path):
        if entry.get("gone"):
            machines.pop(entry["machine"], None)
        else:
            machines.setdefault(entry["machine"], []).extend(Resource(**each) for each in entry["resources"])
    return machines


def _entries(path: str) -> Iterator[Any]:
    try:
        with open(path, "rb") as file:
            for line in filter(bytes.strip, file):
                try:
                    yield json.loads(line)
                except ValueError:
                    log.warning("a torn line in %s is passed over", path)
    except FileNotFoundError:
        return


def _entry(machine: str, resources: Sequence[Resource]) -> dict[str, Any]:
    each = [{"kind": one.kind, "name": one.name, "detail": dict(one.detail)} for one in resources]
    return {"machine": machine, "resources": each}


def _line(entry: Mapping[str, Any]) -> bytes:
    """It begins with a line's end too, so that what follows a torn line is whole."""
    return b"\n" + json.dumps(entry, separators=(",", ":")).encode() + b"\n"
