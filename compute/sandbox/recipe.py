"""What shuts a machine off: namespaces and control groups at the fork, root folder, privileges and the filter of its
system calls once its identity is known."""

import os
import shutil
import socket
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from compute.identity import Identity
from compute.sandbox import cgroups, disk, interfaces, namespaces, seccomp
from compute.sandbox.namespaces import Mount

MACHINE_NAMESPACES = namespaces.CLONE_NEWNS | namespaces.CLONE_NEWIPC | namespaces.CLONE_NEWUTS
OPEN_FILES = 4096
DEVICES = ("/dev/null", "/dev/urandom")


@dataclass(frozen=True, slots=True)
class Sandbox:
    """How one machine is shut off.

    `folder` is the machine's own on the host: `root` in it is where its root folder is put together, `scratch` where it
    spills. `uid` is the user that it becomes, None where the host lets us have no other. `writable` is whether it may
    write to its warehouse; `data_bytes` bounds its private memory. `programs` says that its engine runs programs, which
    need a /proc (of this machine alone). `filtered` is whether its system calls are; `groups` are the control groups
    that bound it, `disk` is the template of its disk. `networked` says that it stays in the host's network.
    """

    folder: str
    isolated: bool
    uid: int | None
    writable: bool
    programs: bool
    data_bytes: int | None
    filtered: bool
    groups: Sequence[str]
    disk: str | None
    networked: bool = False

    @property
    def scratch(self) -> str:
        """Where it spills: the same path outside, before the seal and after it."""
        return os.path.join(self.folder, "scratch")

    def prepare(self) -> None:
        """In the new process, before anything else: nothing of other machines or processes, nor, mostly, a network."""
        namespaces.die_with_parent()
        with self._entering_groups():
            if self.isolated:
                namespaces.unshare(MACHINE_NAMESPACES | (0 if self.networked else namespaces.CLONE_NEWNET))
                namespaces.make_mounts_private()
                if not self.networked:
                    interfaces.raise_loopback()
                self._name_user()
                self._mount_disk()
        namespaces.limit_resources(self.data_bytes, OPEN_FILES)

    @contextmanager
    def _entering_groups(self) -> Iterator[None]:
        """Meanwhile: what it waits for takes no processor time."""
        with ThreadPoolExecutor(1) as helper:
            entered = helper.submit(cgroups.enter, self.groups)
            yield
            entered.result()

    def _mount_disk(self) -> None:
        if self.disk is not None:
            disk.mount_copy(self.disk, os.path.join(self.folder, "disk"), self.scratch, programs=self.programs)

    def _name_user(self) -> None:
        """Java asks the system for its user's name and refuses none; no account of the host has that uid."""
        if self.programs and self.uid is not None:
            accounts = Path(self.folder, "passwd")
            accounts.write_text(f"lakegate:x:{self.uid}:{self.uid}::/:/bin/false\n")
            namespaces.cover("/etc/passwd", str(accounts))

    def seal(self, identity: Identity, folders: Sequence[str] = ()) -> None:
        """The machine's last privileged act. Afterwards it sees its warehouse, if it has one, its scratch folder and
        `folders`."""
        if self.isolated:
            socket.sethostname(identity.hostname)
            mounts = self._mounts(identity.binding.warehouse, folders)
            namespaces.enter_root(os.path.join(self.folder, "root"), mounts, proc=self.programs)
            namespaces.drop_privileges(self.uid)
        else:
            namespaces.drop_privileges(None)
        namespaces.die_with_parent()
        self._filter()

    def confine_program(self) -> None:
        """In a program that the engine starts before the seal, between fork and exec."""
        namespaces.drop_privileges(None)
        self._filter()

    def _filter(self) -> None:
        if self.filtered:
            seccomp.install(programs=self.programs)

    def _mounts(self, warehouse: str, folders: Sequence[str]) -> list[Mount]:
        devices = [Mount(path, path, writable=True, devices=True) for path in DEVICES]
        read_only = [Mount(path, path) for path in folders]
        scratch = Mount(self.scratch, self.scratch, writable=True)
        shared = [Mount(warehouse, warehouse, writable=self.writable)] if warehouse else []
        return [*devices, *read_only, scratch, *shared]


def make_folder(folder: str, uid: int | None) -> None:
    """The machine's folder on the host, made by the zygote before the fork."""
    for name in ("root", "scratch"):
        Path(folder, name).mkdir(parents=True, mode=0o700)
    if uid is not None:
        os.chown(os.path.join(folder, "scratch"), uid, uid)


def remove_folder(folder: str) -> None:
    shutil.rmtree(folder, ignore_errors=True)
