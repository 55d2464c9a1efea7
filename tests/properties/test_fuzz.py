"""The fuzzers run for a short time in every test run; `make soak` gives a quarter of an hour to each parser in them."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

PARSERS = {"fuzz_pgwire.py": 2, "fuzz_login.py": 4, "fuzz_parameters.py": 1, "fuzz_copy.py": 3, "fuzz_channel.py": 1}
"""How many each fuzzer has: start-up and messages; SCRAM, OAUTHBEARER, PROXY, tokens; three formats of COPY."""
SECONDS = 20
"""Of one parser."""
FEWEST_INPUTS = 1_000
"""Far below what any machine tries in that time: fewer means that the fuzzer hardly ran."""


@pytest.mark.slow
@pytest.mark.parametrize("fuzzer", PARSERS)
def test_no_input_breaks_it(fuzzer: str) -> None:
    seconds = SECONDS * PARSERS[fuzzer]
    command = (sys.executable, str(Path(__file__).with_name(fuzzer)), "--seconds", str(seconds))
    done = subprocess.run(command, capture_output=True, timeout=seconds + 600, check=False)
    report = done.stderr.decode(errors="replace")
    assert done.returncode == 0, report
    tried = re.search(r"Done (\d+) runs", report)
    assert tried is not None, report
    assert int(tried[1]) > FEWEST_INPUTS
