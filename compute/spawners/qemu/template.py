"""A template: the memory and the device state of a machine that has booted and warmed its engine.

It is kept in the cache folder under a key of everything that its clones depend on, and holds nothing of any tenant.
"""

import asyncio
import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from catalog.errors import MachineLost
from compute.sandbox.disk import FORMAT, make_template
from compute.spawners import CannotStart
from compute.spawners.qemu.command import Ends, Shape, command_line
from compute.spawners.qemu.control import IGNORE_SHARED, NEGOTIATE, SAVE, STATUS, TAKE_STATE, Control
from compute.spawners.qemu.host import Host
from compute.spawners.qemu.memory import create_memory, open_sealed, write_memory
from compute.spawners.qemu.network import laid_wire
from compute.spawners.qemu.process import launch
from compute.transport import Kind, encode

BUILD_SECONDS = 3600.0
"""Of Spark, emulated, on a busy host; with KVM it is seconds."""
KEPT = 8
"""Templates kept in the cache folder: those used last."""
POLL_SECONDS = 0.02
_MIB = 1 << 20
_CONSOLE_BYTES = 2000


@dataclass(frozen=True, slots=True)
class Template:
    """What clones start from. `memory` is a sealed memfd, `state` the file of the devices' state, `disk` that of what
    was on its disk, and `greeting` what its guest has said, and so for its clones: HELLO."""

    shape: Shape
    memory: int
    state: Path
    disk: Path
    greeting: bytes

    def close(self) -> None:
        os.close(self.memory)


def template_key(shape: Shape, host: Host) -> str:
    """Of everything that a clone has in common with its template. An image's folder is named by its content."""
    line = command_line(shape, Ends(0, 0, 0, "", shared=True, disk=0, tap=0 if shape.network else None))
    content = [host.version, host.processor, shape.image.name, str(shape.disk), *FORMAT, *line]
    return hashlib.sha256("\0".join(content).encode()).hexdigest()[:32]


async def open_template(folder: Path, shape: Shape, uid: int | None) -> Template:
    """The template in that folder, made first where there is none. Raises CannotStart, OSError."""
    if not await asyncio.to_thread(folder.exists):
        await _build(folder, shape, uid)
    greeting = await asyncio.to_thread((folder / "greeting").read_bytes)
    memory = await asyncio.to_thread(_open_memory, folder)
    return Template(shape, memory, folder / "state", folder / "disk", greeting)


async def _build(folder: Path, shape: Shape, uid: int | None) -> None:
    """Beside its place, then moved there. Of two builders at once the later one's work is thrown away."""
    unfinished = await asyncio.to_thread(_make_folder_beside, folder)
    memory = create_memory(shape.memory * _MIB)
    names = ("state", "console", "disk")
    files = [os.open(unfinished / name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644) for name in names]
    try:
        await asyncio.to_thread(make_template, str(unfinished / "disk"), 0, shape.disk)
        greeting = await _boot_and_save(shape, uid, memory, *files)
        await asyncio.to_thread((unfinished / "greeting").write_bytes, greeting)
        await asyncio.to_thread(write_memory, memory, unfinished / "memory")
        await asyncio.to_thread(_publish, unfinished, folder)
    except (CannotStart, MachineLost, OSError, TimeoutError) as error:
        said = os.pread(files[1], _MIB, 0)[-_CONSOLE_BYTES:].decode(errors="replace")
        raise CannotStart(f"the template could not be made: {error!r}; its console said: {said}") from error
    finally:
        for file in (memory, *files):
            os.close(file)
        await asyncio.to_thread(shutil.rmtree, unfinished, ignore_errors=True)


async def _boot_and_save(shape: Shape, uid: int | None, memory: int, state: int, console: int, disk: int) -> bytes:
    """What its guest said once it was warm."""
    ahead = (NEGOTIATE, IGNORE_SHARED, TAKE_STATE)
    async with laid_wire(shape.network, None) as (tap, _):
        process = await launch(
            shape, memory, uid=uid, ahead=ahead, state=state, disk=disk, tap=tap, shared=True, console=console
        )
    connection = await process.connect()
    try:
        async with asyncio.timeout(BUILD_SECONDS):
            hello = await connection.expect(Kind.HELLO)
            await _save(process.control, ahead=len(ahead))
            return b"".join(encode(hello))
    finally:
        connection.abort()
        process.child.kill()
        await process.child.ended
        process.close()


async def _save(control: Control, ahead: int) -> None:
    """Without a stop before: a state that was saved stopped would wake stopped."""
    await control.skip(ahead)
    await control.ask(SAVE)
    while (status := (await control.ask(STATUS)).get("status")) != "completed":
        if status in ("failed", "cancelled"):
            raise CannotStart("QEMU could not save the machine's state")
        await asyncio.sleep(POLL_SECONDS)


def _make_folder_beside(folder: Path) -> Path:
    folder.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    return Path(tempfile.mkdtemp(prefix=f"{folder.name}.", dir=folder.parent))


def _publish(unfinished: Path, folder: Path) -> None:
    """Whoever runs clones of a template that is removed here has its memory open, and keeps it."""
    with suppress(FileExistsError):
        unfinished.rename(folder)
    for path in _superfluous(folder.parent):
        shutil.rmtree(path, ignore_errors=True)


def _superfluous(cache: Path) -> Sequence[Path]:
    """Templates that were not used for longest, and what builders have left that were killed."""
    ages: dict[Path, float] = {}
    for path in cache.iterdir():
        with suppress(FileNotFoundError):  # another builder has just moved or removed its own
            ages[path] = time.time() - path.stat().st_mtime
    finished = sorted((path for path in ages if not path.suffix), key=ages.__getitem__)
    abandoned = [path for path in ages if path.suffix and ages[path] > 2 * BUILD_SECONDS]
    return [*finished[KEPT:], *abandoned]


def _open_memory(folder: Path) -> int:
    os.utime(folder)
    return open_sealed(folder / "memory")
