"""psqlODBC through unixODBC: asks the server of the PG… variables and prints what it was answered, as JSON.

Once with whole results, where a block that fails is rolled back as a whole, and once by cursors (UseDeclareFetch),
with a savepoint for each statement.
"""

import json
import os
import threading
from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal
from functools import partial
from typing import Any

import pyodbc

EVERY_TYPE = "SELECT * FROM sample.every_type ORDER BY id"
LARGE = "SELECT l_orderkey FROM tpch.lineitem WHERE l_orderkey < 20000 ORDER BY l_orderkey"
NATIONS = "SELECT n_nationkey, n_name FROM tpch.nation WHERE n_nationkey = ? OR n_name = ? ORDER BY 1"
NAMES = ("bool", "int2", "int4", "int8", "float4", "float8", "numeric", "text", "bytea", "date", "timestamp")
VALUES = (True, 7, -70_000, 7_000_000_000, 0.5, 0.1, Decimal("1234.5600"), "it's", b"\0\xff", date(2024, 2, 29),
          datetime(2024, 2, 29, 12, 34, 56))  # fmt: skip
ENDLESS = (
    "SELECT count(*) FROM tpch.lineitem a, tpch.lineitem b, tpch.lineitem c WHERE a.l_tax + b.l_tax > c.l_discount"
)
COUNTED = "SELECT count(*) FROM tpch.nation"
FAILING = (
    "SELECT nothing FROM tpch.nation",
    "SELECT * FROM tpch.nation WHERE n_name = 'x' AND n_nationkey = 'seven'",
    "SELECT 1 / (n_nationkey - n_nationkey) FROM tpch.nation",
    "SELECT n_name + 1 FROM tpch.nation",
    "SELECT * FROM tpch.nowhere",
)
WAYS = {
    "psqlODBC": {"UseDeclareFetch": "0", "Protocol": "7.4-1"},
    "psqlODBC, UseDeclareFetch and savepoints": {"UseDeclareFetch": "1", "Fetch": "100", "Protocol": "7.4-2"},
}


def connect(more: dict[str, str]) -> Any:
    variables = os.environ
    options = {
        "Driver": variables["ODBC_DRIVER"],
        "Server": variables["PGHOST"],
        "Port": variables["PGPORT"],
        "Database": variables["PGDATABASE"],
        "Uid": variables["PGUSER"],
        "Pwd": variables["PGPASSWORD"],
        "SSLmode": variables["PGSSLMODE"],
        **more,
    }
    return pyodbc.connect(";".join(f"{name}={value}" for name, value in options.items()), autocommit=True)


def spelled(found: Any) -> list[list[str]]:
    return [[repr(cell) for cell in row] for row in found]


def described(cursor: Any) -> list[list[str]]:
    return [[name, type_.__name__, *map(repr, rest)] for name, type_, *rest in cursor.description]


def state(ask: Callable[[], Any]) -> Any:
    """SQLSTATE and text of what went wrong."""
    try:
        return repr(ask())
    except pyodbc.Error as error:
        return [str(argument) for argument in error.args]


def fetch(connection: Any, statement: str) -> Any:
    return connection.execute(statement).fetchall()


def every_type(connection: Any) -> Any:
    cursor = connection.cursor().execute(EVERY_TYPE)
    return [described(cursor), spelled(cursor.fetchall())]


def parameters(connection: Any) -> Any:
    cursor, asked = connection.cursor(), [(7, "PERU"), (1, "CHINA"), (17, None)]
    return [spelled(cursor.execute(NATIONS, *values).fetchall()) for values in asked]


def of_every_type(connection: Any) -> Any:
    cursor = connection.cursor()
    echo = f"SELECT {', '.join(f'CAST(? AS {name})' for name in NAMES)}"
    told = spelled(cursor.execute(echo, *VALUES).fetchall())
    nothing = spelled(cursor.execute(echo, *[None] * len(VALUES)).fetchall())
    found = [
        spelled(cursor.execute(f'SELECT id FROM sample.every_type WHERE "{name}" = ?', value).fetchall())
        for name, value in zip(NAMES, VALUES, strict=True)
    ]
    return [told, nothing, found]


