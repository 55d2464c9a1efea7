"""What a person does in Superset's pages. Parts of them are found by the names that Superset's own tests use."""

from playwright.sync_api import Locator, Page, Response, TimeoutError, expect

from tests.drivers.superset.server import USER, Superset
from tests.processes import until

EXECUTE, STOP, CHART = "/api/v1/sqllab/execute/", "/api/v1/query/stop", "/api/v1/chart/data"
CHARTS = f"{CHART}?form_data=%7B%22slice_id"
"""What a dashboard asks for its charts begins so, unlike what it asks for its filters' lists."""
OPTION = ".ant-select-dropdown:not(.ant-select-dropdown-hidden) .ant-select-item-option"
FRAME = "xpath=ancestor::*[contains(@class, 'ant-select-selector')]"
"""Of a field: what has been chosen already lies over the field itself."""
SEARCH_MILLISECONDS = 5000
EDITOR = ".ace_text-input"


def part(page: Page | Locator, name: str) -> Locator:
    return page.locator(f'[data-test="{name}"]')


def answer(page: Page, path: str, button: Locator) -> Response:
    """What the server says to the request that a click leads to, the request beside it."""
    with page.expect_response(lambda found: path in found.url and found.request.method == "POST") as response:
        button.click()
    assert response.value.ok, response.value.text()
    return response.value


def choose(page: Page, field: str | Locator, text: str) -> None:
    """The entry of that name, of the list that opens at a field."""
    box = page.get_by_role("combobox", name=field) if isinstance(field, str) else field
    box.locator(FRAME).click()
    entry = page.locator(OPTION).get_by_text(text, exact=True).first
    until(lambda: _finds(box, text, entry))
    entry.click()


def _finds(box: Locator, text: str, entry: Locator) -> bool:
    """Superset forgets a search if it draws the field anew meanwhile, as when its list comes: it may take another."""
    box.fill("")
    box.fill(text)
    try:
        entry.wait_for(timeout=SEARCH_MILLISECONDS)
    except TimeoutError:
        return False
    return True


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


def open_sql_lab(page: Page, superset: Superset) -> Locator:
    """A new tab for the only database; what lists its schemas and their tables."""
    page.goto(f"{superset.url}/sqllab/?new=true")
    page.locator(EDITOR).first.wait_for(state="attached")
    return part(page, "sql-editor-left-bar")


def write(page: Page, sql: str) -> None:
    """Into the editor, in place of what is there."""
    page.locator(EDITOR).first.focus()
    page.keyboard.press("Control+A")
    page.keyboard.insert_text(sql)


def run(page: Page, sql: str) -> Response:
    write(page, sql)
    return answer(page, EXECUTE, part(page, "run-query-action"))


def start(page: Page, sql: str) -> None:
    """Does not wait for its end; its button is one to stop it then."""
    write(page, sql)
    part(page, "run-query-action").click()
    expect(part(page, "run-query-action")).to_have_text("Stop")


def stop(page: Page) -> Response:
    return answer(page, STOP, part(page, "run-query-action"))


def add_dataset(page: Page, superset: Superset, database: str, schema: str, table: str) -> None:
    """Leads to the choice of a chart for it."""
    page.goto(f"{superset.url}/dataset/add/")
    choose(page, "Select database or type to search databases", database)
    choose(page, "Select schema", schema)
    choose(page, "Select table or type to search tables", table)
    page.get_by_role("button", name="Create and explore dataset").click()
    page.wait_for_url("**/chart/add**")


def draw_bars(page: Page, moment: str, grain: str, metric: str) -> Response:
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
    """On a new dashboard, which is shown with it."""
    part(page, "query-save-button").click()
    part(page, "new-chart-name").fill(name)
    choose(page, "Select a dashboard", dashboard)
    answer(page, CHARTS, page.get_by_role("button", name="Save & go to dashboard"))


def add_filter(page: Page, name: str, column: str) -> None:
    """Of the dashboard's own filters. Its chart is asked for once more."""
    part(page, "filter-bar__expand-button").click()
    part(page, "filterbar-orientation-icon").click()
    part(page, "filter-bar__create-filter").click()
    part(page, "filters-config-modal__name-input").fill(name)
    choose(page, "Column select", column)
    answer(page, CHARTS, part(page, "native-filter-modal-save-button"))
    expect(part(page, "filter-bar").get_by_text(name, exact=True)).to_be_visible()


def filter_by(page: Page, value: str) -> Response:
    """What is asked for the chart then, and answered."""
    choose(page, part(page, "filter-bar").get_by_role("combobox").first, value)
    page.keyboard.press("Escape")
    return answer(page, CHARTS, part(page, "filter-bar__apply-button"))
