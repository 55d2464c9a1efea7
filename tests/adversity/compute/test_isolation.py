"""What a machine is, seen from the host: another user, another root, no network, nothing of the gateway's."""

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from compute.pool import Pool
from compute.spawners.process import GUEST_UID
from tests.fix_compute import ask, duckdb_config, running_pool
from tests.processes import machines

SECRET = "LAKEGATE_TEST_SECRET"


def status(pid: int) -> dict[str, str]:
    """Nothing where it has ended meanwhile."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return {}
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


@pytest.fixture
async def guest(warehouse: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[int]:
    """The process of the one machine there is, sealed by a first statement."""
    monkeypatch.setenv(SECRET, "s3cret")
    async with running_pool(warehouse, duckdb_config(max_machines=1)) as pool:
        lease = await pool.lease("duckdb", workspace="demo", principal="ada")
        assert await ask(lease, "SELECT 1 AS one") == [{"one": 1}]
        [process] = machines()
        yield process.pid
        await lease.release()


def test_it_is_another_user_without_privileges(guest: int) -> None:
    found = status(guest)
    assert found["NoNewPrivs"] == "1"
    assert {found[name] for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")} == {"0" * 16}
    if os.geteuid() == 0:
        assert set(found["Uid"].split()) == {str(GUEST_UID)}
        assert set(found["Gid"].split()) == {str(GUEST_UID)}
        assert found["Groups"] == ""


@pytest.mark.parametrize("kind", ["mnt", "pid", "net", "ipc", "uts"])
def test_it_has_namespaces_of_its_own(guest: int, kind: str) -> None:
    assert os.readlink(f"/proc/{guest}/ns/{kind}") != os.readlink(f"/proc/self/ns/{kind}")


def test_it_sees_its_warehouse_and_little_else(guest: int, warehouse: Path) -> None:
    root = Path(f"/proc/{guest}/root")
    tops = {path.name for path in root.iterdir()}
    assert tops == {"dev", warehouse.parts[1]} | {"tmp"}
    assert {path.name for path in (root / "dev").iterdir()} == {"null", "urandom"}
    assert (root / str(warehouse).lstrip("/") / "points").is_dir()
    mounts = [line.split() for line in Path(f"/proc/{guest}/mounts").read_text().splitlines()]
    writable = {mount[1] for mount in mounts if "rw" in mount[3].split(",")}
    assert {path for path in writable if not path.startswith("/dev/")} == {
        path for path in writable if "/scratch" in path
    }


def test_it_has_no_network(guest: int) -> None:
    devices = Path(f"/proc/{guest}/net/dev").read_text()
    assert {line.split(":")[0].strip() for line in devices.splitlines()[2:]} == {"lo"}


def test_it_holds_no_file_or_secret_of_the_gateway(guest: int) -> None:
    links = {os.readlink(f"/proc/{guest}/fd/{number}") for number in os.listdir(f"/proc/{guest}/fd")}
    assert len([link for link in links if link.startswith("socket:")]) == 1
    assert SECRET.encode() not in Path(f"/proc/{guest}/environ").read_bytes()


async def test_a_machine_is_never_lent_twice(pool: Pool) -> None:
    seen = set()
    for who in ("ada", "ada", "bob"):
        lease = await pool.lease("duckdb", workspace="demo", principal=who)
        seen |= {guest.pid for guest in machines() if status(guest.pid).get("NoNewPrivs") == "1"}
        await lease.release()
    assert len(seen) == 3


async def test_without_isolation_it_still_answers(warehouse: Path) -> None:
    async with running_pool(warehouse, duckdb_config(), isolated=False) as pool:
        assert pool.isolation.level == "none"
        lease = await pool.lease("duckdb", workspace="demo", principal="ada")
        assert await ask(lease, "SELECT 1 AS one") == [{"one": 1}]
        await lease.release()
