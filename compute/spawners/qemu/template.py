"""A template: the memory and the device state of a machine that has booted and warmed its engine.

It is kept in the cache folder under a key of everything that its clones depend on, and holds nothing of any tenant.
Who runs clones of one holds its files open: it does not matter then whether it is still in the cache. One that is being
made lies beside, locked for as long as its builder lives.
"""

import asyncio
import errno
import fcntl
import hashlib
import logging
import os
import shutil
import tempfile
from contextlib import ExitStack, suppress
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
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Template:
    """What clones start from. `memory` is a sealed memfd, `files` are those of the devices' state and of what was on
    its disk, and `greeting` is what its guest has said, and so for its clones: HELLO."""

    shape: Shape
    memory: int
    files: tuple[int, int]
    greeting: bytes

    @property
    def state(self) -> Path:
        """To be opened by each clone, which reads it from its beginning."""
        return _path(self.files[0])

    @property
    def disk(self) -> Path:
        return _path(self.files[1])

    def close(self) -> None:
        for file in (self.memory, *self.files):
            os.close(file)


def template_key(shape: Shape, host: Host) -> str:
    """Of everything that a clone has in common with its template. An image's folder is named by its content."""
    line = command_line(shape, Ends(0, 0, 0, "", shared=True, disk=0, tap=0 if shape.network else None))
    content = [host.version, host.processor, shape.image.name, str(shape.disk), *FORMAT, *line]
    return hashlib.sha256("\0".join(content).encode()).hexdigest()[:32]


async def open_template(folder: Path, shape: Shape, uid: int | None) -> Template:
    """The template in that folder, made first where there is none. Raises CannotStart, OSError."""
    if not await asyncio.to_thread(folder.exists):
        await _build(folder, shape, uid)
    return await asyncio.to_thread(_open, folder, shape)


async def _build(folder: Path, shape: Shape, uid: int | None) -> None:
    """Beside its place, then moved there. Of two builders at once the later one's work is thrown away."""
    unfinished, lock = await asyncio.to_thread(_make_folder_beside, folder)
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
        await asyncio.to_thread(shutil.rmtree, unfinished, ignore_errors=True)
        for file in (memory, *files, lock):
            os.close(file)


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


def _make_folder_beside(folder: Path) -> tuple[Path, int]:
    """A new one and its lock. One that was swept away before it was locked is given up."""
    folder.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    while True:
        path = Path(tempfile.mkdtemp(prefix=f"{folder.name}.", dir=folder.parent))
        with suppress(FileNotFoundError):
            lock = _open_folder(path)
            fcntl.flock(lock, fcntl.LOCK_EX)
            if path.exists():
                return path, lock
            os.close(lock)


def _publish(unfinished: Path, folder: Path) -> None:
    """Another builder's that is there already stays. Raises OSError."""
    try:
        unfinished.rename(folder)
    except OSError as error:
        if error.errno not in (errno.EEXIST, errno.ENOTEMPTY):
            raise
    sweep(folder.parent)


def sweep(cache: Path) -> None:
    """Removes the templates beyond `KEPT` that were not used for longest, and what builders have left that were killed.
    Raises OSError."""
    ages: dict[Path, float] = {}
    for path in cache.iterdir() if cache.exists() else ():
        with suppress(FileNotFoundError):  # another builder has just moved or removed its own
            ages[path] = path.stat().st_mtime
    finished = sorted((path for path in ages if not path.suffix), key=ages.__getitem__, reverse=True)
    for path in finished[KEPT:]:
        shutil.rmtree(path, ignore_errors=True)
    for path in ages:
        if path.suffix:
            _remove_abandoned(path)


def _remove_abandoned(unfinished: Path) -> None:
    """Unless its builder lives, or has just been done with it."""
    with suppress(FileNotFoundError):
        lock = _open_folder(unfinished)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(unfinished, ignore_errors=True)
        except BlockingIOError:
            log.debug("%s is being made", unfinished)
        finally:
            os.close(lock)


def _open_folder(path: Path) -> int:
    return os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)


def _open(folder: Path, shape: Shape) -> Template:
    os.utime(folder)
    greeting = (folder / "greeting").read_bytes()
    with ExitStack() as opened:
        files = [os.open(folder / name, os.O_RDONLY | os.O_CLOEXEC) for name in ("state", "disk")]
        for file in files:
            opened.callback(os.close, file)
        memory = open_sealed(folder / "memory")
        opened.pop_all()
    return Template(shape, memory, (files[0], files[1]), greeting)


def _path(file: int) -> Path:
    """By which a file is opened anew, also one that has no name any more."""
    return Path(f"/proc/self/fd/{file}")
