"""What an executor's Java is started with."""

from pathlib import Path

import pytest

from compute.spark.configuration import compiler_flags, executor_settings
from compute.spark.executor import java_arguments, java_environment
from compute.spark.installation import Installation

INSTALLATION = Installation(Path("/opt/java/bin/java"), ("/opt/a.jar", "/opt/b.jar"), Path("/opt/spark.aot"))
VARIABLES = {
    "SPARK_DRIVER_URL": "spark://CoarseGrainedScheduler@198.18.1.2:7078",
    "SPARK_EXECUTOR_ID": "1",
    "SPARK_EXECUTOR_CORES": "2",
    "SPARK_EXECUTOR_MEMORY": "512m",
    "SPARK_APPLICATION_ID": "spark-application-1",
    "SPARK_EXECUTOR_POD_IP": "198.18.1.3",
    "SPARK_EXECUTOR_POD_NAME": "driver-exec-1",
    "SPARK_RESOURCE_PROFILE_ID": "0",
    "SPARK_JAVA_OPT_0": "--add-modules=jdk.incubator.vector",
    "SPARK_JAVA_OPT_1": "-Dspark.authenticate=true",
    "PATH": "/somewhere",
}


def test_the_driver_chooses_settings_and_not_javas_flags() -> None:
    arguments = java_arguments(INSTALLATION, VARIABLES)
    assert "-Dspark.authenticate=true" in arguments
    assert not any("incubator" in argument for argument in arguments)
    assert arguments[0] == "-XX:AOTCache=/opt/spark.aot"
    assert "-Xmx512m" in arguments


def test_the_driver_may_choose_javas_last_compiler() -> None:
    flags = executor_settings(compiler_flags({"compiler": "c1"}))
    chosen = java_arguments(INSTALLATION, VARIABLES | {"SPARK_JAVA_OPT_2": flags["spark.executor.extraJavaOptions"]})
    assert "-XX:TieredStopAtLevel=1" in chosen
    assert "-XX:TieredStopAtLevel=1" not in java_arguments(INSTALLATION, VARIABLES)
    assert executor_settings(compiler_flags({})) == {}


def test_the_executor_knows_who_it_is() -> None:
    arguments = java_arguments(INSTALLATION, VARIABLES)
    assert arguments[arguments.index("--hostname") + 1] == "198.18.1.3"
    assert arguments[arguments.index("--driver-url") + 1] == VARIABLES["SPARK_DRIVER_URL"]


def test_the_secret_is_a_variable_of_the_process_alone() -> None:
    environment = java_environment(VARIABLES, b"secret")
    assert environment["_SPARK_AUTH_SECRET"] == "c2VjcmV0"
    assert environment["PATH"] != "/somewhere"
    assert "SPARK_JAVA_OPT_1" not in environment


def test_a_driver_that_says_too_little_is_an_error() -> None:
    with pytest.raises(KeyError, match="SPARK_DRIVER_URL"):
        java_arguments(INSTALLATION, {"SPARK_EXECUTOR_MEMORY": "512m"})
