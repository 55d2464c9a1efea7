"""What goes into the image."""

import hashlib
from pathlib import Path

CLONE = Path(__file__).resolve().parents[2]
SUITE = "bookworm"
PYTHON = "3.11"
"""The suite's own Python, for which wheels are chosen."""
EPOCH = 1767225600
"""Every file's time: seconds since 1970, as in SOURCE_DATE_EPOCH."""
ROOT_PACKAGES = ("python3", "libstdc++6")
BOOT_PACKAGES = ("linux-image-cloud-amd64", "busybox-static")
SITE = f"usr/lib/python{PYTHON[0]}/dist-packages"
"""Where Debian's Python looks for modules."""

DRIVERS = (
    "drivers/virtio/virtio_ring",
    "drivers/virtio/virtio",
    "drivers/virtio/virtio_mmio",
    "drivers/block/virtio_blk",
    "drivers/char/virtio_console",
    "drivers/char/hw_random/virtio-rng",
    "net/core/failover",
    "drivers/net/net_failover",
    "drivers/net/virtio_net",
    "net/vmw_vsock/vsock",
    "net/vmw_vsock/vmw_vsock_virtio_transport_common",
    "net/vmw_vsock/vmw_vsock_virtio_transport",
    "lib/libcrc32c",
    "fs/erofs/erofs",
)
"""Kernel modules in the order in which they must be inserted. The kernel has no virtio of its own."""

UNWANTED = (
    "dev/",
    "bin/",
    "etc/cron.daily/",
    "etc/dpkg/",
    "etc/logrotate.d/",
    "sbin/",
    "usr/bin/dpkg",
    "usr/bin/perl",
    "usr/lib/dpkg/",
    "usr/lib/python3.11/ensurepip/",
    "usr/lib/python3.11/idlelib/",
    "usr/lib/python3.11/lib2to3/",
    "usr/lib/python3.11/pydoc_data/",
    "usr/lib/python3.11/test/",
    "usr/lib/python3.11/tkinter/",
    "usr/lib/x86_64-linux-gnu/gconv/",
    "usr/sbin/",
    "usr/share/",
    "var/",
)
"""Beginnings of paths in Debian's packages that a guest has no use for."""

UNWANTED_IN_WHEELS = (
    ".lock",
    "bin/",
    "pyarrow/_flight",
    "pyarrow/_gcsfs",
    "pyarrow/include/",
    "pyarrow/includes/",
    "pyarrow/_s3fs",
    "pyarrow/libarrow_flight",
    "pyarrow/libarrow_python_flight",
    "pyarrow/libarrow_s3",
    "pyarrow/src/",
    "pyarrow/tests/",
)
UNWANTED_SUFFIXES = (".pxd", ".pyx", ".pxi", ".pyi", ".h", "uv_cache.json", "/RECORD", "/INSTALLER", "/REQUESTED")

SOURCES = (
    "catalog/__init__.py",
    "catalog/errors.py",
    "catalog/locations.py",
    "catalog/names.py",
    "catalog/scans.py",
    "compute/__init__.py",
    "compute/engines/__init__.py",
    "compute/engines/duckdb",
    "compute/guest",
    "compute/identity.py",
    "compute/sandbox",
    "compute/statement.py",
    "compute/transport.py",
)
"""Our own modules and packages that a guest imports, from the clone's root."""


def digest(*parts: bytes | str) -> str:
    """A key of those parts, in that order."""
    hashed = hashlib.sha256()
    for part in parts:
        content = part.encode() if isinstance(part, str) else part
        hashed.update(len(content).to_bytes(8, "big") + content)
    return hashed.hexdigest()[:32]
