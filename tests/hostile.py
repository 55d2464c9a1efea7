"""An engine that a stranger has taken over: it runs the Python that it is sent as a statement, in the sealed machine.

For tests alone: a machine opens it by the name of this module. Statements find the modules below imported, as the
sealed machine has no files to import from, and leave their answer in `result`; what they raise is the answer otherwise.
"""

import ctypes
import json
import mmap
import os
import random
import shutil
import signal
import socket
import sys
import sysconfig
import threading
import time
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from catalog.scans import Scan
from compute.engines import Binding, EngineOptions, Result

LIBC = ctypes.CDLL(None, use_errno=True)
REACH = {
    module.__name__: module
    for module in (ctypes, json, mmap, os, random, shutil, signal, socket, sys, threading, time, uuid)
}


def open_engine(options: EngineOptions) -> "HostileEngine":
    return HostileEngine()


REFUSED = {
    "unshare": (272, 97),
    "setns": (308, 268),
    "mount": (165, 40),
    "umount2": (166, 39),
    "pivot_root": (155, 41),
    "chroot": (161, 51),
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    "io_uring_setup": (425, 425),
    "keyctl": (250, 219),
    "open_by_handle_at": (304, 265),
    "memfd_create": (319, 279),
    "setuid": (105, 146),
    "sethostname": (170, 161),
    "clock_settime": (227, 112),
    "init_module": (175, 105),
}
"""System calls that no machine may make, by their numbers on x86_64 and aarch64."""


def call(number: int, *arguments: Any) -> str:
    """A system call by its number: "ok", or the name of what it failed with."""
    result = LIBC.syscall(number, *arguments)
    return "ok" if result >= 0 else os.strerror(ctypes.get_errno())


class HostileEngine:
    """Its folders let it run programs, where the machine does."""

    name = "hostile"
    version = "1"
    folders: Sequence[str] = [
        path
        for path in (sys.prefix, sysconfig.get_path("stdlib"), "/lib", "/lib64", "/usr/lib", "/bin/true")
        if Path(path).exists()
    ]

    def bind(self, binding: Binding) -> None:
        self.binding = binding

    def open_session(self) -> "HostileSession":
        return HostileSession(self.binding)

    def close(self) -> None:
        """Nothing is held."""


class HostileSession:
    def __init__(self, binding: Binding) -> None:
        self._names: dict[str, Any] = {
            **REACH,
            "call": call,
            "scratch": binding.scratch,
            "warehouse": binding.warehouse,
        }

    def execute(
        self, sql: str, parameters: pa.RecordBatch | None, scans: Sequence[Scan], settings: Mapping[str, str]
    ) -> Result:
        """Runs it, to its end or to what it raises."""
        self._names["result"] = None
        try:
            exec(sql, self._names)
        except Exception as error:
            self._names["result"] = f"{type(error).__name__}: {error}"
        batch = pa.record_batch({"result": [json.dumps(self._names["result"])]})
        return Result(pa.RecordBatchReader.from_batches(batch.schema, [batch]))

    def describe(
        self, sql: str, parameters: pa.RecordBatch | None, scans: Sequence[Scan], settings: Mapping[str, str]
    ) -> pa.Schema:
        return pa.schema([("result", pa.string())])

    def cancel(self) -> None:
        """It hears nobody."""

    def close(self) -> None:
        """Nothing is held."""
