"""A gateway under load while its parts are killed: what its clients see, what is left, how soon it is well again."""

import random
import secrets
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import psycopg

from catalog.names import TableName
from tests.chaos.clients import Ask, Client, Writer, reader
from tests.chaos.saboteur import Saboteur
from tests.fix_gateway import lake_folder, started_gateway
from tests.processes import until
from tests.target import Target

if TYPE_CHECKING:
    from tests.daemon import Daemon

STATEMENT_SECONDS = 300.0
"""Far longer than any statement here takes, a replaced Spark machine and a restarted gateway included."""
END_SECONDS = 60.0
"""For processes that were killed with the gateway: on a busy host they end a little later."""
MEAN_PAUSE_SECONDS = 1.5
COSTLY_PAUSE_SECONDS = 20.0
ORDERS = "SELECT count(*), min(o_orderkey), max(o_orderkey) FROM tpch.orders"
LINES = "SELECT l_returnflag, count(*) FROM tpch.lineitem WHERE l_returnflag = 'R' GROUP BY 1"
METADATA = "SELECT count(*) FROM information_schema.columns WHERE table_schema = 'tpch' AND table_name = 'lineitem'"


@dataclass(slots=True)
class Report:
    """What came of a storm. `wrong` must be empty. `recovery_seconds`: from the last blow until both lanes answer."""

    kills: Counter[str] = field(default_factory=Counter)
    answers: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    recovery_seconds: float = 0.0


class Storm:
    """One gateway, started again on the same port and data whenever it was killed."""

    def __init__(self, data: Path, password: str, seed: int, options: Sequence[str]) -> None:
        self.report = Report()
        self.runs: set[str] = set()
        """The names of the run folders that there have been."""
        self._data = data
        self._password = password
        self._options = options
        self._chance = random.Random(seed)
        self._daemon: Daemon | None = None
        self._target: Target | None = None
        self._writer = Writer("tpch.chaos")

    def target(self) -> Target:
        assert self._target is not None, "clients come after the gateway"
        return self._target

    def rage(self, seconds: float) -> None:
        """Starts, loads, kills for that long, then waits until all is well, judges and stops."""
        with ExitStack() as stack:
            self._start(stack)
            clients = self._open_clients()
            try:
                self._strike_for(seconds, clients, stack)
                self._recover(clients)
            finally:
                self._close_clients(clients)
            with self.target().connect() as connection:
                self.report.wrong += self._writer.judge(connection)
            assert self._daemon is not None
            assert self._daemon.stop() == 0, "".join(self._daemon.log)

    def _start(self, stack: ExitStack) -> None:
        listen = "127.0.0.1:0" if self._target is None else f"127.0.0.1:{self._target.port}"
        options = ["--listen", listen, *self._options]
        settings = {"TMPDIR": str(self._data.parent)}
        self._daemon = stack.enter_context(started_gateway(self._data, self._password, options, settings))
        url = self._daemon.ready_line.removeprefix("ready ").split()[0]
        self._target = Target.parse(url, self._password, self._daemon.process.pid)

    def _open_clients(self) -> list[Client]:
        with self.target().connect() as connection:
            connection.execute("CREATE TABLE tpch.chaos (n bigint)")
            expected = [connection.execute(text.encode()).fetchone() for text in (ORDERS, LINES, METADATA)]
        asks: dict[str, tuple[Ask, float]] = {
            **{f"duckdb {n}": (reader("auto", ORDERS, expected[0], self._chance), 0.02) for n in range(2)},
            "duckdb lines": (reader("duckdb", LINES, expected[1], self._chance), 0.02),
            "spark": (reader("spark", LINES, expected[1], self._chance), 0.2),
            "metadata": (reader("auto", METADATA, expected[2], self._chance), 0.05),
            "writer": (self._writer, 0.2),
        }
        clients = [Client(name, self.target, ask, pause) for name, (ask, pause) in asks.items()]
        for client in clients:
            client.start()
        return clients

    def _strike_for(self, seconds: float, clients: list[Client], stack: ExitStack) -> None:
        saboteur, end, costly_at, pause = Saboteur(self._chance), time.monotonic() + seconds, 0.0, threading.Event()
        while time.monotonic() < end:
            pause.wait(self._chance.expovariate(1 / MEAN_PAUSE_SECONDS))
            costly = time.monotonic() >= costly_at
            assert self._daemon is not None
            self.runs |= {path.name for path in run_folders(self._data.parent)}
            victim = saboteur.strike(self._daemon.process.pid, costly=costly)
            if victim is not None:
                self.report.kills[victim] += 1
                costly_at = time.monotonic() + COSTLY_PAUSE_SECONDS if costly else costly_at
            if victim == "the gateway":
                self._daemon.process.wait()
                self._start(stack)
            self._watch(clients)

    def _watch(self, clients: list[Client]) -> None:
        for client in clients:
            since = client.outcome.since
            assert not since or time.monotonic() - since < STATEMENT_SECONDS, f"a statement of {client.name} never ends"

    def _recover(self, clients: list[Client]) -> None:
        """Until both lanes answer, and have answered each client."""
        began = time.monotonic()
        until(self._is_well, STATEMENT_SECONDS)
        self.report.recovery_seconds = time.monotonic() - began
        heard = {client: client.outcome.answers for client in clients}
        until(lambda: all(client.outcome.answers > count for client, count in heard.items()), STATEMENT_SECONDS)

    def _is_well(self) -> bool:
        try:
            with self.target().connect(connect_timeout=60) as connection:
                for lane in ("duckdb", "spark"):
                    connection.execute(f"SET lakegate.lane = {lane}".encode())
                    connection.execute("SELECT count(*) FROM tpch.region")
        except psycopg.Error:
            return False
        return True

    def _close_clients(self, clients: list[Client]) -> None:
        for client in clients:
            client.stop()
        for client in clients:
            client.join(STATEMENT_SECONDS)
            if client.is_alive():
                self.report.wrong.append(f"a statement of {client.name} never ends")
            self.report.answers[client.name] += client.outcome.answers
            self.report.errors += client.outcome.errors
            self.report.wrong += client.outcome.wrong


