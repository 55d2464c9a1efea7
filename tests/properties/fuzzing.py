"""What coverage-guided fuzzers share: how they are started, for how long, and with which first inputs."""

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import atheris


def run(fuzz: Callable[[bytes], None], seeds: Callable[[], Sequence[bytes]]) -> int:
    """Runs until ``--seconds N`` are over; an exit code. The last lines on standard error say how many inputs it tried.

    A crash prints the input and ends the process with an error. The fuzzer never comes back to its caller, so a child
    runs it and the corpus is removed here.
    """
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=int, default=20)
    parser.add_argument("--corpus", type=Path)
    arguments = parser.parse_args()
    if arguments.corpus is not None:
        options = [f"-max_total_time={arguments.seconds}", "-timeout=10", "-rss_limit_mb=1024", "-print_final_stats=1"]
        atheris.Setup([sys.argv[0], *options, f"-artifact_prefix={arguments.corpus}/", str(arguments.corpus)], fuzz)
        atheris.Fuzz()
    with tempfile.TemporaryDirectory(prefix="lakegate-fuzz-") as folder:
        for number, seed in enumerate(seeds()):
            (Path(folder) / str(number)).write_bytes(seed)
        return subprocess.run([sys.executable, *sys.argv, "--corpus", folder], check=False).returncode
