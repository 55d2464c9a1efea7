"""What tools ask of the catalog: recorded statements, psql's backslash commands, SQLAlchemy's reflection."""

import os
import re
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import pq
from sqlalchemy import create_engine, event, inspect

from catalog.names import TableName
from tests.conformance.catalog.test_traffic import TOOLS, recorded
from tests.fix_oracle import BINARIES
from tests.target import Target

LISTS = (
    r"\dt+ *.*", r"\d", r"\dn+", r"\l", r"\du+", r"\df", r"\dv *.*", r"\di *.*", r"\ds *.*", r"\dT+",
    r"\dp tpch.*", r"\ddp", r"\dx", r"\dD", r"\dC", r"\do", r"\db", r"\dc", r"\dL", r"\dO", r"\dF", r"\des",
    r"\dew", r"\det *.*", r"\dy", r"\dRp", r"\dRs", r"\dA", r"\dAc", r"\da", r"\dE *.*", r"\dm *.*", r"\dP *.*",
    r"\drds", r"\drg", r"\dX", r"\dconfig",
)  # fmt: skip
"""psql's commands about many objects."""
OF_ONE = (r"\d", r"\d+", r"\dt+", r"\dp")
"""Its commands about one table. Their statements hold its OID: the gateway has not seen them before."""
OF_SCHEMA = ("get_table_names", "get_view_names", "get_multi_columns", "get_multi_pk_constraint", "get_multi_indexes")
OF_TABLE = ("get_columns", "get_pk_constraint", "get_foreign_keys", "get_indexes", "get_table_comment")
"""SQLAlchemy's questions."""
ECHOED = re.compile(r"^/\*+[^*]*\*+/\n(.+?)\n/\*+/$", re.MULTILINE | re.DOTALL)
GOOD = (pq.ExecStatus.TUPLES_OK, pq.ExecStatus.COMMAND_OK)


@dataclass(frozen=True, slots=True)
class Asked:
    """A statement, and what its parameters are, by name."""

    purpose: str
    sql: str
    parameters: Mapping[str, Any] | None = None

    def ask(self, connection: psycopg.Connection) -> None:
        """Fetches the whole answer, undecoded, by the extended protocol."""
        if self.parameters:
            connection.execute(self.sql.encode(), self.parameters)
            return
        result = connection.pgconn.exec_params(self.sql.encode(), None)
        if result.status not in GOOD:
            raise RuntimeError(f"{self.sql}: {result.get_error_message()}")


Traffic = Mapping[str, Sequence[Asked]]
"""By tool."""


def collect(postgres: Target, names: Sequence[TableName], count: int) -> list[Traffic]:
    """So many rounds of all tools' statements, each round about another table where they are about one. The OIDs in
    them are those of `postgres`."""
    fixed = {tool: [Asked(_shorten(one.purpose), one.sql) for one in recorded(tool)] for tool in TOOLS}
    fixed["psql, lists"] = list(echoed(postgres, *LISTS))
    return [{**fixed, **_of_one(postgres, name)} for name in names[:count]]


def _of_one(postgres: Target, name: TableName) -> Traffic:
    return {
        "psql, a table": list(echoed(postgres, *(f"{command} {name}" for command in OF_ONE))),
        "sqlalchemy": reflected(postgres, name),
    }


def echoed(target: Target, *commands: str) -> Iterator[Asked]:
    """The statements behind psql's commands."""
    for command in commands:
        done = subprocess.run(
            [BINARIES / "psql", "-X", "-E", "-c", command],
            env={**os.environ, **target.environment, "PGSSLMODE": "disable"},
            capture_output=True,
            text=True,
            check=True,
        )
        for number, sql in enumerate(ECHOED.findall(done.stdout)):
            yield Asked(f"{command.split()[0]} {number}", sql)


def reflected(target: Target, name: TableName) -> list[Asked]:
    """What SQLAlchemy sends to reflect a schema, and a table."""
    found: list[Asked] = []

    def note(_: Any, __: Any, statement: str, parameters: Any, *___: Any) -> None:
        found.append(Asked(f"reflection {len(found)}", statement, dict(parameters)))

    engine = create_engine(target.url("postgresql+psycopg", sslmode="disable"), use_native_hstore=False)
    try:
        with engine.connect() as connection:
            event.listen(engine, "before_cursor_execute", note)
            _reflect(inspect(connection), name)
    finally:
        engine.dispose()
    return found


def _reflect(inspector: Any, name: TableName) -> None:
    inspector.get_schema_names()
    for of_schema in OF_SCHEMA:
        getattr(inspector, of_schema)(schema=name.schema)
    for of_table in OF_TABLE:
        getattr(inspector, of_table)(name.name, schema=name.schema)


def _shorten(purpose: str) -> str:
    return purpose.removeprefix("rows differ: ")[:60]
