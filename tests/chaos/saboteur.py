"""Kills what it is allowed to, at random moments, or stops it for good: what is stopped says nothing and never ends."""

import os
import random
import signal
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

import psutil

from tests.processes import children, machines, named, templates, zygotes

Victims = Callable[[int], Sequence[psutil.Process]]
"""The processes of one kind below a gateway."""
DUCKDB, SPARK = "DuckDB", "Spark"
BOTH = (DUCKDB, SPARK)
KILL, STOP = "kill", "stop"
STOPPED_SHARE = 0.25


@dataclass(frozen=True, slots=True)
class Plot:
    """A kind of victim, how often it is chosen beside others, and the lanes that it hurts.

    A costly one comes seldom, as it takes long to come back. One that `stops` may be stopped instead of killed: it is
    found by its silence. `revive` starts what nobody else would start again.
    """

    name: str
    victims: Victims
    weight: int
    lanes: Sequence[str] = BOTH
    costly: bool = True
    stops: bool = False
    revive: Callable[[], None] = lambda: None


def _duckdb(gateway: int) -> Sequence[psutil.Process]:
    return [*(machine for machine in machines(gateway) if not children(machine)), *named("qemu", gateway)]


def _spark(gateway: int) -> Sequence[psutil.Process]:
    return [machine for machine in machines(gateway) if children(machine)]


def _jvm(gateway: int) -> Sequence[psutil.Process]:
    return [child for machine in _spark(gateway) for child in children(machine)]


def _gateway(gateway: int) -> Sequence[psutil.Process]:
    return [psutil.Process(gateway)]


GATEWAY = Plot("the gateway", _gateway, 2)
MACHINE = Plot("a DuckDB machine", _duckdb, 1, (DUCKDB,), costly=False, stops=True)
PLOTS = (
    MACHINE,
    Plot("Spark's guest", _spark, 2, (SPARK,), stops=True),
    Plot("Spark's JVM", _jvm, 2, (SPARK,), stops=True),
    Plot("the templates", templates, 1, stops=True),
    Plot("the zygote", zygotes, 1),
    GATEWAY,
)
"""Of one host."""


@dataclass(frozen=True, slots=True)
class Blow:
    """What was struck, and how."""

    plot: Plot
    manner: str

    @property
    def name(self) -> str:
        return f"{self.manner} {self.plot.name}"


def kinds(plots: Sequence[Plot]) -> list[Blow]:
    """Every kind of blow: each victim killed, and stopped where it may be."""
    return [Blow(plot, manner) for plot in plots for manner in ((KILL, STOP) if plot.stops else (KILL,))]


class Saboteur:
    """`deal` and `strike` kill or stop one process and tell what it was; None where there was none of that kind.

    `undealt` are the kinds of blow that `deal` has still to land, once each. With `strike` each kind of victim has its
    turns, as many as it weighs, before any has more.
    """

    def __init__(self, chance: random.Random, plots: Sequence[Plot]) -> None:
        self._chance = chance
        self._plots = plots
        self._turns: dict[bool, list[Plot]] = {True: [], False: []}
        self.undealt = kinds(plots)
        chance.shuffle(self.undealt)

    def deal(self, gateway: int) -> Blow | None:
        """The first kind of which there is a victim now."""
        blow = next((blow for blow in self.undealt if self._lands(blow, gateway)), None)
        if blow is not None:
            self.undealt.remove(blow)
        return blow

    def strike(self, gateway: int, *, costly: bool) -> Blow | None:
        plot = self._next(costly=costly)
        blow = Blow(plot, STOP if plot.stops and self._chance.random() < STOPPED_SHARE else KILL)
        return blow if self._lands(blow, gateway) else None

    def _lands(self, blow: Blow, gateway: int) -> bool:
        with suppress(psutil.NoSuchProcess, ProcessLookupError):
            if victims := blow.plot.victims(gateway):
                victim = self._chance.choice(victims).pid
                os.kill(victim, signal.SIGSTOP if blow.manner == STOP else signal.SIGKILL)
                return True
        return False

    def _next(self, *, costly: bool) -> Plot:
        turns = self._turns[costly]
        if not turns:
            turns += [plot for plot in self._plots for _ in range(plot.weight) if plot.costly == costly]
            self._chance.shuffle(turns)
        return turns.pop()
