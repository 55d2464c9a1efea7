"""What a person does in Superset's pages. Parts of them are found by the names that Superset's own tests use."""

from typing import Any

from playwright.sync_api import Locator, Page, expect

from tests.drivers.superset.server import USER, Superset

EXECUTE, CHART = "/api/v1/sqllab/execute/", "/api/v1/chart/data"
OPTION = ".ant-select-dropdown:not(.ant-select-dropdown-hidden) .ant-select-item-option"
EDITOR = ".ace_text-input"


def part(page: Page | Locator, name: str) -> Locator:
    return page.locator(f'[data-test="{name}"]')


def answer(page: Page, path: str, button: Locator) -> Any:
    """What the server says to the request that a click leads to."""
    with page.expect_response(lambda found: path in found.url and found.request.method == "POST") as response:
        button.click()
    assert response.value.ok, response.value.text()
    return response.value.json()


def choose(page: Page, field: str | Locator, text: str) -> None:
    """The entry of that name, of the list that opens at a field."""
    (page.get_by_role("combobox", name=field) if isinstance(field, str) else field).click()
    page.keyboard.type(text)
    page.locator(OPTION).get_by_text(text, exact=True).first.click()


def log_in(page: Page, superset: Superset) -> None:
    page.goto(f"{superset.url}/login/")
    part(page, "username-input").fill(USER)
    part(page, "password-input").fill(superset.password)
    part(page, "login-button").click()
    page.wait_for_url("**/superset/welcome/")


def add_database(page: Page, superset: Superset, name: str, url: str) -> None:
    """Up to the button that keeps it; the connection has been tried."""
    page.goto(f"{superset.url}/databaseview/list/")
    part(page, "btn-create-database").click()
    page.get_by_role("button", name="PostgreSQL").first.click()
    part(page, "sqla-connect-btn").click()
    part(page, "database-name-input").fill(name)
    part(page, "sqlalchemy-uri-input").fill(url)
    page.get_by_role("button", name="Test connection").click()
    expect(page.get_by_text("Connection looks good!").first).to_be_visible()


def open_sql_lab(page: Page, superset: Superset, schema: str) -> None:
    """A new tab for the only database, with the schema's tables beside it."""
    page.goto(f"{superset.url}/sqllab/")
    page.get_by_text("Add a new tab").first.click()
    page.locator(EDITOR).first.wait_for(state="attached")
    part(page, "sql-editor-left-bar").get_by_text(schema, exact=True).click()


def run(page: Page, sql: str) -> Any:
    """What the statement in the editor is answered."""
    page.locator(EDITOR).first.focus()
    page.keyboard.press("Control+A")
    page.keyboard.insert_text(sql)
    return answer(page, EXECUTE, part(page, "run-query-action"))


def add_dataset(page: Page, superset: Superset, database: str, schema: str, table: str) -> None:
    """Leads to the choice of a chart for it."""
    page.goto(f"{superset.url}/dataset/add/")
    choose(page, "Select database or type to search databases", database)
    choose(page, "Select schema", schema)
    choose(page, "Select table or type to search tables", table)
    page.get_by_role("button", name="Create and explore dataset").click()
    page.wait_for_url("**/chart/add**")


def draw_bars(page: Page, moment: str, grain: str, metric: str) -> Any:
    """A bar chart over time; what the server was asked for and answered."""
    page.get_by_text("Bar Chart", exact=True).first.click()
    page.get_by_role("button", name="Create new chart").click()
    _drag(page, moment, "x_axis")
    choose(page, "Time Grain", grain)
    _drag(page, metric, "metrics")
    return answer(page, CHART, part(page, "run-query-button"))


def _drag(page: Page, name: str, control: str) -> None:
    source = part(page, "DatasourcePanelDragOption").filter(has_text=name)
    source.drag_to(part(part(page, control), "dnd-labels-container"))
    expect(part(page, control)).to_contain_text(name)


def save_chart(page: Page, name: str, dashboard: str) -> None:
    """On a new dashboard, which is shown."""
    part(page, "query-save-button").click()
    part(page, "new-chart-name").fill(name)
    choose(page, "Select a dashboard", dashboard)
    page.get_by_role("button", name="Save & go to dashboard").click()
    page.wait_for_url("**/superset/dashboard/**")


def add_filter(page: Page, name: str, column: str) -> None:
    """Of the dashboard's own filters."""
    part(page, "filter-bar__expand-button").click()
    part(page, "filterbar-orientation-icon").click()
    part(page, "filter-bar__create-filter").click()
    part(page, "filters-config-modal__name-input").fill(name)
    choose(page, "Column select", column)
    part(page, "native-filter-modal-save-button").click()
    expect(part(page, "filter-modal")).to_be_hidden()


def filter_by(page: Page, value: str) -> Any:
    """What the chart is answered then."""
    choose(page, part(page, "filter-bar").get_by_role("combobox").first, value)
    page.keyboard.press("Escape")
    return answer(page, CHART, part(page, "filter-bar__apply-button"))
