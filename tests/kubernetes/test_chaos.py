"""A short storm over a gateway whose machines are pods of a real node; every part of the cluster is killed in it."""

import secrets
from collections.abc import Mapping
from pathlib import Path

import pytest

from catalog.names import TableName
from tests.chaos.cluster import cluster_setting
from tests.chaos.storm import run_storm
from tests.fix_cluster import Cluster, Machines

SECONDS = 40


@pytest.mark.slow
def test_every_statement_ends_well_while_parts_of_the_cluster_are_killed(
    cluster: Cluster, real: Machines, lake: Mapping[TableName, Path]
) -> None:
    """That no pod is left, and that the cluster is well, is seen by the namespace's end."""
    seed = secrets.randbits(32)
    report = run_storm(lake, SECONDS, seed, cluster_setting(cluster, real.config))
    assert report.wrong == report.leaks == report.missing == [], f"seed {seed}: {report}"
    assert all(report.answers.values()), report
