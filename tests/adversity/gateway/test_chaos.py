"""A minute of chaos, and a short storm over microVMs: with that over a cluster, two minutes. `make soak` has hours.

Each deals every kind of blow that its machines know: to the gateway, the zygote, its templates, a guest, the JVM, QEMU.
"""

import secrets
from collections.abc import Mapping
from pathlib import Path

import pytest

from catalog.names import TableName
from tests.chaos.saboteur import DUCKDB, GATEWAY, MACHINE
from tests.chaos.storm import Setting, run_storm

SECONDS = 60
MICROVM_SECONDS = 20
# Beside microVMs the zygote makes Spark's machines alone, which nobody asks for here.
MICROVMS = Setting(
    ("--spawner", "qemu", "--memory", "256"),
    plots=(MACHINE, GATEWAY),
    lanes=(DUCKDB,),
    pause_seconds=3.0,
)


@pytest.mark.slow
def test_every_statement_ends_well_while_parts_are_killed(lake: Mapping[TableName, Path]) -> None:
    seed = secrets.randbits(32)
    report = run_storm(lake, SECONDS, seed, Setting())
    assert report.wrong == report.leaks == report.missing == [], f"seed {seed}: {report}"
    assert all(report.answers.values()), report


@pytest.mark.slow
@pytest.mark.usefixtures("guest_image")
def test_every_statement_ends_well_while_microvms_are_killed(lake: Mapping[TableName, Path]) -> None:
    seed = secrets.randbits(32)
    report = run_storm(lake, MICROVM_SECONDS, seed, MICROVMS)
    assert report.wrong == report.leaks == report.missing == [], f"seed {seed}: {report}"
    assert all(report.answers.values()), report
