"""How many executors a Spark machine has, as an operator writes it."""

import pytest
from click.testing import CliRunner

from compute.config import Executors
from gateway.cli import main
from gateway.config import parse_executors


def test_bounds_and_sizes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAKEGATE_EXECUTOR_MEMORY", "2048")
    monkeypatch.setenv("LAKEGATE_EXECUTOR_NODES", "spot")
    assert parse_executors("0:20") == Executors(0, 20, memory_bytes=2 << 30, node_type="spot")
    assert parse_executors(None) is None


@pytest.mark.parametrize("span", ["", "2", "2:", "8:2", "0:0", "-1:2", "a:b"])
def test_others_are_refused(span: str) -> None:
    with pytest.raises(ValueError, match="write MIN:MAX"):
        parse_executors(span)


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (("--executors", "1:2"), "need --spawner kubernetes"),
        (("--executors", "1:2", "--spawner", "kubernetes", "--spark-remote", "sc://x"), "executors of its own"),
        (("--executors", "2", "--spawner", "kubernetes"), "write MIN:MAX"),
    ],
)
def test_what_does_not_fit_is_said(options: tuple[str, ...], complaint: str) -> None:
    told = CliRunner().invoke(main, ["serve", "--data", "unused", *options])
    assert told.exit_code == 2
    assert complaint in told.output
