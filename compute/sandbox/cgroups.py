"""Control groups: what one machine may take of the host's memory, tasks and processor time.

A run of the gateway has one group, and in it one for each machine. Each controller is taken where this host has it: in
the unified hierarchy (version 2) or in one of its own (version 1). A version 2 group with controllers for its children
may hold no process itself, so what is in our own group moves to a leaf beside the run; that is done only where all of
it is ours, as in a service or a container. Where it is not, as in a login, an ancestor that has such children already
serves, if we may write there.

A machine enters its group by its own hand, while its namespaces are made and long before it hears of a tenant. The
first entry after a while waits for a grace period of the kernel's (10 ms), in which the namespaces come about.

References: cgroups(7), Linux ``Documentation/admin-guide/cgroup-v2`` and ``cgroup-v1``.
"""

import errno
import os
import signal
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path

CONTROLLERS = ("memory", "pids", "cpu")
LEAF = "lakegate-gateway"
PERIOD_MICROSECONDS = 100_000
EMPTY_SECONDS = 10.0
MOST_FREE = 64
"""Groups without a machine that are kept for the next ones."""
ADVICE = "run the gateway as a service of systemd with Delegate=yes, or in a container with a writable /sys/fs/cgroup"


@dataclass(frozen=True, slots=True)
class Bounds:
    """Of one machine: memory with the page cache that it fills, threads and processes together, processor cores."""

    memory_bytes: int
    tasks: int
    cores: int


@dataclass(frozen=True, slots=True)
class Place:
    """The folder of a controller's group, and the version of its hierarchy."""

    version: int
    folder: str


class CgroupTree:
    """A run's groups. `places` has one of each controller that this host grants, and may be empty.

    A group that a machine has left serves the next one with the same bounds: making and removing groups would wait
    for every machine that is just entering one.
    """

    def __init__(self, places: Mapping[str, Place]) -> None:
        self.places = places
        self._folders = sorted({place.folder for place in places.values()})
        self._free: defaultdict[Bounds, list[str]] = defaultdict(list)
        self._taken: dict[str, Bounds] = {}
        self._numbers = count(1)

    def make(self, name: str, bounds: Bounds) -> None:
        """A group with those bounds. Raises OSError."""
        for folder in self.groups(name):
            os.mkdir(folder)
        for controller, place in self.places.items():
            try:
                _write(os.path.join(place.folder, name), _settings(controller, place.version, bounds))
            except OSError as error:
                # In version 1 a group above may have fewer cores, and bounds the machine already.
                if controller != "cpu" or error.errno != errno.EINVAL:
                    raise

    def groups(self, name: str) -> Sequence[str]:
        """The folders of that group, for a machine to enter."""
        return [os.path.join(folder, name) for folder in self._folders]

    def take(self, bounds: Bounds) -> str:
        """The name of a group with those bounds, for one machine. Raises OSError."""
        if self._free[bounds]:
            name = self._free[bounds].pop()
        else:
            self.make(name := f"machine-{next(self._numbers)}", bounds)
        self._taken[name] = bounds
        return name

    def leave(self, name: str) -> None:
        """The machine has ended; what is left of it in the group is killed. Raises OSError when it does not end."""
        bounds = self._taken.pop(name)
        if len(self._free[bounds]) < MOST_FREE and not any(map(_processes, self.groups(name))):
            self._free[bounds].append(name)
        else:
            _remove_all(self.groups(name))

    def clear(self) -> None:
        """Removes every machine's group: of a zygote that has died. Raises OSError when a process does not end."""
        for folder in self._folders:
            _remove_all([entry.path for entry in os.scandir(folder) if entry.is_dir()])


def enter(groups: Sequence[str]) -> None:
    """Called by the process that is to be bounded; what it starts is too. Raises OSError."""
    for folder in groups:
        Path(folder, "cgroup.procs").write_text("0")


def open_run(name: str) -> tuple[CgroupTree, Mapping[str, str]]:
    """Makes the groups of a run, and tells for each controller that this host withholds which setting helps."""
    places, withheld = {}, {}
    hierarchies = _hierarchies()
    for controller in CONTROLLERS:
        try:
            places[controller] = _open_controller(controller, hierarchies, name)
        except OSError as error:
            withheld[controller] = f"{error}; {ADVICE}"
    return CgroupTree(places), withheld


def run_folders(name: str) -> Sequence[str]:
    """Where `open_run` may make groups of that name, told before it does."""
    own = {Path(folder) for _, folder in _hierarchies().values()}
    above = {parent for folder in own for parent in folder.parents if (parent / "cgroup.procs").exists()}
    return [str(folder / name) for folder in own | above]


def remove_group(folder: str) -> None:
    """A group and those in it, with every process there killed. Raises OSError when one does not end."""
    deadline = time.monotonic() + EMPTY_SECONDS
    while os.path.isdir(folder):
        for parent, _, _ in os.walk(folder, topdown=False):
            _kill_all(parent)
            with suppress(OSError):
                os.rmdir(parent)
        if time.monotonic() > deadline:
            raise OSError(f"processes in {folder} do not end")


def _remove_all(folders: Sequence[str]) -> None:
    for folder in folders:
        remove_group(folder)


def _processes(folder: str) -> Sequence[int]:
    """Those that have a number here: one of another PID namespace is shown as 0."""
    return [pid for pid in map(int, Path(folder, "cgroup.procs").read_text().split()) if pid]


