"""Two minutes of chaos; `make soak` has half an hour."""

import secrets
from collections.abc import Mapping
from pathlib import Path

import pytest

from catalog.names import TableName
from tests.chaos.storm import run_storm

SECONDS = 120


@pytest.mark.slow
def test_every_statement_ends_well_while_parts_are_killed(lake: Mapping[TableName, Path]) -> None:
    seed = secrets.randbits(32)
    report = run_storm(lake, SECONDS, seed)
    assert report.wrong == [], f"seed {seed}: {report}"
    assert report.kills
    assert all(report.answers.values()), report
