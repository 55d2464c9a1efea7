"""Where a connection wants to: by database, options and the name that TLS was opened with."""

import pytest

from catalog.errors import InvalidCatalogName
from gateway.pgwire.messages import ProtocolVersion, StartupMessage
from gateway.route import Route, find_route

DOMAIN = "gateway.example"


def startup(database: str | None = None, **options: str) -> StartupMessage:
    given = " ".join(f"-c lakegate.{name}={value}" for name, value in options.items())
    parameters = {"user": "ann", "options": given, **({} if database is None else {"database": database})}
    return StartupMessage(ProtocolVersion(3, 0), parameters, {})


@pytest.mark.parametrize(
    ("message", "server_name", "route"),
    [
        (startup("demo"), None, Route("demo")),
        (startup(), None, Route("ann")),
        (startup("ann"), "demo.gateway.example", Route("demo")),
        (startup(), "Large.Demo.GATEWAY.example", Route("demo", "large")),
        (startup("demo"), "demo.gateway.example", Route("demo")),
        (startup("ann", workspace="demo"), None, Route("demo")),
        (startup("demo", workspace="demo", warehouse="large"), "demo.gateway.example", Route("demo", "large")),
        (startup("demo"), "gateway.example", Route("demo")),
        (startup("demo"), "demo.elsewhere.example", Route("demo")),
        (startup("demo"), "xgateway.example", Route("demo")),
    ],
)
def test_route(message: StartupMessage, server_name: str | None, route: Route) -> None:
    assert find_route(message, server_name, DOMAIN) == route


@pytest.mark.parametrize(
    ("message", "server_name", "error"),
    [
        (startup("demo"), "sales.gateway.example", 'several workspaces: "demo", "sales"'),
        (startup("demo", workspace="sales"), None, "several workspaces"),
        (startup("ann", warehouse="small"), "large.demo.gateway.example", "several warehouses"),
        (startup("ann"), "a.large.demo.gateway.example", "names no workspace"),
    ],
)
def test_a_contradiction_is_refused(message: StartupMessage, server_name: str | None, error: str) -> None:
    with pytest.raises(InvalidCatalogName, match=error):
        find_route(message, server_name, DOMAIN)


def test_without_a_domain_names_mean_nothing() -> None:
    assert find_route(startup("demo"), "sales.gateway.example", None) == Route("demo")
