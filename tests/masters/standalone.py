"""A standalone master and two workers of two cores each. Who lacks their secret is not heard."""

import json
import re
import secrets
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from compute.spark import aot
from tests.daemon import Daemon
from tests.masters.runtime import Runtime
from tests.processes import children, command_line

EXECUTOR = "org.apache.spark.executor.CoarseGrainedExecutorBackend"
SETTINGS = ("-Dspark.authenticate=true", "-Dspark.network.crypto.enabled=true", "-Dspark.master.rest.enabled=false")
_URL = re.compile(r"Starting Spark master at (spark://\S+)")
_CONSOLE = re.compile(r"Bound MasterWebUI to .*, and started at http://[^:]+:(\d+)")


@dataclass(frozen=True, slots=True)
class Standalone:
    """`secret` is the file of it; `console` is where the master tells what it has."""

    url: str
    secret: Path
    console: str
    workers: tuple[Daemon, ...]

    def executors(self, application: str | None = None) -> list[psutil.Process]:
        """Those that run: of that application, or of all."""
        wanted = {EXECUTOR} if application is None else {EXECUTOR, application}
        workers = (psutil.Process(worker.process.pid) for worker in self.workers)
        found = (child for worker in workers for child in children(worker, recursive=True))
        return [child for child in found if wanted <= set(command_line(child))]

    def applications(self) -> list[str]:
        """Those that the master serves now, by its own account."""
        with urllib.request.urlopen(f"{self.console}/json/", timeout=60) as answer:
            told: Mapping[str, Any] = json.load(answer)
        return [each["id"] for each in told["activeapps"]]

    def end(self, application: str) -> None:
        """As an administrator would, at the master's console."""
        form = f"id={application}&terminate=true".encode()
        urllib.request.urlopen(f"{self.console}/app/kill/", form, timeout=60).close()


@contextmanager
def running_standalone(runtime: Runtime) -> Iterator[Standalone]:
    secret = runtime.folder / "secret"
    secret.touch(mode=0o600)
    secret.write_text(secrets.token_urlsafe())
    spark = runtime.folder / "spark"
    spark.mkdir()
    (spark / "jars").symlink_to(Path(runtime.installation.class_path[-1]).parent)
    variables = {
        "_SPARK_AUTH_SECRET": secret.read_text(),
        "SPARK_HOME": str(spark),
        "SPARK_SCALA_VERSION": "2.13",
        "SPARK_LOCAL_IP": "127.0.0.1",
    }
    master = ("org.apache.spark.deploy.master.Master", "--host", "127.0.0.1", "--port", "0", "--webui-port", "0")
    with runtime.daemon("master", (*_flags(runtime), *master), _is_up, variables) as daemon:
        url = next(found[1] for line in daemon.log if (found := _URL.search(line)))
        port = next(found[1] for line in daemon.log if (found := _CONSOLE.search(line)))
        with _worker(runtime, url, variables, "1") as first, _worker(runtime, url, variables, "2") as second:
            yield Standalone(url, secret, f"http://127.0.0.1:{port}", (first, second))


@contextmanager
def _worker(runtime: Runtime, url: str, variables: Mapping[str, str], name: str) -> Iterator[Daemon]:
    place = ("--host", "127.0.0.1", "--webui-port", "0", "--work-dir", str(runtime.folder / f"work-{name}"))
    main = ("org.apache.spark.deploy.worker.Worker", *place, "--cores", "2", "--memory", "2g", url)
    registered = "Successfully registered with master"
    arguments = (*_flags(runtime), *main)
    with runtime.daemon(f"worker-{name}", arguments, lambda line: registered in line, variables) as daemon:
        yield daemon


def _is_up(line: str) -> bool:
    return bool(_CONSOLE.search(line))


def _flags(runtime: Runtime) -> tuple[str, ...]:
    found = runtime.installation
    return (*aot.use_flags(found.archive), *SETTINGS, "-cp", ":".join(found.class_path))
