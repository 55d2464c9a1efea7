"""Kills what it is allowed to, at random moments."""

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


@dataclass(frozen=True, slots=True)
class Plot:
    """A kind of victim, and how often it is chosen. A costly one takes Spark down, which needs long to come back."""

    name: str
    victims: Victims
    weight: int
    costly: bool = False


def _duckdb(gateway: int) -> Sequence[psutil.Process]:
    return [*(machine for machine in machines(gateway) if not children(machine)), *named("qemu", gateway)]


def _spark(gateway: int) -> Sequence[psutil.Process]:
    return [machine for machine in machines(gateway) if children(machine)]


def _jvm(gateway: int) -> Sequence[psutil.Process]:
    return [child for machine in _spark(gateway) for child in children(machine)]


def _gateway(gateway: int) -> Sequence[psutil.Process]:
    return [psutil.Process(gateway)]


PLOTS = (
    Plot("a DuckDB machine", _duckdb, 1),
    Plot("Spark's guest", _spark, 2, costly=True),
    Plot("Spark's JVM", _jvm, 2, costly=True),
    Plot("the templates", templates, 1, costly=True),
    Plot("the zygote", zygotes, 1, costly=True),
    Plot("the gateway", _gateway, 2, costly=True),
)


class Saboteur:
    """`strike` kills one process by SIGKILL and tells what it was; None where there was none of that kind."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance

    def strike(self, gateway: int, *, costly: bool) -> str | None:
        plots = [plot for plot in PLOTS if plot.costly == costly]
        (plot,) = self._chance.choices(plots, [plot.weight for plot in plots])
        with suppress(psutil.NoSuchProcess, ProcessLookupError):
            if victims := plot.victims(gateway):
                os.kill(self._chance.choice(victims).pid, signal.SIGKILL)
                return plot.name
        return None
