"""pgcli: what it asks the catalog for its completions, and a person's session in a terminal."""

import os
import sys
from pathlib import Path
from typing import Any

import pexpect
import pytest
from pgcli.pgexecute import PGExecute

from tests.alike import asked_of_both
from tests.target import Target

pytestmark = pytest.mark.driver


def complete(target: Target) -> dict[str, Any]:
    executor = PGExecute(
        target.database, target.user, target.password, target.host, target.port, sslmode=target.sslmode
    )
    try:
        return {
            "search path": executor.search_path(),
            "schemas": sorted({*executor.schemata()} & {"tpch", "sample", "pg_catalog", "information_schema"}),
            "tables": ours(executor.tables()),
            "views": ours(executor.views()),
            "columns": ours(executor.table_columns()),
            "foreign keys": [key for key in executor.foreignkeys() if key.parentschema != "lakegate"],
            "types": ours(executor.datatypes()),
            "functions": sorted({one.func_name for one in executor.functions() if one.schema_name == "pg_catalog"}),
        }
    finally:
        executor.conn.close()


def ours(found: Any) -> list[tuple[Any, ...]]:
    """Those of the schemas under test: the gateway's metastore has one more of its own."""
    return [tuple(one) for one in found if one[0] in ("tpch", "sample")]


def test_completions(bare_oracle: Target, gateway: Target) -> None:
    found = asked_of_both(bare_oracle, gateway, complete)
    assert len(found["tables"]) == 9
    assert len(found["columns"]) > 60


def test_session(target: Target, tmp_path: Path) -> None:
    environment = {**os.environ, **target.environment, "PGSSLMODE": target.sslmode, "LC_ALL": "C.UTF-8"}
    child = pexpect.spawn(
        str(Path(sys.executable).with_name("pgcli")),
        ["--less-chatty", f"--pgclirc={tmp_path / 'pgclirc'}"],
        env={**environment, "TERM": "dumb", "PAGER": "cat", "HOME": str(tmp_path), "PROMPT_TOOLKIT_NO_CPR": "1"},
        encoding="utf-8",
        timeout=300,
        dimensions=(50, 200),
    )
    child.expect(f"{target.database}> ")
    child.send("SELECT n_name, n_regionkey FROM tpch.nation WHERE n_nationkey = 7;\r")
    child.expect(r"GERMANY\s*\|\s*3")
    child.send("\\d tpch.region\r")
    child.expect("r_regionkey")
    child.send("\\q\r")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 0
