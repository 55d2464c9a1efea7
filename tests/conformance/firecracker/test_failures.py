"""Starts that fail: each says why, takes no longer than its bound, and leaves nothing."""

import psutil
import pytest

from compute.spawners import CannotStart
from compute.spawners.firecracker.spawner import FirecrackerSpawner
from tests.fix_firecracker import SPEC, Contract, open_spawner, opened
from tests.processes import children, command_line, kill

PAGER = "compute.spawners.firecracker.pager"


async def test_an_error_of_the_api_is_told(prepared: Contract) -> None:
    prepared.behave({"PUT /snapshot/load": "refuse"})
    async with opened(prepared) as spawner:
        with pytest.raises(CannotStart, match=r"PUT /snapshot/load: /snapshot/load is refused on purpose"):
            await spawner.start(SPEC)
        assert prepared.left() == []


async def test_a_vmm_that_dies_midway(prepared: Contract) -> None:
    prepared.behave({"PUT /snapshot/load": "die"})
    async with opened(prepared) as spawner:
        with pytest.raises(CannotStart, match="the VMM went away"):
            await spawner.start(SPEC)
        assert prepared.left() == []


async def test_a_vmm_that_does_not_answer(prepared: Contract) -> None:
    prepared.behave({"PUT /snapshot/load": "hang"})
    async with opened(prepared, call_seconds=3.0) as spawner:
        with pytest.raises(CannotStart, match="the VMM did not answer in 3 s"):
            await spawner.start(SPEC)
        assert prepared.left() == []


async def test_a_jailer_that_fails(prepared: Contract) -> None:
    prepared.behave({"jailer": "fail"})
    async with opened(prepared) as spawner:
        with pytest.raises(CannotStart, match="the jailer: the jail cannot be made, on purpose"):
            await spawner.start(SPEC)
        assert prepared.left() == []


async def test_a_guest_that_never_gets_warm(contract: Contract) -> None:
    """No template comes of it."""
    contract.behave({"guest": "silent"})
    async with opened(contract, boot_seconds=0.2) as spawner:
        with pytest.raises(CannotStart, match=r"0.2 s passed before the guest was warm"):
            await spawner.start(SPEC)
        assert contract.left() == []
        assert not (contract.folder / "m" / "0" / "templates").exists()


async def test_a_host_that_does_not_open_is_not_held(contract: Contract) -> None:
    """Neither its folder nor a namespace: the next gateway finds it free."""
    ip = contract.folder / "ip"
    works = ip.read_text()
    ip.write_text("#!/bin/sh\necho not permitted >&2; exit 1\n")
    with pytest.raises(CannotStart, match="netns add lakegate-empty-0: not permitted"):
        await open_spawner(contract).open()
    ip.write_text(works)
    kernel = contract.folder / "vmlinux"
    kernel.write_bytes(b"no kernel")
    with pytest.raises(CannotStart, match="vmlinux cannot be booted: it is neither"):
        await open_spawner(contract).open()
    kernel.write_bytes(b"\x7fELF")
    async with opened(contract):
        assert contract.ip() == [
            "netns add lakegate-empty-0",
            "netns delete lakegate-empty-0",
            "netns add lakegate-empty-0",
        ]


@pytest.mark.parametrize("damaged", ["template.state", "template.memory"])
async def test_a_damaged_template(prepared: Contract, damaged: str) -> None:
    """The VMM refuses it and ends. (The files of the session's template are linked: they get another inode here.)"""
    (file,) = (prepared.folder / "m" / "0" / "templates").glob(f"*/{damaged}")
    file.unlink()
    file.write_bytes(b"damaged")
    file.chmod(0o444)
    async with opened(prepared) as spawner:
        with pytest.raises(CannotStart, match="Load snapshot error"):
            await spawner.start(SPEC)
        assert prepared.left() == []


async def test_a_hostile_vsock_socket_fails_only_its_connection(prepared: Contract) -> None:
    prepared.behave({"vsock": "OK nothing is\n"})
    async with opened(prepared) as spawner:
        machine = await spawner.start(SPEC)
        with pytest.raises(ConnectionAbortedError):
            await machine.connect()
        await spawner.stop(machine)
        assert prepared.left() == []


async def test_a_vmm_that_dies_is_recycled(prepared: Contract) -> None:
    async with opened(prepared) as spawner:
        machine = await spawner.start(SPEC)
        kill(prepared.vmms())
        assert await machine.ended == 1
        assert prepared.left() == []


async def test_machines_end_with_their_pager(prepared: Contract) -> None:
    """They would wait for pages for ever. The next machine gets a new one."""
    async with opened(prepared, memory_backend="Uffd") as spawner:
        machine = await spawner.start(SPEC)
        end_pager(spawner)
        await machine.ended
        assert prepared.left() == []
        assert await spawner.poll(await spawner.start(SPEC)) is None


def end_pager(spawner: FirecrackerSpawner) -> None:
    """The one that the spawner has started: its own child, by what it serves."""
    (pager,) = [child for child in children(psutil.Process()) if PAGER in command_line(child)]
    pager.kill()