def run_storm(lake: Mapping[TableName, Path], seconds: float, seed: int, options: Sequence[str] = ()) -> Report:
    """A storm over these tables and a gateway with these options. What it leaves behind is among what is `wrong`."""
    password = secrets.token_urlsafe()
    tables = {name: folder for name, folder in lake.items() if name.name in ("orders", "lineitem", "region")}
    with passable_folder() as folder, lake_folder(tables, password, folder) as data:
        storm = Storm(data, password, seed, options)
        storm.rage(seconds)
        with suppress(AssertionError):
            until(lambda: not left_behind(folder, storm.runs), END_SECONDS)
        storm.report.wrong += left_behind(folder, storm.runs)
    return storm.report


def left_behind(folder: Path, runs: set[str]) -> list[str]:
    """What is still there of a gateway that has ended."""
    groups = (path for run in runs for path in control_groups(run))
    paths = [f"left behind: {path}" for path in (*run_folders(folder), *groups)]
    return [*paths, *(f"left running: {process}" for process in users_of(folder))]


@contextmanager
def passable_folder() -> Iterator[Path]:
    """A folder of our own for everything that the gateway makes."""
    with tempfile.TemporaryDirectory(prefix="lakegate-chaos-") as name:
        folder = Path(name)
        folder.chmod(0o711)
        yield folder


def run_folders(folder: Path) -> Iterator[Path]:
    """Those of spawners, whose control groups are called like them."""
    return folder.glob("lakegate-run-*")


def control_groups(run: str) -> Iterator[Path]:
    return Path("/sys/fs/cgroup").glob(f"**/{run}")


def users_of(folder: Path) -> list[psutil.Process]:
    """Processes that were started with that folder in their command line."""
    found = []
    for process in psutil.process_iter():
        try:
            if any(str(folder) in argument for argument in process.cmdline()):
                found.append(process)
        except psutil.Error:
            continue
    return found
