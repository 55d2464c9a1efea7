"""Message scripts, told to Lakegate and to a real PostgreSQL that holds the same tables: both answer alike, message by
message and field by field, but for the differences that the scripts list with their reasons."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from psycopg import sql

from tests.conformance.pgwire.player import Player
from tests.conformance.pgwire.script import Script, read_script
from tests.conformance.pgwire.transcript import Transcript, compare
from tests.target import Target

SCRIPTS = sorted(Path(__file__).with_name("scripts").glob("*.txt"))
LEAST_SCRIPTS = 60
MOST_DIFFERENCES = 14
EQUAL = (
    "GRANT CREATE ON DATABASE demo TO {user}",
    "GRANT ALL ON SCHEMA tpch, sample TO {user}",
    "GRANT ALL ON ALL TABLES IN SCHEMA tpch, sample TO {user}",
    "CREATE ACCESS METHOD delta TYPE TABLE HANDLER heap_tableam_handler",
)
"""What gives PostgreSQL's user the rights of Lakegate's, and a meaning to ``USING delta``."""
UNEQUAL = (
    "DROP ACCESS METHOD delta",
    "REVOKE CREATE ON DATABASE demo FROM {user}",
    "REVOKE CREATE ON SCHEMA tpch, sample FROM {user}",
    "REVOKE ALL ON ALL TABLES IN SCHEMA tpch, sample FROM {user}",
    "GRANT SELECT ON ALL TABLES IN SCHEMA tpch, sample TO {user}",
)


@pytest.fixture(scope="module")
def peer(oracle: Target, ordinary: Target) -> Iterator[Target]:
    """The oracle, where the gateway's user may do the same for as long as scripts are played."""
    with oracle.connect() as owner:
        for statement in EQUAL:
            owner.execute(sql.SQL(statement).format(user=sql.Identifier(ordinary.user)))
        yield ordinary
        for statement in UNEQUAL:
            owner.execute(sql.SQL(statement).format(user=sql.Identifier(ordinary.user)))


def play(script: Script, target: Target) -> Transcript:
    with target.connect(sslmode="disable") as observer, Player(target, observer) as player:
        return player.play(script)


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_both_answer_alike(gateway: Target, peer: Target, path: Path) -> None:
    script = read_script(path)
    complaints = compare(script, play(script, gateway), play(script, peer))
    assert complaints == [], "\n".join((script.subject, *complaints))


def test_there_are_many_scripts_and_few_differences() -> None:
    scripts = [read_script(path) for path in SCRIPTS]
    assert len({script.subject for script in scripts}) >= LEAST_SCRIPTS
    assert len([difference for script in scripts for difference in script.differences]) <= MOST_DIFFERENCES
