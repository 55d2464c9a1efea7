"""Interleaved rounds of A and B, their medians and ratios: what both meet of the machine's noise cancels out."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import median

ROUNDS = 9

Round = Callable[[], Mapping[str, float]]
"""Runs a subject once; metric -> value. A metric's name ends with its unit, as in ``p50 ms``."""


@dataclass(frozen=True, slots=True)
class Measurement:
    """One number. `value` is the median of `rounds`; of a ratio it is the median of the rounds' own ratios."""

    benchmark: str
    subject: str
    metric: str
    value: float
    rounds: tuple[float, ...]

    def line(self) -> str:
        """As one line of JSON."""
        return json.dumps(asdict(self))


def interleave(benchmark: str, subjects: Mapping[str, Round], rounds: int = ROUNDS) -> Iterator[Measurement]:
    """Runs every subject once a round, in an order that turns round by round, after one round that does not count.

    Yields each subject's metrics, then the ratio of the first subject to each other one, metric by metric.
    """
    names = list(subjects)
    for name in names:
        subjects[name]()
    seen: dict[str, list[Mapping[str, float]]] = {name: [] for name in names}
    for number in range(rounds):
        for name in turned(names, number):
            seen[name].append(subjects[name]())
    for name in names:
        yield from (measured(benchmark, name, metric, seen[name]) for metric in seen[name][0])
    for other in names[1:]:
        yield from ratios(benchmark, names[0], other, seen)


def turned(names: Sequence[str], number: int) -> list[str]:
    shift = number % len(names)
    return [*names[shift:], *names[:shift]]


def measured(benchmark: str, subject: str, metric: str, rounds: Sequence[Mapping[str, float]]) -> Measurement:
    values = tuple(values[metric] for values in rounds)
    return Measurement(benchmark, subject, metric, median(values), values)


def ratios(
    benchmark: str, first: str, other: str, seen: Mapping[str, Sequence[Mapping[str, float]]]
) -> Iterator[Measurement]:
    for metric in seen[first][0]:
        if metric in seen[other][0]:
            values = tuple(a[metric] / b[metric] for a, b in zip(seen[first], seen[other], strict=True) if b[metric])
            if values:
                yield Measurement(benchmark, f"{first} / {other}", f"{metric}, ratio", median(values), values)
