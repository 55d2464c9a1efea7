"""Apache Superset in a real Chromium: its pages ask the gateway over TLS, and show what PostgreSQL answers.

A picture of each step lies in the cache folder, below `pictures/superset`.
"""

import os
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from playwright.sync_api import expect

from compute.spark.cache import cache_folder
from tests.drivers.superset import pages
from tests.drivers.superset.browser import Pictures, open_page
from tests.drivers.superset.server import Superset, running_superset
from tests.target import Target

pytestmark = [pytest.mark.driver, pytest.mark.clients]

DATABASE = "Lakegate"
TABLES = ("customer", "lineitem", "nation", "orders", "part", "partsupp", "region", "supplier")
PRIORITIES = """
SELECT o_orderpriority, count(*) AS orders, sum(o_totalprice)::float8 AS total FROM tpch.orders GROUP BY 1 ORDER BY 1
"""
BY_MONTH = "SELECT date_trunc('month', o_orderdate) AS month, count(*) FROM tpch.orders {} GROUP BY 1 ORDER BY 1"


@pytest.fixture(scope="module")
def superset(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Superset]:
    with running_superset(tmp_path_factory.mktemp("superset")) as server:
        yield server


@pytest.fixture(scope="module")
def pictures(superset: Superset, gateway: Target) -> Iterator[Pictures]:
    """A page of somebody who has logged in and made the gateway known."""
    folder = cache_folder(os.environ) / "pictures" / "superset"
    shutil.rmtree(folder, ignore_errors=True)
    with open_page(folder) as pictures:
        page = pictures.page
        pages.log_in(page, superset)
        pictures.take("welcome")
        pages.add_database(page, superset, DATABASE, gateway.url("postgresql+psycopg2", sslmode=gateway.sslmode))
        pictures.take("connection-tested")
        page.get_by_role("button", name="Connect", exact=True).click()
        expect(page.get_by_text("Database connected").first).to_be_visible()
        yield pictures


def test_sql_lab(superset: Superset, pictures: Pictures, oracle: Target) -> None:
    page = pictures.page
    pages.open_sql_lab(page, superset, "tpch")
    listed = pages.part(page, "sql-editor-left-bar")
    for table in TABLES:
        expect(listed.get_by_text(table, exact=True)).to_be_visible()
    pictures.take("schemas-and-tables")
    found = pages.run(page, PRIORITIES.strip())
    assert [tuple(row.values()) for row in found["data"]] == ask(oracle, PRIORITIES)
    expect(page.get_by_text("1-URGENT")).to_be_visible()
    pictures.take("results")


def test_a_dashboards_filter_changes_its_chart(superset: Superset, pictures: Pictures, oracle: Target) -> None:
    page = pictures.page
    pages.add_dataset(page, superset, DATABASE, "tpch", "orders")
    assert months(pages.draw_bars(page, "o_orderdate", "Month", "COUNT(*)")) == ask(oracle, BY_MONTH.format(""))
    pictures.take("chart")
    pages.save_chart(page, "Orders by month", "Orders")
    pages.add_filter(page, "Status", "o_orderstatus")
    pictures.take("dashboard")
    filtered = BY_MONTH.format("WHERE o_orderstatus = 'P'")
    assert months(pages.filter_by(page, "P")) == ask(oracle, filtered)
    pictures.take("filtered")


def months(found: dict[str, Any]) -> list[tuple[datetime, int]]:
    """The chart's rows in order; moments are milliseconds since 1970."""
    rows = (tuple(row.values()) for row in found["result"][0]["data"])
    return sorted((datetime.fromtimestamp(moment / 1000, UTC), count) for moment, count in rows)


def ask(target: Target, query: str) -> list[tuple[Any, ...]]:
    with target.connect() as connection:
        return connection.execute(query.encode()).fetchall()
