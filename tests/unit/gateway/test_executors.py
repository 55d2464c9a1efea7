"""How many executors a Spark machine has, as an operator writes it."""

import pytest
from click.testing import CliRunner

from compute.config import Executors
from compute.spark.master import Address, Master
from gateway.cli import main
from gateway.config import USUAL_EXECUTORS, parse_executors, parse_master


def test_bounds_and_sizes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAKEGATE_EXECUTOR_MEMORY", "2048")
    monkeypatch.setenv("LAKEGATE_EXECUTOR_NODES", "spot")
    assert parse_executors("0:20") == Executors(0, 20, memory_bytes=2 << 30, node_type="spot")
    assert parse_executors(None) is None


def test_a_masters_have_a_usual_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAKEGATE_SPARK_ADDRESS", "gateway.example")
    monkeypatch.setenv("LAKEGATE_SPARK_SECRET_FILE", "/run/secret")
    master = parse_master("spark://master")
    assert master == Master("spark://master", (Address("master", 7077),), secret="/run/secret", host="gateway.example")
    assert parse_executors(USUAL_EXECUTORS) == Executors(1, 8)
    assert parse_master(None) is None


@pytest.mark.parametrize("span", ["", "2", "2:", "8:2", "0:0", "-1:2", "a:b"])
def test_others_are_refused(span: str) -> None:
    with pytest.raises(ValueError, match="write MIN:MAX"):
        parse_executors(span)


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (("--executors", "1:2"), "need a place"),
        (("--spark-master", "spark://x", "--spark-remote", "sc://x"), "executors of its own"),
        (("--spark-master", "local"), "write spark://HOST:PORT"),
        (("--spark-master", "spark://x", "--executors", "2"), "write MIN:MAX"),
        (("--executors", "1:2", "--spawner", "kubernetes", "--spark-remote", "sc://x"), "executors of its own"),
        (("--executors", "2", "--spawner", "kubernetes"), "write MIN:MAX"),
    ],
)
def test_what_does_not_fit_is_said(options: tuple[str, ...], complaint: str) -> None:
    told = CliRunner().invoke(main, ["serve", "--data", "unused", *options])
    assert told.exit_code == 2
    assert complaint in told.output
