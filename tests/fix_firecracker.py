"""A host with stand-ins for Firecracker and its jailer (`tests.conformance.firecracker`), and a spawner on it."""

import asyncio
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

from compute.config import MachineSpec
from compute.spawners.firecracker.config import FirecrackerConfig
from compute.spawners.firecracker.spawner import FirecrackerSpawner

ROOT = Path(__file__).parents[1]
SPEC = MachineSpec("duckdb", "user", threads=1, memory_bytes=128 << 20)
CLIENT = """\
import json, socket, sys
stream = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
stream.connect(sys.argv[1])
stream.sendall(json.dumps(sys.argv[2:]).encode())
stream.shutdown(socket.SHUT_WR)
sys.exit(stream.makefile().read() or None)
"""
"""Its arguments: the server's socket, the contract's folder, then the jailer's own. It ends as the jailer does."""
SCRIPTS = {
    "firecracker": 'echo "Firecracker v1.17.0"',
    "jailer": f'exec "{sys.executable}" -IS "{{folder}}/client.py" "{{server}}" "{{folder}}" "$@"',
    "ip": 'printf "%s\\n" "$*" >> "{folder}/ip.log"',
}


@dataclass(frozen=True, slots=True)
class Contract:
    """The stand-ins' folder: what they were asked, and how they shall behave."""

    folder: Path

    def behave(self, behaviour: Mapping[str, str]) -> None:
        """From the next VMM on; see `vmm.StandIn`."""
        (self.folder / "behaviour.json").write_text(json.dumps(behaviour))

    def calls(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (self.folder / "calls.log").read_text().splitlines()]

    def jails(self) -> list[list[str]]:
        return [json.loads(line) for line in (self.folder / "jailer.log").read_text().splitlines()]

    def left(self) -> list[Path]:
        """Jails and control groups."""
        return [*self.folder.glob("m/*/lakegate-run-*/firecracker/*"), *self.folder.glob("groups/*/*")]

    def vmms(self) -> list[psutil.Process]:
        files = self.folder.glob("m/*/lakegate-run-*/*/*/*/firecracker.pid")
        return [psutil.Process(int(path.read_text())) for path in files]

    def ip(self) -> list[str]:
        return (self.folder / "ip.log").read_text().splitlines()

    def config(self, **changes: Any) -> FirecrackerConfig:
        settings: Mapping[str, Any] = {
            "firecracker": self.folder / "firecracker",
            "jailer": self.folder / "jailer",
            "kernel": self.folder / "vmlinux",
            "initrd": self.folder / "initrd",
            "root_image": self.folder / "root.erofs",
            "folder": self.folder / "m",
            "cgroup_root": self.folder / "groups",
            "ip": str(self.folder / "ip"),
            "machines": 4,
            "shares": self.folder / "shares",
            **changes,
        }
        return FirecrackerConfig(**settings)


@pytest.fixture(scope="session")
def jailer() -> Iterator[Path]:
    """The socket of a jailer for all contracts."""
    with tempfile.TemporaryDirectory(prefix="lgfc-") as folder:
        address = Path(folder, "jailer")
        program = (sys.executable, "-P", "-m", "tests.conformance.firecracker.jailer", str(address))
        with subprocess.Popen(program, stdout=subprocess.PIPE, env={"PYTHONPATH": str(ROOT)}) as server:
            assert server.stdout is not None
            assert server.stdout.readline() == b"ready\n"
            yield address
            server.kill()


@contextmanager
def host(jailer: Path) -> Iterator[Contract]:
    """Not in pytest's own folder: its path is too long for sockets, and closed to the machines' users."""
    folder = Path(tempfile.mkdtemp(prefix="lgfc-"))
    folder.chmod(0o711)
    (folder / "client.py").write_text(CLIENT)
    for name, script in SCRIPTS.items():
        filled = script.replace("{folder}", str(folder)).replace("{server}", str(jailer))
        (folder / name).write_text(f"#!/bin/sh\n{filled}\n")
        (folder / name).chmod(0o755)
    for name in ("vmlinux", "initrd", "root.erofs"):
        (folder / name).write_bytes(b"\x7fELF" + name.encode())
    (folder / "groups").mkdir()
    for name in ("calls.log", "ip.log", "jailer.log"):
        (folder / name).touch()
    (folder / "calls.log").chmod(0o666)
    made = Contract(folder)
    made.behave({})
    yield made
    shutil.rmtree(folder)


@pytest.fixture
def contract(jailer: Path) -> Iterator[Contract]:
    """A host on which nothing was ever started."""
    with host(jailer) as made:
        yield made


@pytest.fixture(scope="session")
def template(jailer: Path) -> Iterator[Path]:
    """What a spawner keeps once it has made the template of `SPEC`."""

    async def make(contract: Contract) -> None:
        spawner = open_spawner(contract)
        await spawner.open()
        await spawner.start(SPEC)
        await spawner.close()

    with host(jailer) as made:
        asyncio.run(make(made))
        yield made.folder / "m"


@pytest.fixture
def prepared(contract: Contract, template: Path) -> Contract:
    """A host whose template is made already."""
    shutil.copytree(template, contract.folder / "m", copy_function=os.link)
    return contract


def open_spawner(contract: Contract, **changes: Any) -> FirecrackerSpawner:
    """One that takes the host as it is: what is missing for the real Firecracker is not asked."""
    return FirecrackerSpawner(contract.config(**changes), trial=lambda _config: ())


@asynccontextmanager
async def opened(contract: Contract, **changes: Any) -> AsyncIterator[FirecrackerSpawner]:
    spawner = open_spawner(contract, **changes)
    try:
        await spawner.open()
        yield spawner
    finally:
        await spawner.close()
