"""TPC-H's queries 1 and 5 from a gateway both of whose engines run in microVMs: Spark answers as DuckDB does."""

import secrets
from collections.abc import Iterator, Mapping
from pathlib import Path

import psycopg
import pytest

from catalog.names import TableName
from tests.conformance.tpch.test_tpch import QUERIES, run
from tests.fix_gateway import lake_folder, running_gateway
from tests.fix_machines import DISK_BYTES, MICROVM, kvm_works
from tests.target import Target

pytestmark = [pytest.mark.spark, pytest.mark.slow, *(() if kvm_works() else (pytest.mark.soak,))]
SIZES = ("--memory", str(MICROVM.memory_bytes >> 20), "--spill", str(DISK_BYTES >> 20))
OPTIONS = ("--spawner", "qemu", "--spark-spawner", "qemu", "--min-machines", "0", *SIZES)


@pytest.fixture(scope="module")
def microvm_gateway(guest_image: Path, spark_image: Path, lake: Mapping[TableName, Path]) -> Iterator[Target]:
    password = secrets.token_urlsafe()
    with lake_folder(lake, password) as data, running_gateway(data, password, OPTIONS) as target:
        yield target


@pytest.mark.parametrize("query", [QUERIES[0], QUERIES[4]], ids=lambda path: path.stem)
def test_both_engines_answer_alike(microvm_gateway: Target, query: Path) -> None:
    answers = []
    for lane in ("duckdb", "spark"):
        with microvm_gateway.connect(options=f"-c search_path=tpch -c lakegate.lane={lane}") as connection:
            answers.append(run(connection, query))
    assert answers[0] == answers[1]
    assert answers[0].rows


def test_the_spark_dialect_is_described_and_answered(microvm_gateway: Target) -> None:
    with microvm_gateway.connect(options="-c search_path=tpch -c lakegate.dialect=spark") as connection:
        found = connection.execute("SELECT count(*) AS n, collect_set(r_name) IS NOT NULL AS named FROM region")
        assert found.fetchall() == [(5, True)]


def test_writes_are_refused_with_what_would_do_them(microvm_gateway: Target) -> None:
    with (
        microvm_gateway.connect(options="-c search_path=tpch") as connection,
        pytest.raises(psycopg.errors.FeatureNotSupported) as refused,
    ):
        connection.execute("DELETE FROM region")
    assert "--spark-spawner process" in str(refused.value.diag.message_hint)
