"""Machines as microVMs of this host, cloned from a warm template by QEMU.

Owns: the command line (`command`, pure), QEMU's control channel (`control`), its processes (`process`, `child`),
templates (`template`, their `memory`), clones (`machine`, in their `bounds`), the `network` of those that may reach the
object store, with its `gate`, and the `spawner` over them; `host` tells what this host can do and `image` finds what
`deploy.guest` built.

Lifecycle of a template: a machine boots the guest image, its guest opens and warms the engine and says HELLO; QEMU
saves the devices' state, some 70 KiB, while the memory stays in a file. Of a clone: QEMU maps that memory privately,
loads the state, and the processor goes on where the template's stood, waiting for an identity; the template's HELLO is
the clone's, too. Its end is SIGKILL: there is nothing to flush. Spark's machines boot an image of their own, with Java.

Boundary: the virtual machine. QEMU runs as a user with no rights that no other machine has, in its own system call
filter, without a network, or with one to the object store alone, and without any file but the read-only image and a
disk of its own, which has no name and is gone with it; the guest talks to us by one byte stream, over which it also
reads its tables' files (`compute.ranges`).
A template's memory is sealed: no clone can change it for another.

Never: virtiofs, 9p, balloon (they do not fit templates); a restore across a change of image, options, QEMU or
processor; tenants' data in a template; a process started by a fork of the gateway's memory.

References: QEMU, "VM templating" and "microvm"; the Linux kernel's ``tsc_early_khz``; Kata Containers, "VM templating".
"""

from compute.spawners.qemu.spawner import QemuSpawner

__all__ = ["QemuSpawner"]
