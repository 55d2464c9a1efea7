"""``python -m tests.chaos --seconds 1800 [--seed N] [--spawner NAME]``: a long storm, with a report at its end."""

import argparse
import os
import secrets
import sys

from catalog.names import TableName
from compute.spark.cache import cache_folder
from gateway.demo import write_tpch
from tests.chaos.storm import run_storm
from tests.fix_oracle import SCALE


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=1800.0)
    parser.add_argument("--seed", type=int, default=secrets.randbits(32))
    parser.add_argument("--spawner", choices=("process", "qemu"), default="process")
    options = parser.parse_args()
    print(f"seed {options.seed}", flush=True)
    tpch = write_tpch(cache_folder(os.environ) / "tpch" / f"{SCALE:g}", SCALE)
    lake = {TableName("tpch", name): path for name, path in tpch.items()}
    machines = ("--spawner", options.spawner, "--memory", "512")
    report = run_storm(lake, options.seconds, options.seed, machines)
    print(f"killed: {dict(report.kills)}")
    print(f"answers: {dict(report.answers)}")
    print(f"errors: {dict(report.errors)}")
    print(f"well again after {report.recovery_seconds:.1f} s")
    sys.exit("\n".join(report.wrong))


if __name__ == "__main__":
    main()
