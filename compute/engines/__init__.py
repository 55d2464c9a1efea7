"""Engines: what runs SQL inside a machine.

An engine module (`compute.engines.duckdb`, `compute.engines.spark`) offers one function, ``open_engine(options) ->
Engine``. The guest opens one engine a machine, gives it the machine's identity once, then opens one session a
connection. Everything here runs inside the machine; nothing here knows sockets.

Threads: a session's `execute` and `describe` and the reading of its result are called by one thread; `cancel` comes
from another thread at any moment. Errors that a client may see are `catalog.errors.SqlError`; any other exception is
a bug.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING, Protocol, cast

import pyarrow as pa

from catalog.scans import Scan

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

ENGINE_LOST = 70
"""The exit status of a machine whose engine has gone."""


@dataclass(frozen=True, slots=True)
class EngineOptions:
    """What is known before any tenant is: it fixes the template of a machine.

    `memory_bytes` bounds the engine, not the whole process. `scratch` is a private folder to spill into, as the
    machine sees it; a template that is forked later has none yet (`Binding.scratch`). `uid` is the user that programs
    started by the engine run as (None: no other than our own), and `confine` what each of them does before it runs.
    `properties` are the engine's own (Spark's configuration, for one). `files` are a file system whose names scans may
    have for paths, beside the warehouse's own. `tables` is where an engine that reads tables by their paths finds
    these, as HOST:PORT of a server that speaks WebHDFS; None: in the file system. Such a machine serves one lease, and
    reads only. `emulated` says that its processor is, where code runs many times slower and costs as much to compile.
    """

    threads: int
    memory_bytes: int
    scratch: str | None = None
    uid: int | None = None
    confine: Callable[[], None] = lambda: None
    properties: Mapping[str, str] = field(default_factory=dict)
    files: "AbstractFileSystem | None" = None
    tables: str | None = None
    emulated: bool = False


@dataclass(frozen=True, slots=True)
class Binding:
    """What makes a warm machine one workspace's own.

    `warehouse` is the root of its tables, at the same path as outside. `scratch` is the machine's folder to spill into.
    """

    workspace: str
    warehouse: str
    seed: bytes
    scratch: str


@dataclass(frozen=True, slots=True)
class Result:
    """A running statement. The reader is pulled batch by batch, never materialised. `affected` counts rows written.

    An engine that runs a write to its end inside `execute` returns an empty reader and the count. A batch of fewer rows
    than `full_rows` is the last: nothing more has to be computed to know that.
    """

    reader: pa.RecordBatchReader
    affected: int | None = None
    full_rows: int = 0


class Session(Protocol):
    """One connection's state in an engine.

    One statement at a time: `execute` ends what an earlier result left running.
    """

    def execute(
        self,
        sql: str,
        parameters: pa.RecordBatch | None,
        scans: Sequence[Scan],
        settings: Mapping[str, str],
    ) -> Result:
        """Runs one statement. `parameters` has one row and columns p1, p2, ... Raises SqlError."""
        ...

    def describe(
        self,
        sql: str,
        parameters: pa.RecordBatch | None,
        scans: Sequence[Scan],
        settings: Mapping[str, str],
    ) -> pa.Schema:
        """The result's schema without executing anything. Raises SqlError."""
        ...

    def cancel(self) -> None:
        """Stops the running statement, which then raises QueryCanceled. Called again until the statement has ended."""
        ...

    def close(self) -> None: ...


class Engine(Protocol):
    """A warm engine. `bind` comes once, after the machine got its identity and before the first session.

    `folders` are the host's folders that the engine's programs still read after the machine is sealed (a JVM and its
    jars); the machine sees them read-only. An engine inside the guest's own process needs none.
    """

    name: str
    version: str
    folders: Sequence[str]

    def bind(self, binding: Binding) -> None: ...

    def open_session(self) -> Session: ...

    def close(self) -> None: ...


def open_engine(name: str, options: EngineOptions) -> Engine:
    """Opens and warms the engine of that name; slow the first time, so it belongs into a template.

    A name with a dot in it is that of a module elsewhere. Names come from the operator's configuration alone.
    """
    module = import_module(name if "." in name else f"compute.engines.{name}")
    return cast("Engine", module.open_engine(options))
