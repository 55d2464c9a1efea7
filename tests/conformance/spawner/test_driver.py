"""Drivers of somebody else's cluster: what keeps them apart, and from whom."""

import socket
from pathlib import Path

import pytest

from compute.spark.master import Address, Master
from compute.spawners import CannotStart
from compute.spawners.driver import OPEN_TO_ALL, DriverSpawner


@pytest.mark.parametrize("has_secret", [True, False])
async def test_a_cluster_without_a_secret_does_not_keep_principals_apart(tmp_path: Path, has_secret: bool) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = Address(*server.getsockname())
        secret = tmp_path / "secret"
        secret.write_text("hidden")
        master = Master("spark://master", (address,), str(secret) if has_secret else None)
        spawner = DriverSpawner(master, isolated=True, disk_bytes=None)
        try:
            isolation = await spawner.open()
        finally:
            await spawner.close()
    assert (OPEN_TO_ALL in isolation.missing) is not has_secret
    assert has_secret or isolation.level == "none"


async def test_a_master_that_is_not_there() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = Address(*server.getsockname())
    with pytest.raises(CannotStart, match="see that it runs there"):
        await DriverSpawner(Master("spark://master", (address,)), isolated=True, disk_bytes=None).open()


@pytest.mark.parametrize("content", [None, "\n"])
async def test_a_secret_that_is_not_there(tmp_path: Path, content: str | None) -> None:
    secret = tmp_path / "secret"
    if content is not None:
        secret.write_text(content)
    with socket.create_server(("127.0.0.1", 0)) as server:
        master = Master("spark://master", (Address(*server.getsockname()),), str(secret))
        with pytest.raises(CannotStart, match=r"No such file|is empty"):
            await DriverSpawner(master, isolated=True, disk_bytes=None).open()
