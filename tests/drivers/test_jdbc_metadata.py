"""All of DatabaseMetaData, as pgjdbc asks the catalog for it: equal on the shadows and on PostgreSQL's own tables."""

from collections.abc import Callable
from typing import Any

import jpype
import pytest

from tests.alike import asked_of_both
from tests.drivers.jdbc import connected
from tests.target import Target

pytestmark = [pytest.mark.driver, pytest.mark.usefixtures("java")]

OF_EACH_SERVER = {"getConnection", "getURL", "getUserName"}
"""Where each server is, and as whom."""
OWN_SCHEMA = "lakegate"
UNORDERED = {"getTypeInfo"}
"""The driver asks for no order, so that rows come as they lie."""
SCHEMA = "tpch"
EVERY_TYPE = ("sample", "every_type")
BEST_ROW = 2
"""bestRowSession."""

RESULTS: dict[str, tuple[Any, ...]] = {
    "getBestRowIdentifier": (None, SCHEMA, "nation", BEST_ROW, True),
    "getColumnPrivileges": (None, SCHEMA, "region", "%"),
    "getColumns": (None, *EVERY_TYPE, "%"),
    "getColumns, by a pattern": (None, "tp%", "%", "l\\_%key"),
    "getCrossReference": (None, SCHEMA, "region", None, SCHEMA, "nation"),
    "getExportedKeys": (None, SCHEMA, "region"),
    "getFunctionColumns": (None, "pg_catalog", "array_app%", "%"),
    "getFunctions": (None, "pg_catalog", "array_%"),
    "getImportedKeys": (None, SCHEMA, "nation"),
    "getIndexInfo": (None, SCHEMA, "nation", False, True),
    "getPrimaryKeys": (None, SCHEMA, "nation"),
    "getProcedureColumns": (None, SCHEMA, "%", "%"),
    "getProcedures": (None, SCHEMA, "%"),
    "getSchemas": (None, "tpch"),
    "getTablePrivileges": (None, SCHEMA, "nation"),
    "getTables": (None, SCHEMA, "%", None),
    "getTables, of all schemas": (None, "%", "every%", ["TABLE", "VIEW"]),
    "getTables, of the system": (None, "pg_catalog", "pg_c%", ["SYSTEM TABLE"]),
    "getUDTs": (None, SCHEMA, "%", None),
    "getVersionColumns": (None, SCHEMA, "nation"),
}


def has_of_its_own(target: Target, asked: str) -> list[str]:
    """The names of databases, schemas or types that this server alone has, each as often as it has it."""
    if asked == "getCatalogs" and not target.is_gateway:
        return names(target, "SELECT datname FROM pg_database WHERE datallowconn AND datname <> current_database()")
    if asked == "getSchemas" and target.is_gateway:
        return [OWN_SCHEMA]
    if asked == "getTypeInfo" and target.is_gateway:
        listed = "typnamespace = 'lakegate'::regnamespace AND typrelid = 0"
        return names(target, f"SELECT typname FROM pg_type WHERE {listed}")
    return []


def names(target: Target, query: str) -> list[str]:
    with target.connect() as connection:
        return [name for (name,) in connection.execute(query.encode())]


def spelled(target: Target, value: Any) -> Any:
    """A result's columns and rows, or the value itself, without the names that each server has of its own."""
    own = {target.database: "<database>", target.user: "<user>"}
    if not isinstance(value, jpype.JClass("java.sql.ResultSet")):
        return own.get(str(value), str(value))
    meta = value.getMetaData()
    places = range(1, meta.getColumnCount() + 1)
    columns = [(str(meta.getColumnLabel(place)), str(meta.getColumnTypeName(place))) for place in places]
    rows = []
    while value.next():
        rows.append([own.get(cell, cell) for cell in (str(value.getString(place)) for place in places)])
    return columns, rows


def told(target: Target, name: str, ask: Callable[[], Any]) -> Any:
    """The answer, or that the driver has none."""
    try:
        answer = spelled(target, ask())
    except jpype.JClass("java.sql.SQLFeatureNotSupportedException"):
        return "not implemented"
    if not isinstance(answer, tuple):
        return answer
    columns, rows = answer
    for own in has_of_its_own(target, name):
        rows.remove(next(row for row in rows if row[0] == own))
    return columns, sorted(rows) if name in UNORDERED else rows


def of_metadata(ask: Callable[[Target, Any], Any]) -> Callable[[Target], Any]:
    """The question, asked of the DatabaseMetaData of a connection."""

    def open_and_ask(target: Target) -> Any:
        with connected(target, sslmode=target.sslmode) as connection:
            return ask(target, connection.getMetaData())

    return open_and_ask


@pytest.mark.parametrize("asked", sorted(RESULTS))
def test_results(bare_oracle: Target, gateway: Target, asked: str) -> None:
    name = asked.split(",")[0]

    def ask(target: Target, meta: Any) -> Any:
        return spelled(target, getattr(meta, name)(*RESULTS[asked]))

    columns, _ = asked_of_both(bare_oracle, gateway, of_metadata(ask))
    assert columns


def test_everything_that_takes_no_argument(bare_oracle: Target, gateway: Target) -> None:
    """Limits, names and abilities, and the catalogs, types and table kinds."""

    def ask(target: Target, meta: Any) -> dict[str, Any]:
        methods = jpype.JClass("java.sql.DatabaseMetaData").class_.getDeclaredMethods()
        names = {str(method.getName()) for method in methods if method.getParameterCount() == 0}
        return {name: told(target, name, getattr(meta, name)) for name in sorted(names - OF_EACH_SERVER)}

    found = asked_of_both(bare_oracle, gateway, of_metadata(ask))
    assert len(found) > 100
