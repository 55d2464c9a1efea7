"""What the large clients asked and were answered, as `tests/drivers/REPORT.md` tells it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

REPORT = Path(__file__).with_name("REPORT.md")
CLIENTS = {
    "Apache Superset",
    "dbt-postgres",
    "jackc/pgx",
    "lib/pq",
    "node-postgres",
    "postgres_fdw",
    "psqlODBC",
    "psqlODBC, UseDeclareFetch and savepoints",
    "sqlx",
    "tokio-postgres",
}
HEAD = """# Clients that `make test-clients` runs

Written by its last run. Each client asked the gateway, over TLS with SCRAM and verifying the certificate in full, and a
PostgreSQL 18 that holds the same tables. Where no difference is listed, both answered alike: values, types, counts,
messages, SQLSTATEs.

| client | version | asked | differences |
| --- | --- | --- | --- |
"""


@dataclass(slots=True)
class Report:
    """One line a client."""

    lines: dict[str, str] = field(default_factory=dict)

    def add(
        self,
        client: str,
        version: str,
        wanted: Mapping[str, Any],
        answered: Mapping[str, Any],
        different: Mapping[str, str],
    ) -> None:
        """What PostgreSQL and the gateway answered to each subject. `different` says why an answer may not be equal.

        Raises AssertionError for an unlisted difference and for a listed one that is none.
        """
        assert answered.keys() == wanted.keys()
        found = {subject for subject in wanted if answered[subject] != wanted[subject]}
        told = {subject: tell_difference(wanted[subject], answered[subject]) for subject in found - different.keys()}
        assert not told, json.dumps({client: told}, indent=1, ensure_ascii=False)
        assert found == different.keys(), f"{client}: no differences, though listed: {different.keys() - found}"
        reasons = "<br>".join(
            f"{'; '.join(sorted(subject for subject in different if different[subject] == reason))}: {reason}"
            for reason in sorted(set(different.values()))
        )
        self.lines[client] = f"| {client} | {version} | {'; '.join(sorted(wanted))} | {reasons or 'none'} |\n"

    def write(self) -> None:
        """Nothing, where not every client was asked."""
        if self.lines.keys() == CLIENTS:
            REPORT.write_text(HEAD + "".join(self.lines[client] for client in sorted(self.lines, key=str.lower)))


def tell_difference(wanted: Any, answered: Any) -> Any:
    """The parts of two answers that differ, PostgreSQL's first."""
    if isinstance(wanted, dict) and isinstance(answered, dict) and wanted.keys() == answered.keys():
        return {key: tell_difference(wanted[key], answered[key]) for key in wanted if wanted[key] != answered[key]}
    if isinstance(wanted, list) and isinstance(answered, list) and len(wanted) == len(answered):
        pairs = zip(wanted, answered, strict=True)
        return {str(n): tell_difference(one, other) for n, (one, other) in enumerate(pairs) if one != other}
    return [wanted, answered]
