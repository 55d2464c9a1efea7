"""Clients that are programs of their own: what each prints of the gateway is what it prints of PostgreSQL."""

import os
import re
from collections.abc import Callable, Iterator, Mapping
from ctypes.util import find_library
from pathlib import Path

import pytest

from deploy.guest.host import install
from tests.drivers.programs import CLIENTS, Program, dbt, go, node, odbc, rust
from tests.drivers.report import Report
from tests.target import Target

pytestmark = [pytest.mark.driver, pytest.mark.clients, pytest.mark.spark]

ODBC_DRIVER = Path(f"/usr/lib/{os.uname().machine}-linux-gnu/odbc/psqlodbcw.so")
PROGRAMS: Mapping[Callable[[], Program], tuple[str, str]] = {
    node: ("package.json", r'"(pg[\w-]*)": "([\d.]+)"'),
    go: ("go.mod", r"github.com/(jackc/pgx|lib/pq)\S* v([\d.]+)"),
    rust: ("Cargo.lock", r'name = "(tokio-postgres|sqlx)"\nversion = "([\d.]+)"'),
    odbc: ("requirements.txt", r"(pyodbc)==([\d.]+)"),
    dbt: ("requirements.txt", r"(dbt-core|dbt-postgres)==([\d.]+)"),
}
"""Where each has the versions of what it is made of."""
SCHEMAS = {"SQLTables, schemas": "one is more, `lakegate`"}
DIFFERENT: Mapping[str, Mapping[str, str]] = {
    "dbt-postgres": {"docs generate, nodes": "a stored column has a precision: that of a sum is numeric(38,2)"},
    "psqlODBC": SCHEMAS,
    "psqlODBC, UseDeclareFetch and savepoints": SCHEMAS,
}
"""Client -> subject -> why the gateway may answer otherwise."""
MAKE = (
    "CREATE TABLE sample.copied (id int NOT NULL, t text, n numeric(6,2)){storage}",
    "CREATE TABLE sample.parent (id int NOT NULL, code text NOT NULL){storage}",
    "CREATE TABLE sample.child (id int NOT NULL, parent_id int, parent_code text){storage}",
    "ALTER TABLE sample.parent ADD PRIMARY KEY (id, code)",
    "ALTER TABLE sample.child ADD FOREIGN KEY (parent_id, parent_code) REFERENCES sample.parent",
)
DROP = ("DROP TABLE sample.child", "DROP TABLE sample.parent", "DROP TABLE sample.copied")


@pytest.fixture
def tables(oracle: Target, verified: Target) -> Iterator[None]:
    """An empty table `sample.copied`, and `sample.parent` and `sample.child` with keys, on both."""
    run_on_both(oracle, verified, MAKE)
    yield
    run_on_both(oracle, verified, DROP)


def run_on_both(oracle: Target, gateway: Target, statements: tuple[str, ...]) -> None:
    for target, storage in ((oracle, ""), (gateway, " USING delta")):
        with target.connect() as connection:
            for statement in statements:
                connection.execute(statement.format(storage=storage).encode())


@pytest.fixture(scope="module")
def odbc_driver() -> str:
    """psqlODBC and unixODBC, which only the system's packages have."""
    driver = [] if ODBC_DRIVER.exists() else ["odbc-postgresql"]
    install(driver if find_library("odbc") else [*driver, "libodbc2"])
    return str(ODBC_DRIVER)


@pytest.mark.usefixtures("tables")
@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.__name__)
def test_program(
    oracle: Target, verified: Target, odbc_driver: str, report: Report, program: Callable[[], Program]
) -> None:
    wanted, answered = (program().ask(target, ODBC_DRIVER=odbc_driver) for target in (oracle, verified))
    assert answered.keys() == wanted.keys()
    manifest, pattern = PROGRAMS[program]
    versions = dict(re.findall(pattern, (CLIENTS / program.__name__ / manifest).read_text()))
    everything = ", ".join(map(" ".join, versions.items()))
    for client in wanted:
        version = versions.get(client, everything)
        report.add(client, version, wanted[client], answered[client], DIFFERENT.get(client, {}))
