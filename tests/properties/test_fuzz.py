"""The fuzzers run for a short time in every test run; `make soak` gives a quarter of an hour to each parser in them."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

FUZZERS = ("fuzz_pgwire.py", "fuzz_login.py", "fuzz_parameters.py", "fuzz_copy.py", "fuzz_channel.py")
SECONDS = 20
FEWEST_INPUTS = 1_000
"""Far below what any machine tries in that time: fewer means that the fuzzer hardly ran."""


@pytest.mark.slow
@pytest.mark.parametrize("fuzzer", FUZZERS)
def test_no_input_breaks_it(fuzzer: str) -> None:
    command = (sys.executable, str(Path(__file__).with_name(fuzzer)), "--seconds", str(SECONDS))
    done = subprocess.run(command, capture_output=True, timeout=SECONDS + 600, check=False)
    report = done.stderr.decode(errors="replace")
    assert done.returncode == 0, report
    tried = re.search(r"Done (\d+) runs", report)
    assert tried is not None, report
    assert int(tried[1]) > FEWEST_INPUTS
