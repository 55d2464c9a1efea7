"""Templates: snapshots of guests that are warm, found again by what they were made of."""

import asyncio
import hashlib
import json
import os
import platform
import shutil
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from catalog.errors import MachineLost
from compute.connection import Connection
from compute.guest.vsock import READY_PORT
from compute.spawners import CannotStart
from compute.spawners.firecracker.calls import (
    INITRD,
    KERNEL,
    MEMORY,
    ROOT_IMAGE,
    STATE,
    VSOCK,
    Hardware,
    boot_calls,
    snapshot_calls,
)
from compute.spawners.firecracker.config import FirecrackerConfig
from compute.spawners.firecracker.jail import Jail, fill, give, template_bounds
from compute.spawners.firecracker.kernel import KernelError, uncompress_kernel
from compute.spawners.firecracker.slots import Slot
from compute.spawners.firecracker.threads import finish_in_thread
from compute.spawners.firecracker.trial import read_version
from compute.spawners.firecracker.vmm import Vmm, end, launch
from compute.transport import Kind

FORMAT = "1"
"""Changes with what this package does to a template beyond the parts of its key."""
CPU_LINES = ("vendor_id", "model name", "stepping", "microcode", "flags", "Features")


@dataclass(frozen=True, slots=True)
class Template:
    """A folder with the two files of a snapshot and the root image that it knows."""

    folder: Path
    hardware: Hardware

    @property
    def state(self) -> Path:
        return self.folder / STATE

    @property
    def memory(self) -> Path:
        return self.folder / MEMORY

    @property
    def root_image(self) -> Path:
        return self.folder / ROOT_IMAGE


@dataclass(frozen=True, slots=True)
class Ground:
    """What all templates of a host have in common. A snapshot is good for exactly the same ground."""

    vmm_version: str
    host_kernel: str
    cpu: str
    kernel: str
    initrd: str
    root_image: str


def survey(config: FirecrackerConfig) -> Ground:
    """Reads what guests boot from whole, which takes seconds. Raises CannotStart."""
    return Ground(
        vmm_version=str(read_version(config.firecracker)),
        host_kernel=platform.release(),
        cpu=_describe_cpu(Path("/proc/cpuinfo").read_text()),
        kernel=_keep_kernel(config),
        initrd=_keep_image(config, config.initrd),
        root_image=_keep_image(config, config.root_image),
    )


