"""``python -m tests.chaos --seconds 1800 [--seed N] [--spawner NAME]``: a long storm, with a report at its end.

The last line is the report as JSON.
"""

import argparse
import asyncio
import json
import os
import secrets
import signal
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from catalog.names import TableName
from compute.spark.cache import cache_folder
from gateway.demo import write_tpch
from tests.chaos.cluster import cluster_setting
from tests.chaos.storm import Report, Setting, run_storm
from tests.fix_cluster import eventually, prepared_namespace, running_cluster, sized
from tests.fix_oracle import SCALE

MEMORY = ("--memory", "512")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=1800.0)
    parser.add_argument("--seed", type=int, default=secrets.randbits(32))
    parser.add_argument("--spawner", choices=("process", "qemu", "kubernetes"), default="process")
    options = parser.parse_args()
    print(f"seed {options.seed}", flush=True)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # A shell has what it starts in the background ignore it.
    tpch = write_tpch(cache_folder(os.environ) / "tpch" / f"{SCALE:g}", SCALE)
    lake = {TableName("tpch", name): path for name, path in tpch.items()}
    if options.spawner == "kubernetes":
        report = asyncio.run(storm_over_cluster(lake, options.seconds, options.seed))
    else:
        setting = Setting(("--spawner", options.spawner, *MEMORY))
        report = run_storm(lake, options.seconds, options.seed, setting)
    print(f"struck: {dict(report.blows)}")
    print(f"answers: {dict(report.answers)}")
    print(f"errors: {dict(report.errors)}")
    print("recovered:", *report.recovery.table(), sep="\n  ")
    print(f"well again after {report.recovery_seconds:.1f} s")
    print(*report.wrong, *report.leaks, *report.missing, sep="\n", file=sys.stderr)
    print(json.dumps({**vars(options), **report.summary()}))
    sys.exit(bool(report.wrong or report.leaks or report.missing))


async def storm_over_cluster(lake: Mapping[TableName, Path], seconds: float, seed: int) -> Report:
    """Raises TimeoutError for a pod left."""
    with tempfile.TemporaryDirectory(prefix="lakegate-cluster-") as folder, running_cluster(Path(folder)) as cluster:
        async with prepared_namespace(cluster.plane) as machines:
            setting = cluster_setting(cluster, sized(machines.config))
            report = await asyncio.to_thread(run_storm, lake, seconds, seed, setting)
            await eventually(machines.are_gone)
    return report


if __name__ == "__main__":
    main()
