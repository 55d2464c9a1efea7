"""The daemons' Java: the machines' own, by a name under which others start it too."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from compute.spark import java
from compute.spark.installation import Installation
from tests.daemon import Daemon, running

HEAP = "-Xmx512m"
_PROGRAM = """#!/bin/sh
for argument; do
    shift
    case $argument in --add-modules=jdk.incubator.vector) ;; *) set -- "$@" "$argument" ;; esac
done
exec {java} -XX:+UseSerialGC -XX:TieredStopAtLevel=1 "$@"
"""
"""Spark names a module that this Java lacks and does not need. Executors here live too short to pay for optimising."""


@dataclass(frozen=True, slots=True)
class Runtime:
    """`installation` is what machines have. `folder` holds what daemons write, and may be passed by every user."""

    installation: Installation
    folder: Path

    @property
    def home(self) -> Path:
        """What JAVA_HOME is to be for executors."""
        return self.folder / "java"

    @property
    def environment(self) -> Mapping[str, str]:
        return java.environment({"JAVA_HOME": str(self.home)})

    def make_home(self) -> None:
        program = self.home / "bin" / "java"
        program.parent.mkdir(parents=True)
        program.write_text(_PROGRAM.format(java=self.installation.java))
        program.chmod(0o755)

    @contextmanager
    def daemon(
        self,
        name: str,
        arguments: Sequence[str],
        is_ready: Callable[[str], bool],
        variables: Mapping[str, str],
    ) -> Iterator[Daemon]:
        """A JVM with these arguments, once it is ready. Leaving ends it."""
        flags = (*java.COLLECTOR_FLAGS, *java.MODULE_FLAGS, HEAP, *arguments)
        file = java.write_argument_file(self.folder / f"{name}.args", flags)
        environment = {**self.environment, **variables}
        with running([self.installation.java, file], is_ready, environment=environment, cwd=self.folder) as daemon:
            try:
                yield daemon
            finally:
                daemon.process.terminate()  # Java ignores an interrupt that its parent ignores
