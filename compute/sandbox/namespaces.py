"""The Linux calls that shut a process off, by ctypes: the standard library (3.11) lacks them.

Each raises OSError naming the call. Order in a machine: `unshare` right after the fork, then, once the identity is
known, `enter_root` and `drop_privileges`.

References: unshare(2), mount(2), pivot_root(2), prctl(2), capset(2), user_namespaces(7), pid_namespaces(7).
"""

import ctypes
import os
import resource
import signal
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

CLONE_NEWNS = 0x00020000
CLONE_NEWUTS = 0x04000000
CLONE_NEWIPC = 0x08000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000

_MS_RDONLY = 0x1
_MS_NOSUID = 0x2
_MS_NODEV = 0x4
_MS_NOEXEC = 0x8
_MS_REMOUNT = 0x20
_MS_NOATIME = 0x400
_MS_BIND = 0x1000
_MS_REC = 0x4000
_MS_PRIVATE = 0x40000
_MNT_DETACH = 0x2
_PR_SET_PDEATHSIG = 1
_PR_CAPBSET_DROP = 24
_PR_SET_NO_NEW_PRIVS = 38
_PR_CAP_AMBIENT = 47
_PR_CAP_AMBIENT_CLEAR_ALL = 4
_SYS_PIVOT_ROOT = {"x86_64": 155, "aarch64": 41}
_CAPABILITY_VERSION_3 = 0x20080522
_LAST_CAPABILITY = 63
_LOCKED_FLAGS = {os.ST_RDONLY: 0x1, os.ST_NOSUID: 0x2, os.ST_NODEV: 0x4, os.ST_NOEXEC: 0x8, os.ST_NOATIME: 0x400}

_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True, slots=True)
class Mount:
    """A folder or file of the host that a machine sees, at `target` (the same path unless said otherwise)."""

    source: str
    target: str
    writable: bool = False
    devices: bool = False


def _check(result: int, call: str) -> None:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{call}: {os.strerror(number)}")


def unshare(flags: int) -> None:
    _check(_libc.unshare(flags), "unshare")


def enter_pid_namespace(descriptor: int) -> None:
    """Where the next child is born; the caller stays where it is."""
    _check(_libc.setns(descriptor, CLONE_NEWPID), "setns")


def map_to_root(uid: int, gid: int) -> None:
    """In a new user namespace: root here is that user outside, and nobody else exists."""
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"0 {uid} 1")
    Path("/proc/self/gid_map").write_text(f"0 {gid} 1")


def die_with_parent() -> None:
    """The kernel kills this process when the thread that forked it ends. A change of uid clears it: call it after."""
    _check(_libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0), "prctl(PR_SET_PDEATHSIG)")


def _mount(source: str | None, target: str, kind: str | None, flags: int, options: str | None = None) -> None:
    texts = [None if text is None else os.fsencode(text) for text in (source, target, kind, options)]
    _check(_libc.mount(texts[0], texts[1], texts[2], ctypes.c_ulong(flags), texts[3]), f"mount {target}")


def make_mounts_private() -> None:
    """What is mounted from here on stays in this mount namespace."""
    _mount(None, "/", None, _MS_REC | _MS_PRIVATE)


def cover(path: str, source: str) -> None:
    """In this mount namespace only, the file at `path` is that at `source`."""
    _mount(source, path, None, _MS_BIND)


def mount_disk(device: str, target: str, *, programs: bool) -> None:
    """An ext4 that nobody needs after a crash. Without `programs` nothing can be run from it."""
    flags = _MS_NOSUID | _MS_NODEV | _MS_NOATIME | (0 if programs else _MS_NOEXEC)
    _mount(device, target, "ext4", flags, "noinit_itable,nobarrier")


def enter_root(mountpoint: str, mounts: Sequence[Mount], *, proc: bool) -> None:
    """Makes an empty read-only root of `mounts` alone the root folder of every process in this mount namespace.

    `mountpoint` is any empty folder; the host never sees what happens on it. `proc` adds this PID namespace's /proc.
    """
    _mount("tmpfs", mountpoint, "tmpfs", _MS_NOSUID | _MS_NODEV, "size=1m,mode=755")
    for mount in mounts:
        _bind(mountpoint, mount)
    if proc:
        os.mkdir(mountpoint + "/proc")
        _mount("proc", mountpoint + "/proc", "proc", _MS_NOSUID | _MS_NODEV)
    os.chdir(mountpoint)
    number = _SYS_PIVOT_ROOT[os.uname().machine]
    _check(_libc.syscall(number, b".", b"."), "pivot_root")
    _check(_libc.umount2(b".", _MNT_DETACH), "umount2")
    os.chdir("/")
    _mount(None, "/", None, _MS_REMOUNT | _MS_BIND | _MS_RDONLY | _MS_NOSUID | _MS_NODEV)


def _bind(root: str, mount: Mount) -> None:
    target = Path(root + mount.target)
    if os.path.isdir(mount.source):
        target.mkdir(parents=True, exist_ok=True)
    else:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.touch()
    _mount(mount.source, str(target), None, _MS_BIND | _MS_REC)
    flags = _MS_NOSUID | (0 if mount.devices else _MS_NODEV) | (0 if mount.writable else _MS_RDONLY)
    _mount(None, str(target), None, _MS_REMOUNT | _MS_BIND | flags | _kept_flags(str(target)))


def _kept_flags(target: str) -> int:
    """Flags that a user namespace may not take off a mount of its parent (user_namespaces(7))."""
    found = os.statvfs(target).f_flag
    return sum(flag for bit, flag in _LOCKED_FLAGS.items() if found & bit)


def drop_privileges(uid: int | None) -> None:
    """No capabilities, none to be had, and another user (and group of that number) where one is given. For good."""
    for capability in range(_LAST_CAPABILITY + 1):
        if _libc.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0) < 0:
            break
    if uid is not None:
        os.setgroups([])
        os.setresgid(uid, uid, uid)
        os.setresuid(uid, uid, uid)
    _check(_libc.prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0), "prctl(PR_CAP_AMBIENT)")
    header = struct.pack("=Ii", _CAPABILITY_VERSION_3, 0)
    _check(_libc.capset(header, bytes(24)), "capset")
    _check(_libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "prctl(PR_SET_NO_NEW_PRIVS)")


def limit_resources(data_bytes: int | None, open_files: int) -> None:
    """No core dumps (they would hold tenants' rows), few files, and private memory up to `data_bytes`."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_NOFILE, (open_files, open_files))
    if data_bytes is not None:
        resource.setrlimit(resource.RLIMIT_DATA, (data_bytes, data_bytes))
