"""A gateway under load while its parts are killed: what its clients see, what is left, how soon it is well again."""

import random
import secrets
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import psycopg

from catalog.names import TableName
from tests.chaos.clients import IN_DOUBT, RETRYABLE, Ask, Client, Writer, reader
from tests.chaos.recovery import Recovery
from tests.chaos.saboteur import BOTH, DUCKDB, GATEWAY, PLOTS, SPARK, Blow, Plot, Saboteur, kinds
from tests.fix_gateway import NO_SPARK, lake_folder, started_gateway
from tests.processes import until
from tests.target import Target

if TYPE_CHECKING:
    from tests.daemon import Daemon

STANDBY = ("--max-spark-machines", "2")
STATEMENT_SECONDS = 300.0
"""Far longer than any statement here takes, a replaced Spark machine and a restarted gateway included."""
DEALING_SHARE = 2 / 3
END_SECONDS = 60.0
"""For processes that were killed with the gateway: on a busy host they end a little later."""
ORDERS = "SELECT count(*), min(o_orderkey), max(o_orderkey) FROM tpch.orders"
LINES = "SELECT l_returnflag, count(*) FROM tpch.lineitem WHERE l_returnflag = 'R' GROUP BY 1"
METADATA = "SELECT count(*) FROM information_schema.columns WHERE table_schema = 'tpch' AND table_name = 'lineitem'"


@dataclass(slots=True)
class Report:
    """What came of a storm. `wrong`, `leaks` and `missing` must be empty: the last are the kinds of blow that were not
    dealt, or that a lane has not recovered from. `recovery_seconds`: from the last blow until both lanes answer."""

    blows: Counter[str] = field(default_factory=Counter)
    answers: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    leaks: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    recovery: Recovery = field(default_factory=Recovery)
    recovery_seconds: float = 0.0

    def summary(self) -> Mapping[str, Any]:
        """The numbers, fit for JSON."""
        statements = {
            "right": self.answers.total(),
            "retryable": sum(count for state, count in self.errors.items() if state.startswith(RETRYABLE)),
            "in doubt": self.errors[IN_DOUBT],
            "wrong": len(self.wrong),
        }
        return {
            "blows": dict(self.blows),
            "statements": statements,
            "leaks": len(self.leaks),
            "missing": len(self.missing),
            "recovered": [asdict(each) for each in self.recovery.times()],
            "well_again_seconds": round(self.recovery_seconds, 2),
        }


@dataclass(frozen=True, slots=True)
class Setting:
    """How the gateway is started, by options and environment; what may be struck, and the lanes that are asked.

    First every kind of blow is dealt once. Then a blow comes every `pause_seconds` in the mean, a costly one
    `costly_pause_seconds` after the last at the earliest. Every other time it waits, at most for `patience_seconds`,
    until the lanes have recovered: what is struck again and again tells little of how soon it is back, and what is
    always spared tells nothing of blows that come together.
    """

    options: Sequence[str] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    plots: Sequence[Plot] = PLOTS
    lanes: Collection[str] = BOTH
    pause_seconds: float = 1.5
    costly_pause_seconds: float = 20.0
    patience_seconds: float = 60.0


