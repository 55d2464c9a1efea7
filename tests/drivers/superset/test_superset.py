"""Apache Superset in a real Chromium: its pages ask the gateway over TLS, and show what PostgreSQL answers.

A picture of each step lies in a folder `pictures` of pytest's own.
"""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Response, expect

from tests.drivers.report import Report
from tests.drivers.superset import pages
from tests.drivers.superset.browser import Pictures, open_page
from tests.drivers.superset.server import LOCK, Superset, running_superset
from tests.processes import at_rest, busier, machines, until
from tests.target import Target

pytestmark = [pytest.mark.driver, pytest.mark.clients]

DATABASE, SCHEMA, DASHBOARD, CHART, STATUS = "Lakegate", "tpch", "Orders", "Orders by month", "Status"
SCHEMAS = "SELECT nspname FROM pg_namespace WHERE nspname NOT LIKE 'pg\\_%' ORDER BY 1"
TABLES = f"SELECT table_name FROM information_schema.tables WHERE table_schema = '{SCHEMA}' ORDER BY 1"
PRIORITIES = "SELECT o_orderpriority, count(*), sum(o_totalprice)::float8 FROM tpch.orders GROUP BY 1 ORDER BY 1"
LONG = "SELECT count(*) FROM tpch.lineitem a, tpch.lineitem b WHERE a.l_comment < b.l_comment"
AT_IT = "SELECT pid FROM pg_stat_activity WHERE query ~ 'a.l_comment < b.l_comment' AND pid <> pg_backend_pid()"
STARTED = 0.2
"""CPU seconds of machines after which it runs for sure."""
BY_MONTH = "SELECT date_trunc('month', o_orderdate), count(*) FROM tpch.orders WHERE {} GROUP BY 1 ORDER BY 1"
FILTERED, VALUE = "o_orderstatus", "P"

Rows = list[tuple[Any, ...]]


@pytest.fixture
def superset(tmp_path: Path) -> Iterator[Superset]:
    with running_superset(tmp_path) as server:
        yield server


@pytest.fixture
def pictures(tmp_path: Path) -> Iterator[Pictures]:
    with open_page(tmp_path / "pictures") as pictures:
        yield pictures


def test_superset(superset: Superset, pictures: Pictures, oracle: Target, verified: Target, report: Report) -> None:
    connect(superset, pictures, verified)
    answered = {
        **list_relations(superset, pictures),
        "SQL Lab": query(pictures),
        "SQL Lab, Stop": stop(superset, pictures, verified),
        "chart": draw(superset, pictures),
        "dashboard's filter": choose(pictures),
    }
    wanted = {
        "schemas": [name for (name,) in ask(oracle, SCHEMAS)],
        "tables of a schema": [name for (name,) in ask(oracle, TABLES)],
        "SQL Lab": ask(oracle, PRIORITIES),
        "SQL Lab, Stop": [],
        "chart": ask(oracle, BY_MONTH.format("true")),
        "dashboard's filter": ask(oracle, BY_MONTH.format(f"{FILTERED} = '{VALUE}'")),
    }
    [version] = re.findall(r"^apache-superset==([\d.]+)", LOCK.read_text(), re.MULTILINE)
    report.add("Apache Superset", version, wanted, answered, {"schemas": "one is more, `lakegate`"})


def connect(superset: Superset, pictures: Pictures, gateway: Target) -> None:
    page = pictures.page
    pages.log_in(page, superset)
    pictures.take("welcome")
    encryption = {"sslmode": gateway.sslmode, "sslrootcert": str(gateway.authority)}
    pages.add_database(page, superset, DATABASE, gateway.url("postgresql+psycopg2", **encryption))
    pictures.take("connection-tested")
    page.get_by_role("button", name="Connect", exact=True).click()
    expect(page.get_by_text("Database connected").first).to_be_visible()


def list_relations(superset: Superset, pictures: Pictures) -> dict[str, list[str]]:
    """The schemas' names, and the tables' of one that is opened."""
    listed = pages.open_sql_lab(pictures.page, superset)
    schemas, tables = (listed.get_by_role("treeitem", level=level) for level in (1, 2))
    schemas.get_by_text(SCHEMA, exact=True).click()
    expect(tables.get_by_text("supplier", exact=True)).to_be_visible()
    pictures.take("schemas-and-tables")
    return {"schemas": schemas.all_inner_texts(), "tables of a schema": tables.all_inner_texts()}


def query(pictures: Pictures) -> Rows:
    found = pages.run(pictures.page, PRIORITIES).json()
    expect(pictures.page.get_by_text("1-URGENT")).to_be_visible()
    pictures.take("results")
    return [tuple(row.values()) for row in found["data"]]


def stop(superset: Superset, pictures: Pictures, gateway: Target) -> Rows:
    """Sessions that are still at the statement, once its own has ended and no machine works any more."""
    assert gateway.pid is not None
    pages.open_sql_lab(pictures.page, superset)
    works = busier(machines(gateway.pid), STARTED)
    pages.start(pictures.page, LONG)
    until(works)
    [session] = ask(gateway, AT_IT)
    pictures.take("running")
    pages.stop(pictures.page)
    expect(pictures.page.get_by_text("Query was stopped").first).to_be_visible()
    pictures.take("stopped")
    until(lambda: session not in ask(gateway, "SELECT pid FROM pg_stat_activity"))
    until(at_rest(gateway.pid))
    return ask(gateway, AT_IT)


def draw(superset: Superset, pictures: Pictures) -> Rows:
    pages.add_dataset(pictures.page, superset, DATABASE, SCHEMA, "orders")
    drawn = pages.draw_bars(pictures.page, "o_orderdate", "Month", "COUNT(*)")
    pictures.take("chart")
    return months(drawn)


def choose(pictures: Pictures) -> Rows:
    """The chart's rows after a choice in the dashboard's filter, which it is asked for."""
    pages.save_chart(pictures.page, CHART, DASHBOARD)
    pages.add_filter(pictures.page, STATUS, FILTERED)
    pictures.take("dashboard")
    filtered = pages.filter_by(pictures.page, VALUE)
    pictures.take("filtered")
    asked: Any = filtered.request.post_data_json
    assert {"col": FILTERED, "op": "IN", "val": [VALUE]} in asked["queries"][0]["filters"]
    return months(filtered)


def months(drawn: Response) -> Rows:
    """The chart's rows in order; moments are milliseconds since 1970."""
    rows = (tuple(row.values()) for row in drawn.json()["result"][0]["data"])
    return sorted((datetime.fromtimestamp(moment / 1000, UTC), count) for moment, count in rows)


def ask(target: Target, statement: str) -> Rows:
    with target.connect() as connection:
        return connection.execute(statement.encode()).fetchall()