def _keep_image(config: FirecrackerConfig, path: Path) -> str:
    """Its digest, under which it lies in our folder from now on: jails link it, and nobody changes it under them."""
    with open(path, "rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if not (config.images / digest).exists():
        with _kept_as(config, digest) as fresh:
            shutil.copyfile(path, fresh)
    return digest


def _keep_kernel(config: FirecrackerConfig) -> str:
    try:
        kernel = uncompress_kernel(config.kernel.read_bytes())
    except KernelError as error:
        raise CannotStart(f"{config.kernel} cannot be booted: {error}") from error
    digest = hashlib.sha256(kernel).hexdigest()
    if not (config.images / digest).exists():
        with _kept_as(config, digest) as fresh:
            fresh.write_bytes(kernel)
    return digest


@contextmanager
def _kept_as(config: FirecrackerConfig, digest: str) -> Iterator[Path]:
    """A new file that gets its name when it is whole, and is not written again."""
    config.images.mkdir(mode=0o711, parents=True, exist_ok=True)
    fresh = config.images / f"{digest}.new"
    yield fresh
    os.chmod(fresh, 0o444)
    os.rename(fresh, config.images / digest)


def _describe_cpu(text: str) -> str:
    """The first processor's lines that tell what a guest may have seen of it."""
    first = text.partition("\n\n")[0].splitlines()
    return "\n".join(line for line in first if line.partition(":")[0].strip() in CPU_LINES)


@dataclass(frozen=True, slots=True)
class Plan:
    """All that a template is made of."""

    ground: Ground
    hardware: Hardware
    engine: str

    @property
    def key(self) -> str:
        """The same for the same content, another for anything that differs."""
        text = json.dumps({"format": FORMAT, **asdict(self)}, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:32]


def find_template(plan: Plan, config: FirecrackerConfig) -> Template | None:
    """A folder of that name is whole: it got its name last."""
    template = Template(config.templates / plan.key, plan.hardware)
    return template if template.folder.is_dir() else None


async def make_template(plan: Plan, config: FirecrackerConfig, jail: Jail, slot: Slot) -> Template:
    """Boots a guest, waits until it is warm and keeps its snapshot. The jail stays, for the caller to remove.

    Raises CannotStart.
    """
    ground = plan.ground
    images = {KERNEL: ground.kernel, INITRD: ground.initrd, ROOT_IMAGE: ground.root_image}
    files = {name: config.images / digest for name, digest in images.items()}
    await finish_in_thread(fill, jail, slot, files)
    async with _ready_listener(jail, slot) as ready:
        vmm = await launch(config, jail, slot, template_bounds(plan.hardware))
        try:
            for call in boot_calls(plan.hardware):
                await vmm.api.send(call)
            await _wait_until_warm(ready, vmm, plan.engine, config.boot_seconds)
            for call in snapshot_calls():
                await vmm.api.send(call)
        finally:
            await end(vmm)
    return await finish_in_thread(_keep, plan, config, jail)


@asynccontextmanager
async def _ready_listener(jail: Jail, slot: Slot) -> AsyncIterator["asyncio.Queue[Connection]"]:
    """Where the guest's own connection to the host's port arrives: a socket named like the vsock one and the port."""
    arrived: asyncio.Queue[Connection] = asyncio.Queue()

    def accept() -> Connection:
        connection = Connection()
        arrived.put_nowait(connection)
        return connection

    path = jail.root / f"{VSOCK}_{READY_PORT}"
    server = await asyncio.get_running_loop().create_unix_server(accept, path)
    give(path, slot.uid)
    try:
        yield arrived
    finally:
        server.close()
        while not arrived.empty():
            arrived.get_nowait().abort()


async def _wait_until_warm(ready: "asyncio.Queue[Connection]", vmm: Vmm, engine: str, seconds: float) -> None:
    greeting = asyncio.create_task(_hear_hello(ready, engine))
    either: set[asyncio.Future[Any]] = {greeting, vmm.ended}
    await asyncio.wait(either, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    if not greeting.done():
        greeting.cancel()
        happened = "its VMM ended" if vmm.ended.done() else f"{seconds:g} s passed"
        raise CannotStart(f"{happened} before the guest was warm")
    await greeting


async def _hear_hello(ready: "asyncio.Queue[Connection]", engine: str) -> None:
    """The guest says HELLO and closes: then nothing is under way that the snapshot would cut."""
    connection = await ready.get()
    try:
        hello = await connection.expect(Kind.HELLO)
        if hello.control.get("engine") != engine:
            raise CannotStart(f"the guest lends another engine than {engine}")
        with suppress(MachineLost):
            await connection.receive()
    except MachineLost as error:
        raise CannotStart("what the guest said is no HELLO") from error
    finally:
        connection.abort()


def _keep(plan: Plan, config: FirecrackerConfig, jail: Jail) -> Template:
    """Takes the snapshot out of the jail, and gives the folder its name when all is in it."""
    fresh = config.templates / f"{plan.key}.new"
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(mode=0o711, parents=True)
    for name in (STATE, MEMORY):
        os.rename(jail.root / name, fresh / name)
        os.chown(fresh / name, os.geteuid(), os.getegid())
        os.chmod(fresh / name, 0o444)
    os.link(config.images / plan.ground.root_image, fresh / ROOT_IMAGE)
    template = Template(config.templates / plan.key, plan.hardware)
    os.rename(fresh, template.folder)
    return template
