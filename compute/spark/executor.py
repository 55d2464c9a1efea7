"""``python -m compute.spark.executor CACHE SECRET executor``:

an executor of a driver elsewhere, in a pod of its own. The driver says by variables what it is to be, as Spark's own
images expect it (`SPARK_EXECUTOR_ID` and so on). This process becomes the JVM, so that signals reach it.

Of what the driver wants of Java only Spark's settings are taken: the flags are the ones that the AOT cache was trained
with, and Spark's own name a module that this Java lacks.

The secret of the driver's cluster is a file. Spark's executor reads it too late, and would have a variable instead,
which is one of the process here and none of the pod, where others could read it.
"""

import base64
import os
import sys
from collections.abc import Mapping
from pathlib import Path

from compute.spark import aot, java
from compute.spark.configuration import C1_FLAGS
from compute.spark.installation import Installation, find_installation
from compute.spark.jvm import LOGGING, USER

MAIN_CLASS = "org.apache.spark.scheduler.cluster.k8s.KubernetesExecutorBackend"
SCRATCH = Path("/scratch")
SETTING = "SPARK_JAVA_OPT_"
ARGUMENTS: Mapping[str, str] = {
    "--driver-url": "SPARK_DRIVER_URL",
    "--executor-id": "SPARK_EXECUTOR_ID",
    "--cores": "SPARK_EXECUTOR_CORES",
    "--app-id": "SPARK_APPLICATION_ID",
    "--hostname": "SPARK_EXECUTOR_POD_IP",
    "--resourceProfileId": "SPARK_RESOURCE_PROFILE_ID",
    "--podName": "SPARK_EXECUTOR_POD_NAME",
}


def main() -> None:
    installation = find_installation(Path(sys.argv[1]))
    temporary = SCRATCH / "tmp"
    temporary.mkdir(exist_ok=True)
    arguments = java.write_argument_file(temporary / "java.args", java_arguments(installation, os.environ))
    environment = java_environment(os.environ, Path(sys.argv[2]).read_bytes())
    os.execve(installation.java, [str(installation.java), arguments], environment)


def java_arguments(installation: Installation, variables: Mapping[str, str]) -> tuple[str, ...]:
    """Everything after ``java``. Raises KeyError where a variable is missing."""
    said = [value for name, value in sorted(variables.items()) if name.startswith(SETTING)]
    memory = variables["SPARK_EXECUTOR_MEMORY"]
    return (
        *aot.use_flags(installation.archive),
        *java.COLLECTOR_FLAGS,
        *java.MODULE_FLAGS,
        *java.LOG_FLAGS,
        *(flag for flag in C1_FLAGS if flag in said),
        f"-Xmx{memory}",
        f"-Djava.io.tmpdir={SCRATCH / 'tmp'}",
        f"-XX:ErrorFile={SCRATCH / 'tmp' / 'jvm-crash.log'}",
        f"-Dlog4j2.configurationFile={LOGGING}",
        "-Duser.timezone=UTC",
        *(setting for setting in said if setting.startswith("-Dspark.")),
        "-cp",
        ":".join(installation.class_path),
        MAIN_CLASS,
        *(word for name, variable in ARGUMENTS.items() for word in (name, variables[variable])),
    )


def java_environment(variables: Mapping[str, str], secret: bytes) -> dict[str, str]:
    """Spark's own variables, and the secret as the driver makes it of the same file."""
    own = {name: value for name, value in variables.items() if name.startswith("SPARK_")}
    kept = {name: value for name, value in own.items() if not name.startswith(SETTING)}
    return java.environment({**kept, "_SPARK_AUTH_SECRET": base64.b64encode(secret).decode(), "HADOOP_USER_NAME": USER})


if __name__ == "__main__":
    main()
