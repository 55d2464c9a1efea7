"""Statements about the session, word for word as a real PostgreSQL answers: a script is a file, a statement a line."""

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from tests.scripts import hear
from tests.target import Target

FOLDER = Path(__file__).parent
SCRIPTS = {
    str(path.relative_to(FOLDER).with_suffix("")): path.read_text().splitlines() for path in FOLDER.glob("*/*.sql")
}
SINGLE = [name for name, statements in SCRIPTS.items() if not any(";" in statement for statement in statements)]
"""Those whose statements may be parsed one by one."""

CREW = (
    "CREATE ROLE crew",
    "CREATE ROLE fleet",
    "CREATE ROLE strangers",
    "GRANT crew TO {user}",
    "GRANT fleet TO crew",
    "GRANT USAGE ON SCHEMA tpch TO crew, fleet",
    "GRANT SELECT ON tpch.region TO crew",
    "GRANT SELECT ON tpch.nation TO fleet",
)
"""Roles that the user may take on, one of them as a member of another, with a table each."""
PAID_OFF = (
    "REVOKE SELECT ON tpch.region, tpch.nation FROM crew, fleet",
    "REVOKE USAGE ON SCHEMA tpch FROM crew, fleet",
    "DROP ROLE crew, fleet, strangers",
)


@pytest.fixture(scope="module", autouse=True)
def crew(gateway: Target, oracle: Target, ordinary: Target) -> Iterator[None]:
    """Both servers have the roles."""
    user = sql.Identifier(ordinary.user)
    with gateway.connect() as ours, oracle.connect() as theirs:
        for connection, statement in ((one, each) for each in CREW for one in (ours, theirs)):
            connection.execute(sql.SQL(statement).format(user=user))
        yield
        for connection, statement in ((one, each) for each in PAID_OFF for one in (ours, theirs)):
            connection.execute(statement.encode())


def compare(gateway: Target, ordinary: Target, statements: list[str], *, extended: bool) -> None:
    ours, theirs = (hear(target, statements, extended=extended) for target in (gateway, ordinary))
    assert list(zip(statements, ours, strict=True)) == list(zip(statements, theirs, strict=True))


@pytest.mark.parametrize("script", sorted(SCRIPTS))
def test_simple_queries(gateway: Target, ordinary: Target, script: str) -> None:
    compare(gateway, ordinary, SCRIPTS[script], extended=False)


@pytest.mark.parametrize("script", sorted(SINGLE))
def test_parsed_and_executed(gateway: Target, ordinary: Target, script: str) -> None:
    compare(gateway, ordinary, SCRIPTS[script], extended=True)


FROM_THE_START = [
    "SELECT current_user, session_user, count(*) FROM tpch.region",
    "SET ROLE fleet",
    "SHOW role",
    "RESET ROLE",
    "SHOW role",
    "SET ROLE NONE",
    "SELECT current_user, count(*) FROM tpch.customer",
    "DISCARD ALL",
    "SHOW role",
    "SET SESSION AUTHORIZATION admin",
    "SHOW role",
    "RESET SESSION AUTHORIZATION",
    "SHOW role",
]


@pytest.mark.parametrize("options", ["-c role=crew", "-c role=none", "-c role=admin", "-c session_authorization=admin"])
def test_a_role_from_the_start(gateway: Target, ordinary: Target, options: str) -> None:
    """RESET goes back to it, and so does DISCARD ALL."""
    ours, theirs = (hear(target, FROM_THE_START, options=options) for target in (gateway, ordinary))
    assert list(zip(FROM_THE_START, ours, strict=True)) == list(zip(FROM_THE_START, theirs, strict=True))


@pytest.mark.parametrize(
    "option", ["role=strangers", "role=nobody_here", "session_authorization=crew", "session_authorization=nobody_here"]
)
def test_a_role_that_no_session_begins_with(gateway: Target, ordinary: Target, option: str) -> None:
    refusals = []
    for target in (gateway, ordinary):
        with pytest.raises(psycopg.OperationalError) as caught:
            target.connect(options=f"-c {option}")
        refusals.append(str(caught.value).rpartition("FATAL: ")[2])
    assert refusals[0] == refusals[1]
