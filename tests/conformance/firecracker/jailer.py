"""A stand-in for Firecracker's jailer: its arguments by contract, its folders, and the VMM stand-in in them.

From its document: which arguments there are and what they may hold, where the jail lies, that the executable is copied
into it, who owns it, the file with the process id. No namespaces, no chroot and no control groups are made: the
stand-in reaches nothing but relative paths.

The program that a spawner runs (`fix_firecracker.CLIENT`) only hands its arguments to one server of a test session,
which forks: an interpreter that has all modules starts in milliseconds, and only root need be able to read it.
"""

import argparse
import json
import os
import re
import shutil
import signal
import socket
import sys
from pathlib import Path

from tests.conformance.firecracker import vmm

LIMITS = {"fsize", "no-file"}


def main(address: str) -> None:
    """Serves until it is killed. Says so when it is ready."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(address)
    listener.listen()
    print("ready", flush=True)
    while True:
        stream, _ = listener.accept()
        with stream:
            if os.fork() == 0:
                listener.close()
                _serve(stream)


def _serve(stream: socket.socket) -> None:
    """The jailer, in a process of its own: answers with its complaint, or with nothing once the VMM is forked."""
    contract, *words = json.loads(stream.makefile().read())
    separator = words.index("--")
    try:
        options = _parse(words[:separator])
        _check(options)
        root = _make_jail(options, Path(contract), words)
    except SystemExit as refusal:
        stream.sendall(str(refusal.code).encode())
        os._exit(1)
    os.chdir(root)
    pid = os.fork()
    if pid:
        Path(f"{Path(options.exec_file).name}.pid").write_text(str(pid))
        os._exit(0)
    stream.close()
    _become_vmm(options, Path(contract), words[separator + 1 :])


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
        "the exec file is not absolute": not options.exec_file.startswith("/"),
        "the exec file is not firecracker": "firecracker" not in Path(options.exec_file).name,
        "Invalid resource argument": set(limits) - LIMITS or not all(value.isdigit() for value in limits.values()),
        "Invalid cgroup": not all(re.fullmatch(r"[a-z]+\.[a-z.]+", name) for name in groups),
        "the parent cgroup is not relative": options.parent_cgroup.startswith("/"),
        "cgroup version": options.cgroup_version != 2,
    }
    for fault, found in faults.items():
        if found:
            sys.exit(fault)


def _make_jail(options: argparse.Namespace, contract: Path, words: list[str]) -> Path:
    if json.loads((contract / "behaviour.json").read_text()).get("jailer") == "fail":
        sys.exit("the jail cannot be made, on purpose")
    root = Path(options.chroot_base_dir, Path(options.exec_file).name, options.id, "root")
    root.mkdir(parents=True, exist_ok=True)
    shutil.copy(options.exec_file, root)
    (contract / "groups" / options.parent_cgroup / options.id).mkdir(parents=True)
    with open(contract / "jailer.log", "a") as log:
        log.write(json.dumps(words) + "\n")
    if os.geteuid() == 0:
        os.chown(root, options.uid, options.gid)
    return root


def _become_vmm(options: argparse.Namespace, contract: Path, words: list[str]) -> None:
    behaviour = json.loads((contract / "behaviour.json").read_text())
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.setsid()
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
    main(sys.argv[1])
