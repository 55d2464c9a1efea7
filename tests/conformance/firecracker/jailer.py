"""A stand-in for Firecracker's jailer: its arguments by contract, its folders, and the VMM stand-in in them.

From its document: which arguments there are and what they may hold, where the jail lies, that the executable is copied
into it, who owns it, the file with the process id. No namespaces, no chroot and no control groups are made: the
stand-in reaches nothing but relative paths. It forks where the real one executes the VMM, so that an interpreter
which only root can read will do.
"""

import argparse
import json
import os
import re
import shutil
import sys
from pathlib import Path

from tests.conformance.firecracker import vmm

LIMITS = {"fsize", "no-file"}


def main() -> None:
    """The first argument is the contract's own folder, where the log and the behaviour are."""
    contract = Path(sys.argv[1])
    words = sys.argv[2:]
    separator = words.index("--")
    options = _parse(words[:separator])
    _check(options)
    (vmm_words,) = [words[separator + 1 :]]
    jail = Path(options.chroot_base_dir, Path(options.exec_file).name, options.id)
    root = jail / "root"
    root.mkdir(parents=True, exist_ok=True)
    shutil.copy(options.exec_file, root)
    (contract / "groups" / options.parent_cgroup / options.id).mkdir(parents=True)
    with open(contract / "jailer.log", "a") as log:
        log.write(json.dumps(words) + "\n")
    if os.geteuid() == 0:
        os.chown(root, options.uid, options.gid)
    _fork(options, root, contract, vmm_words)


def _parse(words: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="jailer", allow_abbrev=False)
    for name in ("--id", "--exec-file", "--chroot-base-dir", "--netns", "--parent-cgroup"):
        parser.add_argument(name, required=True)
    for name in ("--uid", "--gid", "--cgroup-version"):
        parser.add_argument(name, required=True, type=int)
    for name in ("--cgroup", "--resource-limit"):
        parser.add_argument(name, action="append", default=[])
    for name in ("--daemonize", "--new-pid-ns"):
        parser.add_argument(name, action="store_true")
    return parser.parse_args(words)


def _check(options: argparse.Namespace) -> None:
    limits = dict(limit.split("=", 1) for limit in options.resource_limit)
    groups = dict(group.split("=", 1) for group in options.cgroup)
    faults = {
        "Invalid instance ID": not re.fullmatch(r"[A-Za-z0-9-]{1,64}", options.id),
        "the exec file is not absolute or not firecracker": "firecracker" not in Path(options.exec_file).name
        or not options.exec_file.startswith("/"),
        "Invalid resource argument": set(limits) - LIMITS or not all(value.isdigit() for value in limits.values()),
        "Invalid cgroup": not all(re.fullmatch(r"[a-z]+\.[a-z.]+", name) for name in groups),
        "the parent cgroup is not relative": options.parent_cgroup.startswith("/"),
        "cgroup version": options.cgroup_version != 2,
    }
    for fault, found in faults.items():
        if found:
            sys.exit(fault)


def _fork(options: argparse.Namespace, root: Path, contract: Path, words: list[str]) -> None:
    behaviour = json.loads((contract / "behaviour.json").read_text())
    if behaviour.get("jailer") == "fail":
        sys.exit("the jail cannot be made, on purpose")
    pid = os.fork()
    if pid:
        (root / f"{Path(options.exec_file).name}.pid").write_text(str(pid))
        os._exit(0)
    os.setsid()
    os.chdir(root)
    null = os.open(os.devnull, os.O_RDWR)
    for standard in range(3):
        os.dup2(null, standard)
    if os.geteuid() == 0:
        os.setgroups([])
        os.setgid(options.gid)
        os.setuid(options.uid)
    assert words[0] == "--api-sock", "the VMM is told where its API listens"
    vmm.run(options.id, words[1], contract / "calls.log", behaviour)


if __name__ == "__main__":
    main()