def _kill_all(folder: str) -> None:
    """Version 2 kills a group at once; in version 1 no fork outruns us once it may have no further task."""
    with suppress(OSError):
        if os.path.exists(os.path.join(folder, "cgroup.kill")):
            Path(folder, "cgroup.kill").write_text("1")
        elif os.path.exists(os.path.join(folder, "pids.max")):
            Path(folder, "pids.max").write_text("0")
        for pid in _processes(folder):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def _hierarchies() -> Mapping[str, tuple[int, str]]:
    """Controller -> version and our own group's folder; the unified hierarchy is under the empty name."""
    own = dict(_own_groups())
    found: dict[str, tuple[int, str]] = {}
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        before, _, after = line.partition(" - ")
        root, mountpoint = before.split()[3:5]
        kind, _, options = after.split()[:3]
        names = [""] if kind == "cgroup2" else [o for o in options.split(",") if o in CONTROLLERS]
        for name in names if kind in ("cgroup", "cgroup2") else ():
            inside = os.path.relpath(own.get(name, "/"), root)
            folder = mountpoint if inside.startswith("..") else os.path.normpath(os.path.join(mountpoint, inside))
            found[name] = (2 if kind == "cgroup2" else 1, folder.removesuffix(f"/{LEAF}"))
    return found


def _own_groups() -> Iterator[tuple[str, str]]:
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, names, path = line.split(":", 2)
        yield from ((name, path) for name in names.split(","))


def _open_controller(controller: str, hierarchies: Mapping[str, tuple[int, str]], name: str) -> Place:
    """Raises OSError, whose text says what is in the way."""
    version, own = hierarchies.get(controller) or hierarchies.get("") or (0, "")
    if not own:
        raise OSError("there is no cgroup file system")
    run = os.path.join(own if version == 1 else _distributing(own, controller), name)
    os.makedirs(run, exist_ok=True)
    if version == 2:
        Path(run, "cgroup.subtree_control").write_text(f"+{controller}")
    if controller == "cpu":
        _write(run, _share(version))
    return Place(version, run)


def _distributing(own: str, controller: str) -> str:
    """The nearest group whose children have the controller. Raises OSError."""
    if controller in _children_have(own):
        return own
    try:
        _distribute(own, controller)
        return own
    except OSError:
        for parent in map(str, Path(own).parents):
            if controller in _children_have(parent) and os.access(parent, os.W_OK):
                return parent
        raise


def _children_have(folder: str) -> Sequence[str]:
    try:
        return Path(folder, "cgroup.subtree_control").read_text().split()
    except OSError:
        return ()


def _distribute(own: str, controller: str) -> None:
    """Makes the controller one that our own group's children have."""
    if controller not in Path(own, "cgroup.controllers").read_text().split():
        raise OSError(f"{own} has no controller {controller}")
    if os.path.exists(os.path.join(own, "cgroup.type")):
        _move_to_leaf(own)
    Path(own, "cgroup.subtree_control").write_text(f"+{controller}")


def _move_to_leaf(own: str) -> None:
    """Of a group that is not the root of its hierarchy. One that looks like a root is a container's: all its own."""
    inside = [int(pid) for pid in _processes(own)]
    contained = not os.path.exists(os.path.join(os.path.dirname(own), "cgroup.procs"))
    if not contained and not set(inside) <= _family():
        raise OSError(f"{own} has processes of others")
    leaf = Path(own, LEAF)
    leaf.mkdir(exist_ok=True)
    for pid in inside:
        with suppress(ProcessLookupError):
            Path(leaf, "cgroup.procs").write_text(str(pid))


def _family() -> set[int]:
    """This process and all that it has started."""
    family, added = {os.getpid()}, {os.getpid()}
    while added:
        added = {child for pid in added for child in _children(pid)} - family
        family |= added
    return family


def _children(pid: int) -> Iterator[int]:
    with suppress(OSError):
        for task in os.listdir(f"/proc/{pid}/task"):
            yield from map(int, Path(f"/proc/{pid}/task/{task}/children").read_text().split())


def _settings(controller: str, version: int, bounds: Bounds) -> Mapping[str, str]:
    memory, quota = str(bounds.memory_bytes), bounds.cores * PERIOD_MICROSECONDS
    match controller, version:
        case "memory", 1:
            return {"memory.limit_in_bytes": memory, "memory.memsw.limit_in_bytes": memory}
        case "memory", _:
            return {"memory.max": memory, "memory.swap.max": "0", "memory.oom.group": "1"}
        case "pids", _:
            return {"pids.max": str(bounds.tasks)}
        case "cpu", 1:
            return {"cpu.cfs_period_us": str(PERIOD_MICROSECONDS), "cpu.cfs_quota_us": str(quota)}
        case _:
            return {"cpu.max": f"{quota} {PERIOD_MICROSECONDS}"}


def _share(version: int) -> Mapping[str, str]:
    """All machines together weigh as much as a process on each core; among themselves they are equal."""
    cores = os.cpu_count() or 1
    return {"cpu.shares": str(1024 * cores)} if version == 1 else {"cpu.weight": str(min(100 * cores, 10_000))}


def _write(folder: str, settings: Mapping[str, str]) -> None:
    """A host without swap has no file for its bound."""
    for name, value in settings.items():
        if "sw" not in name or os.path.exists(os.path.join(folder, name)):
            Path(folder, name).write_text(value)
