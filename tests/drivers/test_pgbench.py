"""pgbench in its three modes: each script checks by itself what it was answered, so a wrong answer ends it."""

import re
import subprocess
from pathlib import Path

import pytest

from tests.alike import asked_of_both
from tests.drivers.libpq import complaints, environment
from tests.fix_oracle import BINARIES
from tests.target import Target

pytestmark = pytest.mark.driver

CLIENTS, TRANSACTIONS = 4, 25
SCRIPT = r"""
\set key random(0, 24)
SELECT n_regionkey AS region, n_nationkey AS found FROM tpch.nation WHERE n_nationkey = :key \gset
SELECT count(*) AS nations FROM tpch.nation WHERE n_regionkey = :region \gset
\if :found <> :key or :nations <> 5
SELECT wrong_answer;
\endif
BEGIN;
SELECT r_name FROM tpch.region WHERE r_regionkey = :region;
SELECT 1;
END;
"""


@pytest.mark.parametrize("mode", ["simple", "extended", "prepared"])
def test_script(oracle: Target, gateway: Target, tmp_path: Path, mode: str) -> None:
    script = tmp_path / "script.sql"
    script.write_text(SCRIPT)

    def ask(target: Target) -> tuple[int, list[str], str]:
        done = subprocess.run(
            [BINARIES / "pgbench", "-n", "-M", mode, "-c", str(CLIENTS), "-t", str(TRANSACTIONS), "-f", script],
            env=environment(target),
            capture_output=True,
            text=True,
            check=False,
        )
        counts = re.findall(r"^(?:query mode|number of \w+ .*): .*$", done.stdout, re.MULTILINE)
        return done.returncode, counts, complaints(done.stderr).replace(target.database, "")

    code, counts, _ = asked_of_both(oracle, gateway, ask)
    assert code == 0
    assert f"number of transactions actually processed: {CLIENTS * TRANSACTIONS}/{CLIENTS * TRANSACTIONS}" in counts
