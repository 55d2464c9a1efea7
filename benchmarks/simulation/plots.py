"""A simulation's plots: lines over the hours of the day, and what decisions cost.

Colours are Okabe and Ito's, which the colour-blind tell apart; what is compared with is dashed.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from math import ceil, floor, log10

import pygal
from pygal.style import Style

from benchmarks.simulation.record import Interval, Record, grouped, merge

WIDTH, HEIGHT = 1000, 430
POINTS = 360
"""Of a line: more would not be seen."""
LEAST = 1.0
"""What stands for nothing on a logarithmic axis."""
ORANGE, BLUE, GREEN, RED, BLACK = "#E69F00", "#0072B2", "#009E73", "#D55E00", "#000000"
COST_EDGES = (5, 10, 15, 20, 25, 30, 40, 50, 75, 100, 200, 500)
"""Of the histogram, microseconds. Bounds that can be read off, finer where most decisions are."""

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Line:
    """`points` are hours of the day and values."""

    label: str
    colour: str
    points: Sequence[Point]
    dashed: bool = False


@dataclass(frozen=True, slots=True)
class Run:
    """A record, with the hour of the day at which it begins."""

    record: Record
    first_hour: float

    def line(
        self,
        label: str,
        colour: str,
        value: Callable[[Sequence[Interval]], float],
        *,
        dashed: bool = False,
        span: tuple[float, float] = (0.0, 24.0),
    ) -> Line:
        """One value of each few neighbouring intervals, between two hours of the day."""
        chosen = [each for each in self.record.timeline if span[0] < self.first_hour + each.at / 3600 <= span[1]]
        groups = grouped(chosen, -(-len(chosen) // POINTS) or 1)
        points = [(self.first_hour + group[-1].at / 3600, value(group)) for group in groups]
        return Line(label, colour, points, dashed)


def mean(rate: Callable[[Interval], float]) -> Callable[[Sequence[Interval]], float]:
    """Of a rate, over neighbours."""
    return lambda group: rate(merge(group))


def highest(rate: Callable[[Interval], float]) -> Callable[[Sequence[Interval]], float]:
    """That of the busiest interval among neighbours."""
    return lambda group: max(rate(each) for each in group)


def draw(title: str, axis: str, lines: Sequence[Line], *, logarithmic: bool = False) -> str:
    """SVG of lines over the hours of the day."""
    chart = pygal.XY(
        **_frame(title, axis, [line.colour for line in lines]),
        x_title="hour of the day",
        x_value_formatter=lambda hour: f"{int(hour)}:{round(hour % 1 * 60):02d}",
        show_dots=False,
        show_x_guides=False,
        include_x_axis=not logarithmic,
        truncate_legend=-1,
    )
    hours = [hour for line in lines for hour, _ in line.points]
    chart.x_labels = _ticks(min(hours, default=0.0), max(hours, default=1.0))
    if logarithmic:
        lines = [replace(line, points=[(hour, _power(value)) for hour, value in line.points]) for line in lines]
        chart.y_labels = _decades([power for line in lines for _, power in line.points])
    for line in lines:
        stroke = {"width": 2, "dasharray": "7, 5"} if line.dashed else {"width": 2}
        chart.add(f"{line.label} (dashed)" if line.dashed else line.label, line.points, stroke_style=stroke)
    rendered: str = chart.render(is_unicode=True)
    return rendered


def draw_costs(record: Record) -> str:
    """SVG of how many decisions cost how much."""
    edges = (0, *COST_EDGES, len(record.costs))
    shares = [100 * sum(record.costs[low:high]) / record.events for low, high in pairwise(edges)]
    names = [f"{low}-{high}" for low, high in zip(edges, COST_EDGES, strict=False)]
    chart = pygal.Bar(
        **_frame("Processor time of a decision", "share of events, %", [BLUE]),
        x_title="microseconds",
        print_values=True,
        print_values_position="top",
        show_legend=False,
        value_formatter=lambda share: f"{share:.2g}" if share < 10 else f"{share:.0f}",
    )
    chart.x_labels = [*names, f"> {COST_EDGES[-1]}"]
    chart.add("share of events", shares)
    rendered: str = chart.render(is_unicode=True)
    return rendered


def _frame(title: str, axis: str, colours: Sequence[str]) -> Mapping[str, object]:
    style = Style(
        background="white",
        plot_background="white",
        foreground=BLACK,
        foreground_strong=BLACK,
        foreground_subtle="#888888",
        colors=tuple(colours),
        opacity="0.9",
        guide_stroke_color="#d8d8d8",
        guide_stroke_dasharray="2,3",
        major_guide_stroke_color="#c0c0c0",
        major_guide_stroke_dasharray="2,3",
        font_family="sans-serif",
        label_font_size=13,
        major_label_font_size=13,
        title_font_size=17,
        legend_font_size=14,
        value_font_size=12,
    )
    return {
        "title": title,
        "y_title": axis,
        "width": WIDTH,
        "height": HEIGHT,
        "style": style,
        "legend_at_bottom": True,
        "disable_xml_declaration": True,
        "js": [],
        "margin": 14,
    }


def _power(value: float) -> float:
    """Of ten. The library's own logarithmic axis would be one of hours, too."""
    return log10(max(LEAST, value))


def _decades(powers: Sequence[float]) -> list[dict[str, object]]:
    decades = range(floor(min(powers, default=0)), ceil(max(powers, default=0)) + 1)
    return [{"value": power, "label": f"{10**power:,}"} for power in decades]


def _ticks(first: float, last: float) -> list[float]:
    """Round hours or minutes, six to a dozen."""
    step = next(each for each in (1 / 60, 1 / 30, 1 / 12, 1 / 6, 1 / 4, 1 / 2, 1, 2, 3) if (last - first) / each <= 12)
    return [number * step for number in range(round(first / step), round(last / step) + 1)]
