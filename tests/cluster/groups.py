"""Control groups of a node's own, in version 1's hierarchies or in version 2's only one.

python -m tests.cluster.groups GROUP COMMAND...     runs the command in them
"""

import os
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

ROOT = Path("/sys/fs/cgroup")
PREFIX = "lakegate-node-"
"""Then comes the process that made them, so that what a killed test session left is known."""
REMOVE_SECONDS = 200.0


def main() -> None:
    group, *command = sys.argv[1:]
    for hierarchy in hierarchies():
        (hierarchy / group / "cgroup.procs").write_text(str(os.getpid()))
    os.execvp(command[0], command)


def controllers() -> Mapping[str, str]:
    """Version 1's hierarchies and the options that each is mounted with; none on a host of version 2."""
    mounts = [line.split() for line in Path("/proc/self/mounts").read_text().splitlines()]
    found = {Path(at).name: options.split(",") for _, at, kind, options, *_ in mounts if kind == "cgroup"}
    names = {folder: [option for option in options if option.startswith("name=")] for folder, options in found.items()}
    return {folder: ",".join(["none", *name]) if name else folder for folder, name in names.items()}


def hierarchies() -> Sequence[Path]:
    return [ROOT / controller for controller in controllers()] or [ROOT]


def create(group: str) -> None:
    for hierarchy in hierarchies():
        folder = hierarchy / group
        folder.mkdir()
        for inherited in ("cpuset.cpus", "cpuset.mems"):
            if hierarchy.name == "cpuset":
                (folder / inherited).write_text((hierarchy / inherited).read_text())


def remove(group: str) -> None:
    """With all below. A process that was just killed may hold one for a moment."""
    deadline = time.monotonic() + REMOVE_SECONDS
    for hierarchy in hierarchies():
        folders = [Path(at) for at, _, _ in os.walk(hierarchy / group, topdown=False)]
        for folder in folders:
            while not _removed(folder):
                assert time.monotonic() < deadline, f"{folder} is still in use"
                time.sleep(0.05)


def remove_abandoned() -> None:
    """What test sessions left that live no more."""
    for hierarchy in hierarchies():
        for folder in hierarchy.glob(f"{PREFIX}*"):
            if not Path("/proc", folder.name.removeprefix(PREFIX)).exists():
                remove(folder.name)


def _removed(folder: Path) -> bool:
    try:
        folder.rmdir()
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True


if __name__ == "__main__":
    main()
