"""Which executors a driver has, by the lines of its log."""

import pytest

from compute.spark import presence
from compute.spark.presence import Presence

CAME = "INFO ExecutorMonitor: New executor {} has registered (new total is 1)\n"
WENT = "INFO ExecutorMonitor: Executor {} is removed. Remove reason statistics: (gracefully decommissioned: 0)\n"


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(presence, "time", clock)
    return clock


def test_a_driver_is_alone_before_the_first_has_come_and_after_the_last_has_gone(clock: Clock) -> None:
    driver = Presence()
    clock.now += 7
    assert driver.alone_seconds() == 7
    for line in (CAME.format(1), CAME.format(2), "WARN TaskSetManager: Lost task 0.0\n", WENT.format(1)):
        driver.hear(line)
        assert driver.alone_seconds() == 0
    driver.hear(WENT.format(2))
    clock.now += 3
    driver.hear(WENT.format(2))
    assert driver.alone_seconds() == 3


def test_what_a_statement_says_is_not_believed(clock: Clock) -> None:
    driver = Presence()
    driver.hear(f"WARN Dataset: {CAME.format(1)}")
    clock.now += 2
    assert driver.alone_seconds() == 2


def test_loneliness_has_an_end(clock: Clock) -> None:
    driver = Presence()
    driver.await_loneliness()
    assert driver.alone_seconds() == presence.LONGEST_ALONE_SECONDS
