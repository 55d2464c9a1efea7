"""The fuzzer runs for a short time in every test run; `make soak` gives it ten minutes."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

FUZZER = Path(__file__).resolve().parents[1] / "fuzz_pgwire.py"
SECONDS = 20
FEWEST_INPUTS = 2_000
"""Far below what any machine tries in that time: fewer means that the fuzzer hardly ran."""


@pytest.mark.slow
def test_no_input_breaks_the_protocol() -> None:
    command = (sys.executable, str(FUZZER), "--seconds", str(SECONDS))
    done = subprocess.run(command, capture_output=True, timeout=SECONDS + 600, check=False)
    report = done.stderr.decode(errors="replace")
    assert done.returncode == 0, report
    tried = re.search(r"Done (\d+) runs", report)
    assert tried is not None, report
    assert int(tried[1]) > FEWEST_INPUTS
