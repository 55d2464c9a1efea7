"""What the pool and the spawners are told of a warehouse, by who starts Spark's machines."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from gateway.cli import main
from gateway.config import Config, Warehouse
from gateway.warehouse import pool_config, templates


def test_spark_as_a_process_serves_a_workspace() -> None:
    config = Config(Path(), warehouse=Warehouse(spawner="qemu"))
    _, spark = pool_config(config).engines
    assert (spark.mode, spark.leases_per_machine > 1) == ("shared", True)
    assert [spec.engine for spec in templates(config)] == ["duckdb"]


def test_spark_in_a_microvm_serves_one_lease() -> None:
    """What the pool starts is what the template was made for."""
    config = Config(Path(), warehouse=Warehouse(spawner="qemu", spark_spawner="qemu"))
    duckdb, spark = pool_config(config).engines
    assert (spark.mode, spark.leases_per_machine, spark.threads) == ("user", 1, 1)
    assert templates(config) == [duckdb.spec, spark.spec]


@pytest.mark.parametrize(
    "options", [(), ("--spawner", "firecracker"), ("--spawner", "qemu", "--spark-remote", "sc://x")]
)
def test_sparks_microvms_stand_beside_duckdbs(options: tuple[str, ...]) -> None:
    told = CliRunner().invoke(main, ["serve", "--data", "unused", "--spark-spawner", "qemu", *options])
    assert told.exit_code == 2
    assert "with --spawner qemu" in told.output
