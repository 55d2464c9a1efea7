"""What the pool and the spawners are told of a warehouse, by who starts Spark's machines."""

import pytest
from click.testing import CliRunner

from gateway.cli import main
from gateway.config import Warehouse
from gateway.warehouse import pool_config, templates


def test_spark_as_a_process_serves_a_workspace() -> None:
    _, spark = pool_config(Warehouse(spawner="qemu"), None).engines
    assert (spark.mode, spark.leases_per_machine > 1) == ("shared", True)
    assert set(templates(Warehouse(spawner="qemu"))) == {"duckdb"}


def test_spark_in_a_microvm_serves_one_lease() -> None:
    """What the pool starts is what the template was made for."""
    warehouse = Warehouse(spawner="qemu", spark_spawner="qemu")
    _, spark = pool_config(warehouse, None).engines
    assert (spark.mode, spark.leases_per_machine, spark.threads) == ("user", 1, 1)
    assert templates(warehouse)["spark"] == spark.spec


@pytest.mark.parametrize(
    "options", [(), ("--spawner", "firecracker"), ("--spawner", "qemu", "--spark-remote", "sc://x")]
)
def test_sparks_microvms_stand_beside_duckdbs(options: tuple[str, ...]) -> None:
    told = CliRunner().invoke(main, ["serve", "--data", "unused", "--spark-spawner", "qemu", *options])
    assert told.exit_code == 2
    assert "need --spawner qemu" in told.output
