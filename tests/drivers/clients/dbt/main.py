"""dbt-postgres runs the project beside this file on the server of the PG… variables, twice, and prints what came of it.

A seed, an incremental model and a snapshot have more to say the second time, after a rate has changed.
"""

import json
import os
import sys
import tempfile
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import psycopg2
from dbt.cli.main import dbtRunner
from dbt_common.exceptions import DbtDatabaseError

STEPS = {
    "seed": "seed",
    "view": "run --select nations",
    "table": "run --select sales",
    "incremental model": "run --select large_orders",
    "snapshot": "snapshot",
    "tests of sources": "test --select source:*",
    "tests of models": "test --select nations sales large_orders",
}
CHANGE = "UPDATE dbt.rates SET rate = 1.1 WHERE code = 'USD'"
CONTENTS = {
    "rows of a seed": "SELECT * FROM dbt.rates ORDER BY code",
    "rows of a view": "SELECT * FROM dbt.nations ORDER BY nationkey",
    "rows of a table": "SELECT * FROM dbt.sales ORDER BY nation",
    "rows of an incremental model": "SELECT * FROM dbt.large_orders ORDER BY orderkey",
    "rows of a snapshot": "SELECT code, rate, dbt_valid_to IS NULL FROM dbt.rates_history ORDER BY code, rate",
}


def query(statement: str) -> Any:
    """Its rows, or what the server said against it."""
    connection = psycopg2.connect("")
    connection.autocommit = True
    try:
        with connection.cursor() as cursor:
            cursor.execute(statement)
            return [repr(row) for row in cursor.fetchall()] if cursor.description else cursor.statusmessage
    except psycopg2.Error as error:
        return [error.pgcode, error.diag.message_primary]
    finally:
        connection.close()


def invoke(*command: str, folder: str) -> Any:
    """Its result. Raises what kept it from any."""
    with redirect_stdout(sys.stderr):
        done = dbtRunner().invoke([*command, "--quiet", "--target-path", folder, "--log-path", folder])
    if done.exception is not None:
        raise done.exception
    return done.result


def run(*command: str, folder: str) -> list[list[str]]:
    """Each node, how it ended, and what the server said; or what was said before any was run."""
    try:
        done = invoke(*command, folder=folder)
    except DbtDatabaseError as error:
        return [["error", str(error)]]
    return sorted([one.node.unique_id, str(one.status), str(one.message)] for one in done)


def read_catalog(folder: str) -> dict[str, Any]:
    """What the documentation tells of each relation: columns, kind and comment; who owns it differs."""
    invoke("docs", "generate", folder=folder)
    found = json.loads(Path(folder, "catalog.json").read_text())
    return {
        f"docs generate, {kind}": {
            name: [one["columns"], one["metadata"]["type"], one["metadata"]["comment"]]
            for name, one in found[kind].items()
        }
        for kind in ("nodes", "sources")
    }


def main() -> None:
    os.environ["DBT_PROFILES_DIR"] = "."
    answers: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        answers |= {subject: run(*command.split(), folder=folder) for subject, command in STEPS.items()}
        answers["a change"] = query(CHANGE)
        answers["all again"] = run("build", "--exclude", "resource_type:seed", folder=folder)
        answers |= read_catalog(folder)
    answers |= {subject: query(statement) for subject, statement in CONTENTS.items()}
    print(json.dumps({"dbt-postgres": answers}))


if __name__ == "__main__":
    main()
