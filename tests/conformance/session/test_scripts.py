"""Statements about the session, word for word as a real PostgreSQL answers: a script is a file, a statement a line."""

from pathlib import Path

import pytest

from tests.scripts import hear
from tests.target import Target

FOLDER = Path(__file__).parent
SCRIPTS = {
    str(path.relative_to(FOLDER).with_suffix("")): path.read_text().splitlines() for path in FOLDER.glob("*/*.sql")
}
SINGLE = [name for name, statements in SCRIPTS.items() if not any(";" in statement for statement in statements)]
"""Those whose statements may be parsed one by one."""


def compare(gateway: Target, ordinary: Target, statements: list[str], *, extended: bool) -> None:
    ours, theirs = (hear(target, statements, extended=extended) for target in (gateway, ordinary))
    assert list(zip(statements, ours, strict=True)) == list(zip(statements, theirs, strict=True))


@pytest.mark.parametrize("script", sorted(SCRIPTS))
def test_simple_queries(gateway: Target, ordinary: Target, script: str) -> None:
    compare(gateway, ordinary, SCRIPTS[script], extended=False)


@pytest.mark.parametrize("script", sorted(SINGLE))
def test_parsed_and_executed(gateway: Target, ordinary: Target, script: str) -> None:
    compare(gateway, ordinary, SCRIPTS[script], extended=True)
