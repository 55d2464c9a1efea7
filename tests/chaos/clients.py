"""Clients that never stop asking: each knows the right answer to what it asks, and which errors it may get."""

import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import psycopg

from tests.target import Target

RETRYABLE = ("08", "53", "57P0", "58000")
"""Beginnings of the SQLSTATEs that tell a client to try again."""
IN_DOUBT = "40003"
RECONNECT_SECONDS = 0.2


@dataclass(slots=True)
class Outcome:
    """What one client has seen. `wrong` must stay empty; `since` is when the statement at hand began, 0 between two."""

    answers: int = 0
    errors: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    since: float = 0.0


Ask = Callable[[psycopg.Connection], str | None]
"""Runs one statement on an open connection. What was wrong about its answer; None if it was right."""
Told = Callable[[float], None]
"""Hears of each answer when the statement had begun."""


class Client(threading.Thread):
    """Asks until it is told to stop, over a new connection whenever the last one broke."""

    def __init__(self, name: str, target: Callable[[], Target], ask: Ask, pause_seconds: float, told: Told) -> None:
        super().__init__(name=name, daemon=True)
        self.outcome = Outcome()
        self._told = told
        self._target = target
        self._ask = ask
        self._pause_seconds = pause_seconds
        self._over = threading.Event()

    def stop(self) -> None:
        self._over.set()

    def run(self) -> None:
        while not self._over.is_set():
            self._note(self._converse)
            self._over.wait(RECONNECT_SECONDS)

    def _converse(self) -> None:
        self.outcome.since = time.monotonic()
        with self._target().connect(connect_timeout=60) as connection:
            while not self._over.is_set() and not connection.closed:
                self._note(lambda: self._answer(connection))
                self._over.wait(self._pause_seconds)

    def _answer(self, connection: psycopg.Connection) -> None:
        self.outcome.since = time.monotonic()
        if wrong := self._ask(connection):
            self.outcome.wrong.append(f"{self.name}: {wrong}")
        self.outcome.answers += 1
        self._told(self.outcome.since)

    def _note(self, act: Callable[[], None]) -> None:
        try:
            act()
        except psycopg.Error as error:
            state = error.sqlstate or "08006"
            self.outcome.errors[state] += 1
            if not state.startswith((*RETRYABLE, IN_DOUBT)):
                self.outcome.wrong.append(f"{self.name}: {state} {error}")
        finally:
            self.outcome.since = 0.0


def reader(lane: str, statement: str, expected: object, chance: random.Random) -> Ask:
    """Compares with the one row that comes whenever nothing is broken; sometimes inside a block."""

    def ask(connection: psycopg.Connection) -> str | None:
        connection.execute(f"SET lakegate.lane = {lane}".encode())
        if chance.random() < 0.5:
            rows = connection.execute(statement.encode()).fetchall()
        else:
            with connection.transaction():
                rows = connection.execute(statement.encode(), prepare=True).fetchall()
        return None if rows == [expected] else f"{statement} gave {rows}, not {expected}"

    return ask


class Writer:
    """Inserts the numbers from 1 on, each once. `done` were acknowledged, `doubtful` may have been written."""

    def __init__(self, table: str) -> None:
        self._table = table
        self._numbers = self._count()
        self.done: set[int] = set()
        self.doubtful: set[int] = set()

    def __call__(self, connection: psycopg.Connection) -> str | None:
        number = next(self._numbers)
        self.doubtful.add(number)
        try:
            cursor = connection.execute(f"INSERT INTO {self._table} VALUES ({number})".encode())
        except psycopg.Error as error:
            if error.sqlstate is not None and not error.sqlstate.startswith((IN_DOUBT, "57P0", "08")):
                self.doubtful.discard(number)
            raise
        self.doubtful.discard(number)
        self.done.add(number)
        return None if cursor.rowcount == 1 else f"the insert told {cursor.rowcount} rows"

    def judge(self, connection: psycopg.Connection) -> list[str]:
        """What of the table's rows does not fit the acknowledgements."""
        found = Counter(number for (number,) in connection.execute(f"SELECT n FROM {self._table}".encode()))
        lost = self.done - found.keys()
        unasked = found.keys() - self.done - self.doubtful
        twice = [number for number, times in found.items() if times > 1]
        told = {"lost": lost, "failed but there": unasked, "there twice": twice}
        return [f"rows {what}: {sorted(numbers)}" for what, numbers in told.items() if numbers]

    def _count(self) -> Iterator[int]:
        number = 0
        while True:
            number += 1
            yield number
