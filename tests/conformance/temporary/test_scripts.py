"""Temporary tables and catalogs beside lakehouse tables, word for word as a real PostgreSQL answers: a script is a
file, a statement a line."""

from pathlib import Path

import pytest

from tests.scripts import hear
from tests.target import Target

FOLDER = Path(__file__).parent
SCRIPTS = {path.stem: path.read_text().splitlines() for path in FOLDER.glob("*.sql")}
ON_SPARK = ("reads", "types")
"""Those whose statements do other things there than on DuckDB."""


def compare(gateway: Target, ordinary: Target, statements: list[str], *, extended: bool) -> None:
    ours, theirs = (hear(target, statements, extended=extended) for target in (gateway, ordinary))
    assert list(zip(statements, ours, strict=True)) == list(zip(statements, theirs, strict=True))


@pytest.mark.parametrize("script", sorted(SCRIPTS))
@pytest.mark.parametrize("extended", [False, True], ids=["simple", "extended"])
def test_by_duckdb(gateway: Target, ordinary: Target, script: str, extended: bool) -> None:
    compare(gateway, ordinary, ["SET lakegate.lane = duckdb", *SCRIPTS[script]], extended=extended)


@pytest.mark.parametrize("script", ON_SPARK)
def test_by_spark(gateway: Target, ordinary: Target, script: str) -> None:
    compare(gateway, ordinary, ["SET lakegate.lane = spark", *SCRIPTS[script]], extended=False)
