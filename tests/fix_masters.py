"""One standalone cluster and one YARN for a whole run, started by the first test that asks for them."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from compute.spark.installation import Installation
from tests.masters.runtime import Runtime
from tests.masters.standalone import Standalone, running_standalone
from tests.masters.yarn import Yarn, running_yarn


@pytest.fixture(scope="session")
def standalone(spark_installation: Installation) -> Iterator[Standalone]:
    with runtime_folder(spark_installation) as runtime, running_standalone(runtime) as cluster:
        yield cluster


@pytest.fixture(scope="session")
def yarn(spark_installation: Installation) -> Iterator[Yarn]:
    with runtime_folder(spark_installation) as runtime, running_yarn(runtime) as cluster:
        yield cluster


@contextmanager
def runtime_folder(installation: Installation) -> Iterator[Runtime]:
    """Every user may pass it: drivers run as another one, who reads the client configuration in it."""
    folder = Path(tempfile.mkdtemp(prefix="lakegate-cluster-"))
    folder.chmod(0o711)
    try:
        runtime = Runtime(installation, folder)
        runtime.make_home()
        yield runtime
    finally:
        shutil.rmtree(folder, ignore_errors=True)
