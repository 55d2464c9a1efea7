"""A JVM as a process of its own: its flags, its folders, its user, and that it dies with whoever started it."""

import ctypes
import os
import shutil
import signal
import subprocess
import sys
import sysconfig
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from compute.spark import java

LOGGING = Path(__file__).with_name("log4j2.properties")
USER = "lakegate"
FOLDERS = ("tmp", "local", "warehouse")
"""What a JVM needs in its scratch folder: Java's temporary files, Spark's blocks, and a default warehouse."""
SYSTEM_LIBRARIES = ("/lib", "/lib64", "/usr/lib")
SYSTEM_PROGRAMS = ("chmod", "ls", "rm")
"""Hadoop and Spark run these, for permissions and for whole folders."""
_VARIABLES = {"SPARK_LOCAL_IP": "127.0.0.1", "HADOOP_USER_NAME": USER}
_PR_SET_PDEATHSIG = 1
_PR_SET_NO_NEW_PRIVS = 38


@dataclass(frozen=True, slots=True)
class JvmOptions:
    """What one JVM is started with. `java` is the program; `java_flags` are those beyond the fixed ones, the AOT
    cache's among them.

    `uid` is the user that it runs as, None for our own; `scratch` must be writable to it. `confine` is called in the
    new process before the JVM runs. `environment` joins the JVM's own.
    """

    java: Path
    class_path: tuple[str, ...]
    settings: Mapping[str, str] = field(repr=False)
    scratch: Path
    heap_bytes: int
    uid: int | None = None
    confine: Callable[[], None] = lambda: None
    java_flags: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)


def start_jvm(
    options: JvmOptions, command: tuple[str, ...], *, stdout: int | IO[str], stderr: int
) -> subprocess.Popen[str]:
    """`command` is the main class and its arguments; `stdout` and `stderr` are as `subprocess` takes them.

    Nobody else sees the arguments: the process has them from a file.
    """
    for name in FOLDERS:
        folder = options.scratch / name
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if options.uid is not None:
            os.chown(folder, options.uid, options.uid)
    arguments = (*jvm_arguments(options), "-cp", ":".join(options.class_path), *command)
    argument_file = java.write_argument_file(options.scratch / "tmp" / "java.args", arguments)
    return subprocess.Popen(
        [options.java, argument_file],
        cwd=options.scratch,
        env=java.environment({**_VARIABLES, **options.environment}),
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=stderr,
        text=True,
        errors="replace",
        user=options.uid,
        group=options.uid,
        extra_groups=None if options.uid is None else [],
        preexec_fn=_prepare_child(options.confine),
    )


def jvm_arguments(options: JvmOptions) -> tuple[str, ...]:
    """Everything after ``java``, the class path aside. The order of flags must be the same in training and in use."""
    return (
        *options.java_flags,
        *java.COLLECTOR_FLAGS,
        *java.MODULE_FLAGS,
        *java.LOG_FLAGS,
        f"-Xmx{options.heap_bytes}",
        f"-XX:MaxDirectMemorySize={options.heap_bytes // 2}",
        f"-Djava.io.tmpdir={options.scratch / 'tmp'}",
        f"-XX:ErrorFile={options.scratch / 'tmp' / 'jvm-crash.log'}",
        f"-Dlog4j2.configurationFile={LOGGING}",
        "-Duser.timezone=UTC",
        *(f"-D{key}={value}" for key, value in options.settings.items()),
    )


def _prepare_child(confine: Callable[[], None]) -> Callable[[], None]:
    """What the child does before ``exec``: it will die with us, and no program it runs gains rights."""
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    parent = os.getpid()

    def prepare() -> None:
        prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:
            os._exit(1)
        confine()

    return prepare


def program_folders() -> Sequence[str]:
    """Where the JVM and this interpreter still look for classes, modules and libraries after the machine is sealed."""
    folders = (sys.prefix, sysconfig.get_path("stdlib"), *SYSTEM_LIBRARIES)
    programs = (shutil.which(program, path=os.defpath) for program in SYSTEM_PROGRAMS)
    return [path for path in (*folders, *programs) if path is not None and os.path.exists(path)]
