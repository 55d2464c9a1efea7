"""Control groups: the real ones of this host, in either version, and what is said where there are none.

A host binds each controller to one version. What version 2 does with its own files is tried on whatever controller this
host has left to it.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from compute.sandbox import cgroups
from compute.sandbox.cgroups import Bounds, CgroupTree, Place, open_run, remove_group

BOUNDS = Bounds(memory_bytes=256 << 20, tasks=32, cores=2)
WRITTEN = {
    "memory.max": str(256 << 20),
    "memory.oom.group": "1",
    "pids.max": "32",
    "cpu.max": "200000 100000",
}
VERSION_2 = """
import os, signal, sys, time
from pathlib import Path
from compute.sandbox import cgroups, namespaces

mountpoint, name = sys.argv[1:]
namespaces.unshare(namespaces.CLONE_NEWNS)
namespaces.make_mounts_private()
namespaces._mount("cgroup2", mountpoint, "cgroup2", 0)
root = Path(mountpoint)
controller = (root / "cgroup.controllers").read_text().split()[0]
enabled = (root / "cgroup.subtree_control").read_text().split()
(root / "cgroup.subtree_control").write_text("+" + controller)
own = root / name
own.mkdir()
(own / "cgroup.procs").write_text("0")
place = cgroups._open_controller(controller, {"": (2, str(own))}, "run")
assert (own / cgroups.LEAF / "cgroup.procs").read_text().split() == [str(os.getpid())]
machine = Path(place.folder, "machine")
machine.mkdir()
if not (pid := os.fork()):
    cgroups.enter([str(machine)])
    if os.fork():
        time.sleep(1000)
    time.sleep(1000)
while len((machine / "cgroup.procs").read_text().split()) < 2:
    time.sleep(0.01)
cgroups.remove_group(place.folder)
print(place.version, os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), machine.exists())
(root / "cgroup.procs").write_text("0")
cgroups.remove_group(str(own / cgroups.LEAF))
own.rmdir()
if controller not in enabled:
    (root / "cgroup.subtree_control").write_text("-" + controller)
"""


@pytest.fixture
def name() -> Iterator[str]:
    name = f"lakegate-test-{os.getpid()}"
    yield name
    for folder in cgroups.run_folders(name):
        remove_group(folder)


def test_a_machine_enters_is_bounded_and_leaves_nothing(name: str) -> None:
    tree, withheld = open_run(name)
    assert (set(tree.places), withheld) == (set(cgroups.CONTROLLERS), {})
    group = tree.take(BOUNDS)
    with subprocess.Popen(["sleep", "1000"], preexec_fn=lambda: cgroups.enter(tree.groups(group))) as program:
        inside = Path(f"/proc/{program.pid}/cgroup").read_text()
        assert inside.count(f"{name}/{group}") == len({place.folder for place in tree.places.values()})
        tree.leave(group)
        assert program.wait(timeout=120) == -signal.SIGKILL
    assert not [folder for folder in tree.groups(group) if os.path.exists(folder)]


def test_a_group_that_was_left_serves_equal_bounds_only(name: str) -> None:
    tree, _ = open_run(name)
    first = tree.take(BOUNDS)
    tree.leave(first)
    other = tree.take(Bounds(memory_bytes=64 << 20, tasks=8, cores=1))
    assert (tree.take(BOUNDS), tree.take(BOUNDS) != first, other != first) == (first, True, True)
    tree.clear()
    assert not [group for group in (first, other) for folder in tree.groups(group) if os.path.exists(folder)]


def test_a_fork_bomb_does_not_outrun_its_removal(name: str) -> None:
    tree, _ = open_run(name)
    group = tree.take(BOUNDS)
    bomb = "import os, time\nwhile True:\n try: os.fork()\n except OSError: pass"
    entering = {"preexec_fn": lambda: cgroups.enter(tree.groups(group))}
    tasks = Path(tree.places["pids"].folder, group, "cgroup.procs")
    with subprocess.Popen([sys.executable, "-c", bomb], **entering) as program:  # type: ignore[call-overload]
        while program.poll() is None and len(tasks.read_text().split()) < BOUNDS.tasks:
            pass
        tree.leave(group)
        assert program.wait(timeout=120) == -signal.SIGKILL


@pytest.mark.skipif(os.geteuid() != 0, reason="needs to mount a hierarchy")
def test_version_2_delegates_and_kills(name: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", VERSION_2, str(tmp_path), name], capture_output=True, text=True, timeout=600, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["2", str(-signal.SIGKILL), "False"]


def test_version_2_writes_its_own_files(tmp_path: Path) -> None:
    group = CgroupTree({name: Place(2, str(tmp_path)) for name in cgroups.CONTROLLERS}).take(BOUNDS)
    assert {path.name: path.read_text() for path in (tmp_path / group).iterdir()} == WRITTEN


@pytest.fixture
def login(tmp_path: Path) -> Path:
    """A group as that of a login on a host with version 2: a shell is in it, which is not ours."""
    own = tmp_path / "slice" / "session"
    own.mkdir(parents=True)
    for folder, distributed in ((tmp_path, "memory"), (tmp_path / "slice", ""), (own, "")):
        texts = {"cgroup.controllers": "memory pids", "cgroup.subtree_control": distributed, "cgroup.type": "domain"}
        for file, text in {**texts, "cgroup.procs": f"1\n{os.getpid()}\n"}.items():
            (folder / file).write_text(text)
    return own


def test_a_group_with_processes_of_others_is_left_alone(login: Path) -> None:
    with pytest.raises(OSError, match="has processes of others"):
        cgroups._open_controller("pids", {"": (2, str(login))}, "run")
    assert not (login / cgroups.LEAF).exists()


def test_an_ancestor_with_such_children_serves(login: Path, tmp_path: Path) -> None:
    place = cgroups._open_controller("memory", {"": (2, str(login))}, "run")
    assert place == Place(2, str(tmp_path / "run"))
    assert not (login / cgroups.LEAF).exists()


def test_a_containers_group_is_all_its_own(login: Path, tmp_path: Path) -> None:
    place = cgroups._open_controller("pids", {"": (2, str(tmp_path))}, "run")
    assert place == Place(2, str(tmp_path / "run"))
    assert (tmp_path / cgroups.LEAF / "cgroup.procs").exists()


@pytest.mark.parametrize(
    ("hierarchies", "reason"),
    [({}, "there is no cgroup file system"), ({"": (2, "/proc/self")}, "No such file"), ({"pids": (1, "/proc")}, "")],
)
def test_what_is_withheld_is_told_with_what_helps(
    monkeypatch: pytest.MonkeyPatch, hierarchies: dict[str, tuple[int, str]], reason: str
) -> None:
    monkeypatch.setattr(cgroups, "_hierarchies", lambda: hierarchies)
    tree, withheld = open_run("run")
    assert tree.places == {}
    assert set(withheld) == set(cgroups.CONTROLLERS)
    assert all(reason in text and "Delegate=yes" in text for text in withheld.values())
