"""The catalog traffic of tools, one file each in `traffic`: answered as PostgreSQL does, and without a machine.

A statement's comment says what it is for. One that begins ``rows differ:`` compares columns alone, and says why.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.processes import machines, until, watched_machines
from tests.target import Target

pytestmark = pytest.mark.driver

TRAFFIC = Path(__file__).with_name("traffic")
TOOLS = sorted(path.stem for path in TRAFFIC.glob("*.sql"))
STATEMENT = re.compile(r"^-- (?P<purpose>[^\n]+)\n(?P<sql>(?!--|\n).*?);$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class Recorded:
    """A statement that a tool sends."""

    purpose: str
    sql: str

    @property
    def compares_rows(self) -> bool:
        return not self.purpose.startswith("rows differ:")


def recorded(tool: str) -> list[Recorded]:
    text = (TRAFFIC / f"{tool}.sql").read_text()
    found = [Recorded(**match.groupdict()) for match in STATEMENT.finditer(text)]
    assert len(found) == text.count(";\n")
    return found


def replay(target: Target, statements: list[Recorded], *, extended: bool) -> list[tuple[Any, ...]]:
    """What each is answered: its tag, the columns' names and types, and the rows where they can be compared."""
    answers: list[tuple[Any, ...]] = []
    with target.connect() as connection:
        for statement in statements:
            cursor = connection.execute(statement.sql.encode(), prepare=extended)
            columns = [(column.name, column.type_code, column.precision) for column in cursor.description or ()]
            rows = cursor.fetchall() if columns else []
            compared = (cursor.statusmessage, rows) if statement.compares_rows else bool(columns)
            answers.append((statement.purpose, columns, compared))
    return answers


@pytest.mark.parametrize("extended", [False, True], ids=["simple", "extended"])
@pytest.mark.parametrize("tool", TOOLS)
def test_answered_as_postgresql_does(bare_oracle: Target, sleeping: Target, tool: str, extended: bool) -> None:
    statements = recorded(tool)
    wanted = replay(bare_oracle, statements, extended=extended)
    until(lambda: machines(sleeping.pid) == [])
    with watched_machines(sleeping.pid) as seen:
        answered = replay(sleeping, statements, extended=extended)
    for answer, one in zip(answered, wanted, strict=True):
        assert answer == one
    assert seen == []
