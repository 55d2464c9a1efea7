"""PostgreSQL's own load generator, pgbench, as a client: a round's rate and latencies."""

import os
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from tests.fix_oracle import BINARIES
from tests.target import Target


def pgbench(
    target: Target, script: str, *, clients: int = 1, seconds: int = 2, mode: str = "prepared"
) -> Mapping[str, float]:
    """Runs `script` over and over. Returns statements a second and the latencies' percentiles.

    `mode` is pgbench's: simple, extended or prepared. Raises CalledProcessError when a statement fails.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "script.sql").write_text(script)
        command: list[str | Path] = [
            BINARIES / "pgbench",
            "-n",
            "-c",
            str(clients),
            "-j",
            str(min(clients, 2)),
            "-T",
            str(seconds),
        ]
        command += ["-M", mode, "-f", folder / "script.sql", "-l", "--exit-on-abort"]
        environment = {**os.environ, **target.environment, "PGSSLMODE": "disable"}
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise RuntimeError(done.stderr)
        logs = [np.loadtxt(log, usecols=2, ndmin=1) for log in folder.glob("pgbench_log.*")]
    return {"rate 1/s": tps(done.stdout), **percentiles(np.concatenate(logs) / 1000)}


def tps(output: str) -> float:
    """pgbench's own rate, which leaves out the time to connect."""
    line = next(line for line in output.splitlines() if line.startswith("tps = "))
    return float(line.split()[2])


def percentiles(milliseconds: "np.ndarray[tuple[int], np.dtype[np.float64]]") -> Mapping[str, float]:
    return {f"p{rank} ms": float(np.percentile(milliseconds, rank)) for rank in (50, 95, 99)}
