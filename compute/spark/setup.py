"""Set-up: ``python -m compute.spark.setup`` fetches the pinned jars and trains the AOT cache; quick if all is there."""

import os
import sys
from pathlib import Path

from compute.spark.cache import cache_folder
from compute.spark.installation import Installation, NotSetUp, find_installation


def set_up(cache: Path) -> Installation:
    """Brings the cache folder up to date and returns what is there. Safe to run twice at once.

    Raises JarError where the jars cannot be had or differ from the list, ServerError where the JVM does not start.
    """
    try:
        return find_installation(cache)
    except NotSetUp:
        from compute.spark.building import build  # loads gRPC and more, which a set-up that is done does not need

        build(cache)
    return find_installation(cache)


def main() -> None:
    cache = cache_folder(os.environ)
    set_up(cache)
    print(f"Spark is ready in {cache}", file=sys.stderr)


if __name__ == "__main__":
    main()