class Storm:
    """One gateway, started again on the same port and data whenever it was killed."""

    def __init__(self, data: Path, password: str, seed: int, setting: Setting) -> None:
        self.report = Report()
        self.runs: set[str] = set()
        """The names of the run folders that there have been."""
        self._data = data
        self._password = password
        self._setting = setting
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
            if SPARK in self._setting.lanes:
                with self.target().connect() as connection:
                    self.report.wrong += self._writer.judge(connection)
            assert self._daemon is not None
            assert self._daemon.stop() == 0, "".join(self._daemon.log)

    def _start(self, stack: ExitStack) -> None:
        listen = "127.0.0.1:0" if self._target is None else f"127.0.0.1:{self._target.port}"
        spark = STANDBY if SPARK in self._setting.lanes else NO_SPARK
        options = ["--listen", listen, *spark, *self._setting.options]
        settings = {"TMPDIR": str(self._data.parent), **self._setting.environment}
        self._daemon = stack.enter_context(started_gateway(self._data, self._password, options, settings))
        url = self._daemon.ready_line.removeprefix("ready ").split()[0]
        self._target = Target.parse(url, self._password, self._daemon.process.pid)

    def _open_clients(self) -> list[Client]:
        with self.target().connect() as connection:
            asks = self._asks(connection)
        clients = [Client(name, self.target, ask, pause, self._hears_of(name)) for name, (ask, pause) in asks.items()]
        for client in clients:
            client.start()
        return clients

    def _asks(self, connection: psycopg.Connection) -> Mapping[str, tuple[Ask, float]]:
        """What each client asks, by its name, and how long it pauses between."""
        orders, lines, metadata = (connection.execute(text.encode()).fetchone() for text in (ORDERS, LINES, METADATA))
        asks: dict[str, tuple[Ask, float]] = {
            **{f"duckdb {n}": (reader("auto", ORDERS, orders, self._chance), 0.02) for n in range(2)},
            "duckdb lines": (reader("duckdb", LINES, lines, self._chance), 0.02),
            "metadata": (reader("auto", METADATA, metadata, self._chance), 0.05),
        }
        if SPARK in self._setting.lanes:
            connection.execute("CREATE TABLE tpch.chaos (n bigint)")
            asks["spark"] = reader("spark", LINES, lines, self._chance), 0.2
            asks["writer"] = self._writer, 0.2
        return asks

    def _hears_of(self, client: str) -> Callable[[float], None]:
        """What a client's answers tell of its lane."""
        for lane in (DUCKDB, SPARK):
            if client.startswith(lane.lower()):
                return partial(self.report.recovery.answered, lane)
        return lambda _began: None

    def _strike_for(self, seconds: float, clients: list[Client], stack: ExitStack) -> None:
        saboteur, end = Saboteur(self._chance, self._setting.plots), time.monotonic() + seconds
        self._deal(saboteur, seconds, clients, stack)
        costly_at = costly_by = time.monotonic() + self._setting.costly_pause_seconds
        while time.monotonic() < end:
            self._pause(self._setting.pause_seconds, clients)
            now = time.monotonic()
            costly = now >= costly_by or (now >= costly_at and self.report.recovery.is_over)
            blow = saboteur.strike(self._gateway, costly=costly)
            if blow is not None:
                self._land(blow, stack)
                if costly:
                    costly_at = time.monotonic() + self._setting.costly_pause_seconds
                    costly_by = costly_at + self._chance.choice((0.0, self._setting.patience_seconds))

    def _deal(self, saboteur: Saboteur, seconds: float, clients: list[Client], stack: ExitStack) -> None:
        """Every kind of blow once, within most of the time: a kind of which there is no victim now comes later."""
        pause = min(self._setting.costly_pause_seconds, DEALING_SHARE * seconds / len(saboteur.undealt))
        latest = time.monotonic() + seconds + STATEMENT_SECONDS
        while saboteur.undealt and time.monotonic() < latest:
            self._pause(pause, clients)
            blow = saboteur.deal(self._gateway)
            if blow is not None:
                self._land(blow, stack)

    @property
    def _gateway(self) -> int:
        assert self._daemon is not None
        return self._daemon.process.pid

    def _pause(self, seconds: float, clients: list[Client]) -> None:
        """So long in the mean."""
        threading.Event().wait(self._chance.expovariate(1 / seconds))
        self._watch(clients)
        self.runs |= {path.name for path in run_folders(self._data.parent)}

    def _land(self, blow: Blow, stack: ExitStack) -> None:
        """Notes a blow, and starts again what nobody else would."""
        self.report.blows[blow.name] += 1
        self.report.recovery.struck(blow, self._setting.lanes)
        blow.plot.revive()
        if blow.plot is GATEWAY:
            assert self._daemon is not None
            self._daemon.process.wait()
            self._start(stack)

    def _watch(self, clients: list[Client]) -> None:
        for client in clients:
            since = client.outcome.since
            assert not since or time.monotonic() - since < STATEMENT_SECONDS, f"a statement of {client.name} never ends"

    def _recover(self, clients: list[Client]) -> None:
        """Until both lanes answer, and have answered each client, also what was asked after the last blow."""
        began = time.monotonic()
        until(self._is_well, STATEMENT_SECONDS)
        self.report.recovery_seconds = time.monotonic() - began
        heard = {client: client.outcome.answers for client in clients}
        until(lambda: all(client.outcome.answers > count for client, count in heard.items()), STATEMENT_SECONDS)
        until(lambda: self.report.recovery.is_over, STATEMENT_SECONDS)
        wounds = {(blow.name, each) for blow in kinds(self._setting.plots) for each in blow.plot.lanes}
        asked = {(name, lane) for name, lane in wounds if lane in self._setting.lanes}
        self.report.missing += [f"not outlived: {name}, {lane}" for name, lane in asked - self.report.recovery.outlived]

    def _is_well(self) -> bool:
        try:
            with self.target().connect(connect_timeout=60) as connection:
                for lane in self._setting.lanes:
                    connection.execute(f"SET lakegate.lane = {lane.lower()}".encode())
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


def run_storm(lake: Mapping[TableName, Path], seconds: float, seed: int, setting: Setting) -> Report:
    """A storm over these tables."""
    password = secrets.token_urlsafe()
    tables = {name: folder for name, folder in lake.items() if name.name in ("orders", "lineitem", "region")}
    with passable_folder() as folder, lake_folder(tables, password, folder) as data:
        storm = Storm(data, password, seed, setting)
        storm.rage(seconds)
        with suppress(AssertionError):
            until(lambda: not left_behind(folder, storm.runs), END_SECONDS)
        storm.report.leaks += left_behind(folder, storm.runs)
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
