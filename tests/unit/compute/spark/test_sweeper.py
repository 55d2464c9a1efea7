"""When the sweeper sweeps, and when sessions close; what a sweep does on a real JVM is in the engine's conformance."""

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, cast

import pytest

from compute.engines.spark import sweeper as module
from compute.engines.spark.sweeper import MOST, Sweeper

if TYPE_CHECKING:
    from compute.spark.client import ConnectSession, Execution


class Swept:
    """Stands for an execution and its session. `sweeps` counts; it may be swept again for `often` times."""

    def __init__(self, often: int = 1000, act: Callable[[], None] = lambda: None) -> None:
        self.sweeps = 0
        self.closed = threading.Event()
        self.session = self
        self._often = often
        self._act = act

    def sweep(self) -> bool:
        assert not self.closed.is_set(), "a closed session cannot cancel its jobs"
        self._act()
        self.sweeps += 1
        return self.sweeps < self._often

    def close(self) -> None:
        self.closed.set()


def add(sweeper: Sweeper, swept: Swept) -> None:
    sweeper.add(cast("Execution", swept))


def release(sweeper: Sweeper, swept: Swept) -> None:
    sweeper.release(cast("ConnectSession", swept))


@pytest.fixture(autouse=True)
def without_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PAUSES", (0.0,) * len(module.PAUSES))


def test_a_session_that_is_not_swept_closes_at_once() -> None:
    swept = Swept()
    release(Sweeper(), swept)
    assert swept.closed.is_set()


def test_a_swept_session_closes_after_its_last_sweep() -> None:
    released = threading.Event()
    sweeper, swept = Sweeper(), Swept(act=lambda: cast("None", released.wait()))
    add(sweeper, swept)
    release(sweeper, swept)
    assert not swept.closed.is_set()
    released.set()
    assert swept.closed.wait(60)
    assert swept.sweeps == len(module.PAUSES)


def test_a_server_that_remembers_is_asked_once() -> None:
    sweeper, swept = Sweeper(), Swept(often=1)
    add(sweeper, swept)
    release(sweeper, swept)
    assert swept.closed.wait(60)
    assert swept.sweeps == 1


def test_statements_beyond_the_bound_end_the_oldest() -> None:
    """While the first is swept, as many as there may be wait beside it, and no session stays open for good."""
    going_on = threading.Event()
    sweeper, first = Sweeper(), Swept(act=lambda: cast("None", going_on.wait()))
    add(sweeper, first)
    others = [Swept() for _ in range(MOST + 10)]
    for swept in others:
        add(sweeper, swept)
        release(sweeper, swept)
    release(sweeper, first)
    going_on.set()
    assert all(swept.closed.wait(60) for swept in (first, *others))
    assert sum(swept.sweeps == 0 for swept in others) <= 11


def test_it_ends_with_its_server() -> None:
    """While one statement is swept others are due: none is swept any more, and every session closes."""
    sweeping, going_on = threading.Event(), threading.Event()

    def act() -> None:
        sweeping.set()
        going_on.wait()

    sweeper, first, others = Sweeper(), Swept(act=act), [Swept() for _ in range(3)]
    for swept in (first, *others):
        add(sweeper, swept)
        release(sweeper, swept)
    assert sweeping.wait(60)
    closing = threading.Thread(target=sweeper.close)
    closing.start()
    going_on.set()
    closing.join(60)
    assert not closing.is_alive()
    assert [swept.closed.is_set() for swept in (first, *others)] == [True] * 4
    assert first.sweeps + sum(swept.sweeps for swept in others) == 1


def test_nothing_is_swept_after_the_end() -> None:
    sweeper, swept = Sweeper(), Swept()
    sweeper.close()
    sweeper.close()
    add(sweeper, swept)
    release(sweeper, swept)
    assert swept.closed.is_set()
    assert swept.sweeps == 0
