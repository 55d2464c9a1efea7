"""A host with stand-ins for Firecracker and its jailer, and a spawner on it."""

import json
import os
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from compute.config import MachineSpec
from compute.spawners.firecracker.config import FirecrackerConfig
from compute.spawners.firecracker.spawner import FirecrackerSpawner

ROOT = Path(__file__).parents[3]
SPEC = MachineSpec("duckdb", "user", threads=1, memory_bytes=128 << 20)
JAILER = f'PYTHONPATH="{ROOT}" exec "{sys.executable}" -P -m tests.conformance.firecracker.jailer'
SCRIPTS = {
    "firecracker": 'echo "Firecracker v1.17.0"',
    "jailer": f'{JAILER} "{{folder}}" "$@"',
    "ip": 'printf "%s\\n" "$*" >> "{folder}/ip.log"',
}


@dataclass(frozen=True, slots=True)
class Contract:
    """The stand-ins' folder: what they were asked, and how they shall behave."""

    folder: Path

    def behave(self, **behaviour: str) -> None:
        (self.folder / "behaviour.json").write_text(
            json.dumps({name.replace("_", " ", 1): how for name, how in behaviour.items()})
        )

    def calls(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (self.folder / "calls.log").read_text().splitlines()]

    def jails(self) -> list[list[str]]:
        return [json.loads(line) for line in (self.folder / "jailer.log").read_text().splitlines()]

    def ip(self) -> list[str]:
        return (self.folder / "ip.log").read_text().splitlines()

    def config(self, **changes: Any) -> FirecrackerConfig:
        settings: Mapping[str, Any] = {
            "firecracker": self.folder / "firecracker",
            "jailer": self.folder / "jailer",
            "kernel": self.folder / "vmlinux",
            "root_image": self.folder / "root.erofs",
            "folder": self.folder / "m",
            "cgroup_root": self.folder / "groups",
            "ip": str(self.folder / "ip"),
            "machines": 4,
            "scratch_bytes": 1 << 20,
            **changes,
        }
        return FirecrackerConfig(**settings)


@pytest.fixture
def contract() -> Iterator[Contract]:
    """Not pytest's own folder: its path is too long for sockets, and closed to the machines' users."""
    folder = Path(tempfile.mkdtemp(prefix="lgfc-"))
    folder.chmod(0o711)
    for name, script in SCRIPTS.items():
        (folder / name).write_text(f"#!/bin/sh\n{script.replace('{folder}', str(folder))}\n")
        (folder / name).chmod(0o755)
    (folder / "vmlinux").write_bytes(b"kernel")
    (folder / "root.erofs").write_bytes(b"root image")
    (folder / "groups").mkdir()
    (folder / "calls.log").touch()
    os.chmod(folder / "calls.log", 0o666)
    made = Contract(folder)
    made.behave()
    yield made
    shutil.rmtree(folder)


def open_spawner(contract: Contract, **changes: Any) -> FirecrackerSpawner:
    """One that takes the host as it is: what is missing for the real Firecracker is not asked."""
    return FirecrackerSpawner(contract.config(**changes), trial=lambda _config: ())


@pytest.fixture
async def spawner(contract: Contract) -> AsyncIterator[FirecrackerSpawner]:
    opened = open_spawner(contract)
    await opened.open()
    yield opened
    await opened.close()