def large(connection: Any) -> Any:
    """In pieces, then left in the middle."""
    cursor = connection.cursor().execute(LARGE)
    keys = [key for rows in iter(lambda: cursor.fetchmany(700), []) for (key,) in rows]
    early = connection.cursor().execute(LARGE)
    first = spelled(early.fetchmany(3))
    early.close()
    return [len(keys), sum(keys), first]


def errors(connection: Any) -> Any:
    return {text: state(partial(fetch, connection, text)) for text in FAILING}


def block(connection: Any) -> Any:
    """One that fails in the middle, and goes on; one that does not."""
    connection.autocommit = False
    states = [state(partial(fetch, connection, text)) for text in (COUNTED, FAILING[0], COUNTED, FAILING[2], COUNTED)]
    connection.rollback()
    states.append(state(partial(fetch, connection, COUNTED)))
    connection.commit()
    connection.autocommit = True
    return states


def batch(connection: Any) -> Any:
    cursor = connection.cursor()
    cursor.executemany(
        "INSERT INTO sample.copied (id, t, n) VALUES (?, ?, ?)", [(1, "a", Decimal("1.5")), (2, None, None)]
    )
    found = spelled(cursor.execute("SELECT id, t, n FROM sample.copied ORDER BY id").fetchall())
    cursor.execute("DELETE FROM sample.copied")
    return [found, cursor.rowcount]


def cancel(connection: Any) -> Any:
    """Again until the statement has ended: a request that comes before it began is void."""
    cursor, ended = connection.cursor(), threading.Event()

    def ask() -> None:
        while not ended.wait(0.5):
            cursor.cancel()

    canceller = threading.Thread(target=ask)
    canceller.start()
    told = state(lambda: cursor.execute(ENDLESS).fetchall())
    ended.set()
    canceller.join()
    return [told, connection.execute(COUNTED).fetchval()]


def catalog(connection: Any) -> Any:
    """What SQLTables, SQLColumns, SQLPrimaryKeys, SQLForeignKeys, SQLStatistics and their kin answer."""
    cursor = connection.cursor()
    asked: dict[str, Callable[[], Any]] = {
        "SQLTables": lambda: cursor.tables(schema="tpch"),
        "SQLTables of a pattern": lambda: cursor.tables(table="n%", schema="t%", tableType="TABLE"),
        "SQLTables, schemas": lambda: cursor.tables(catalog="", schema="%", table=""),
        "SQLColumns": lambda: cursor.columns(table="every_type", schema="sample"),
        "SQLColumns of a pattern": lambda: cursor.columns(schema="tp_h", table="nat%", column="n_%"),
        "SQLPrimaryKeys": lambda: cursor.primaryKeys("parent", schema="sample"),
        "SQLForeignKeys": lambda: cursor.foreignKeys(foreignTable="child", foreignSchema="sample"),
        "SQLForeignKeys to it": lambda: cursor.foreignKeys("parent", schema="sample"),
        "SQLStatistics": lambda: cursor.statistics("parent", schema="sample"),
        "SQLSpecialColumns": lambda: cursor.rowIdColumns("parent", schema="sample"),
        "SQLProcedures": lambda: cursor.procedures(schema="tpch"),
        "SQLGetTypeInfo": lambda: cursor.getTypeInfo(),
    }
    return {
        name: [described(cursor), without_oid(found)] for name, ask in asked.items() for found in [ask().fetchall()]
    }


def without_oid(rows: Any) -> list[list[str]]:
    """Of the table, which each server has its own for."""
    kept = [
        [cell for (name, *_), cell in zip(row.cursor_description, row, strict=True) if name != "table oid"]
        for row in rows
    ]
    return spelled(kept)


QUESTIONS: dict[str, Callable[[Any], Any]] = {
    "every type": every_type,
    "parameters": parameters,
    "parameters of every type": of_every_type,
    "large results": large,
    "errors": errors,
    "blocks": block,
    "executemany": batch,
    "cancel": cancel,
}


def main() -> None:
    answers = {}
    for name, options in WAYS.items():
        connection = connect(options)
        answers[name] = catalog(connection) | {subject: ask(connection) for subject, ask in QUESTIONS.items()}
        connection.close()
    print(json.dumps(answers))


if __name__ == "__main__":
    main()
