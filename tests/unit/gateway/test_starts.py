"""`lakegate bench starts`: percentiles, and its last line with real machines."""

import json
from functools import partial

import pytest
from click.testing import CliRunner

from compute.spawners import Isolation
from gateway import bench, spawners
from gateway.bench import LABELS
from gateway.cli import main
from gateway.config import IsolationLevel, Warehouse
from gateway.starts import Starts, percentile


@pytest.mark.parametrize(
    ("values", "share", "expected"),
    [([7.0], 0.5, 7.0), ([1.0, 2.0], 0.5, 1.0), ([3.0, 1.0, 2.0], 0.5, 2.0), (list(range(1, 101)), 0.99, 99)],
)
def test_percentiles_are_values_that_were_seen(values: list[float], share: float, expected: float) -> None:
    assert percentile(values, share) == expected


def test_a_summary_is_in_milliseconds() -> None:
    summary = Starts(
        start=[0.02, 0.03], claim=[0.01], recycle=[0.004], elapsed=0.5, isolation=Isolation("none")
    ).summary()
    expected = {"p50_ms": 20, "p99_ms": 30, "claim_p50_ms": 10, "recycle_p99_ms": 4, "starts_per_s": 4}
    assert summary == expected
    assert list(summary) == list(LABELS)


def test_the_last_line_is_json() -> None:
    done = CliRunner().invoke(main, ["bench", "starts", "--count", "3", "--at-once", "2", "--json"])
    assert done.exit_code == 0, done.output
    summary = json.loads(done.output.splitlines()[-1])
    assert set(summary) == set(LABELS)
    assert all(value > 0 for value in summary.values())


def test_people_get_a_table() -> None:
    done = CliRunner().invoke(main, ["bench", "starts", "--count", "1"])
    assert done.exit_code == 0, done.output
    assert "starts a second" in done.output


def test_a_spawner_that_this_build_lacks_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spawners, "SPAWNERS", {})
    done = CliRunner().invoke(main, ["bench", "starts", "--spawner", "process"])
    assert done.exit_code == 1
    assert "this build has no spawner 'process'" in done.output


@pytest.mark.parametrize(("level", "said"), [(IsolationLevel.NONE, 1), (IsolationLevel.AUTO, 0)])
def test_machines_that_were_not_isolated_are_told(
    monkeypatch: pytest.MonkeyPatch, level: IsolationLevel, said: int
) -> None:
    """They start faster than those that are."""
    monkeypatch.setattr(bench, "Warehouse", partial(Warehouse, isolation=level))
    done = CliRunner().invoke(main, ["bench", "starts", "--count", "1", "--json"])
    assert done.exit_code == 0, done.output
    assert done.stderr.count("machines were not isolated: ") == said
