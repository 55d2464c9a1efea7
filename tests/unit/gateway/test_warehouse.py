"""What the pool and the spawners are told of a warehouse, by who starts Spark's machines."""

from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from compute.config import Executors
from compute.spawners import CannotStart
from gateway.cli import main
from gateway.config import Config, Declaration, Kubernetes, Warehouse
from gateway.spawners import store_address
from gateway.warehouse import job_config, pool_config, templates
from tests.cluster.certificates import Authority


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


def test_spark_in_pods_is_started_for_the_workspace_whose_tables_it_mounts() -> None:
    pods, tables = Warehouse(spawner="kubernetes", executors=Executors()), Kubernetes(warehouse_claim="tables")
    _, spark = pool_config(Config(Path(), warehouse=pods, kubernetes=tables)).engines
    _, without = pool_config(Config(Path(), warehouse=pods)).engines
    assert (spark.reserved, without.reserved) == (True, False)
    for_any = replace(pods, declaration=Declaration(engines={"spark": {"reserved": False}}))
    with pytest.raises(ValueError, match=r"engines\.spark\.reserved"):
        pool_config(Config(Path(), warehouse=for_any, kubernetes=tables))


@pytest.mark.parametrize(
    "options", [(), ("--spawner", "firecracker"), ("--spawner", "qemu", "--spark-remote", "sc://x")]
)
def test_sparks_microvms_stand_beside_duckdbs(options: tuple[str, ...]) -> None:
    told = CliRunner().invoke(main, ["serve", "--data", "unused", "--spark-spawner", "qemu", *options])
    assert told.exit_code == 2
    assert "with --spawner qemu" in told.output


def test_machines_trust_the_certificates_of_a_file_with_comments(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate, trusted = Authority(tmp_path).certificate.read_text().strip(), tmp_path / "trusted.pem"
    trusted.write_text(f"# Főtanúsítvány\n{certificate}\n# Autoridad de Certificación\n{certificate}\n")
    monkeypatch.setenv("SSL_CERT_FILE", str(trusted))
    assert store_address(Config(Path())).authorities == f"{certificate}\n{certificate}"


@pytest.mark.parametrize("content", ["", "-----BEGIN CERTIFICATE-----\nő\n-----END CERTIFICATE-----"])
def test_a_file_without_certificates_is_an_error_at_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str
) -> None:
    trusted = tmp_path / "trusted.pem"
    trusted.write_text(content)
    monkeypatch.setenv("SSL_CERT_FILE", str(trusted))
    with pytest.raises(CannotStart, match=r"trusted\.pem"):
        store_address(Config(Path()))


def test_javas_last_compiler_is_said_where_it_is_not_the_usual_one() -> None:
    usual, chosen = (pool_config(Config(Path(), warehouse=Warehouse(spark_compiler=name))) for name in ("c2", "c1"))
    assert "compiler" not in usual.engines[1].properties
    assert chosen.engines[1].properties["compiler"] == "c1"
    assert job_config(Warehouse(spark_compiler="c1"), []).properties == {"compiler": "c1"}
