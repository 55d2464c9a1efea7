"""Clients in other languages: what each prints of the gateway is what it prints of PostgreSQL."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.drivers.alike import asked_of_both
from tests.drivers.programs import CLIENTS, Program, go, node
from tests.target import Target

pytestmark = [pytest.mark.driver, pytest.mark.clients]

REPORT = Path(__file__).with_name("REPORT.md")
HEAD = """# Clients that `make test-clients` runs

Made by its last run. Each client asked the gateway, over TLS, and PostgreSQL 18 the same, and was answered alike.

| client | asked |
| --- | --- |
"""
MANIFESTS = {
    "node": ("package.json", r'"(pg(?:-cursor)?)": "([\d.]+)"'),
    "go": ("go.mod", r"github.com/(jackc/pgx|lib/pq)\S* v([\d.]+)"),
}
"""Where each program has the versions of what it is made of."""
ASKED: dict[Callable[[], Program], set[str]] = {
    node: {"everyType", "parameters", "block", "cursor", "several", "pool"},
    go: {f"pgx, {mode}" for mode in ("batch", "pool", "simple", "executed at once", "described each")}
    | {"pgx, cached describes", "pgx, cached statements", "lib/pq"},
}

Report = Callable[[str, Any], None]


@pytest.fixture(scope="module")
def report() -> Iterator[Report]:
    """Takes what a client asked. Where all of them were asked, this run's report is written."""
    lines: dict[str, str] = {}

    def add(name: str, asked: Any) -> None:
        manifest, pattern = MANIFESTS[name]
        found = re.findall(pattern, (CLIENTS / name / manifest).read_text())
        versions = ", ".join(f"{package} {version}" for package, version in found)
        lines[name] = f"| {versions} | {'; '.join(sorted(asked))} |\n"

    yield add
    if lines.keys() == MANIFESTS.keys():
        REPORT.write_text(HEAD + "".join(lines[name] for name in sorted(lines)))


@pytest.mark.parametrize("program", ASKED, ids=lambda program: program.__name__)
def test_program(oracle: Target, gateway: Target, report: Report, program: Callable[[], Program]) -> None:
    answers = asked_of_both(oracle, gateway, program().ask)
    assert set(answers) == ASKED[program]
    report(program.__name__, answers)
