"""Draw the scaling as SVG, readable on light and dark pages.

Three panels over the number of connections (logarithmic): the CPU of a message; the CPU of one
message on each connection, where a straight line beside the dashed one is linear growth; messages
a second. Colours are classes of a style sheet that asks whether the page is dark.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape

from benchmarks.results import Results, costs, cpu, median, servers

WIDTH, PANEL, LEGEND = 760, 250, 40
LEFT, RIGHT, TOP, BOTTOM = 80, 32, 34, 44  # the margins inside a panel

STYLE = """
svg { font: 12px system-ui, sans-serif; background: #fff }
text { fill: #1f2328 } .title { font-weight: 600; font-size: 13px }
.grid { stroke: #d8dee4 } .line { fill: none; stroke-width: 2 } .s0 .line { stroke-width: 3 }
.guide { fill: none; stroke: #6e7781; stroke-width: 1.5; stroke-dasharray: 5 4 }
.s0 { stroke: #0550ae; color: #0550ae } .s1 { stroke: #1b7c83; color: #1b7c83 }
.s2 { stroke: #bc4c00; color: #bc4c00 } .s3 { stroke: #8250df; color: #8250df }
.s4 { stroke: #6e7781; color: #6e7781 }
.dot { fill: currentColor }
@media (prefers-color-scheme: dark) {
  svg { background: #0d1117 } text { fill: #e6edf3 }
  .grid { stroke: #30363d } .guide { stroke: #8b949e }
  .s0 { stroke: #58a6ff; color: #58a6ff } .s1 { stroke: #39d3c3; color: #39d3c3 }
  .s2 { stroke: #ffa657; color: #ffa657 } .s3 { stroke: #d2a8ff; color: #d2a8ff }
  .s4 { stroke: #9ea7b3; color: #9ea7b3 }
}
"""

Points = Sequence[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Axis:
    """Map a value to a position between `begin` and `end` of the drawing."""

    low: float
    high: float
    begin: float
    end: float
    logarithmic: bool

    def place(self, value: float) -> float:
        """Return the position of a value."""
        scale: Callable[[float], float] = math.log10 if self.logarithmic else float
        part = (scale(value) - scale(self.low)) / (scale(self.high) - scale(self.low))
        return round(self.begin + part * (self.end - self.begin), 1)

    def ticks(self) -> list[float]:
        """Return the values with labels: powers of ten, or a few round steps."""
        if self.logarithmic:
            powers = range(math.ceil(math.log10(self.low)), math.floor(math.log10(self.high)) + 1)
            return [10.0**power for power in powers]
        step = _round_step(self.high / 4)
        return [number * step for number in range(math.floor(self.high / step) + 1)]


def draw(scaling: Results) -> str:
    """Return the drawing for the results of `scaling`."""
    names = servers(scaling)
    each = {name: [(int(n), cpu(at[name])) for n, at in scaling.items()] for name in names}
    total = {name: [(n, cost / 1000) for n, cost in costs(scaling, name)] for name in names}
    rate = {
        name: [(int(n), median(at[name]["rate"])) for n, at in scaling.items()] for name in names
    }
    panels = (
        _panel(0, "CPU of a message, user and system", "µs", each, logarithmic=False),
        _panel(1, "CPU of one message on each connection", "ms", total, logarithmic=True),
        _panel(2, "Throughput", "messages/s", rate, logarithmic=False),
    )
    height = 3 * PANEL + LEGEND
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img">',
        "<title>Echo of 64 bytes on 1 to 10,000 connections</title>",
        f"<style>{STYLE}</style>",
        *_legend(names),
        *(part for panel in panels for part in panel),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _legend(names: Sequence[str]) -> Iterator[str]:
    x = LEFT
    for number, name in enumerate(names):
        yield f'<g class="s{number}"><path class="line" d="M{x} 20h22"/></g>'
        yield _text(x + 28, 24, name)
        x += 48 + 7 * len(name)


def _panel(
    number: int, title: str, unit: str, series: Mapping[str, Points], *, logarithmic: bool
) -> Iterator[str]:
    top = LEGEND + number * PANEL
    xs = [x for points in series.values() for x, _ in points]
    ys = [y for points in series.values() for _, y in points]
    low = 10 ** math.floor(math.log10(min(ys))) if logarithmic else 0.0
    high = 10 ** math.ceil(math.log10(max(ys))) if logarithmic else 1.1 * max(ys)
    across = Axis(min(xs), max(max(xs), 10 * min(xs)), LEFT, WIDTH - RIGHT, logarithmic=True)
    up = Axis(low, high, top + PANEL - BOTTOM, top + TOP, logarithmic)
    yield _text(LEFT, top + 20, f"{title} ({unit})", "title")
    yield from _grid(across, up)
    yield _text((LEFT + WIDTH - RIGHT) / 2, up.begin + 34, "connections", anchor="middle")
    if logarithmic:
        yield from _linear_guide(across, up, series)
    for index, (name, points) in reversed(list(enumerate(series.items()))):  # ours on top
        places = [(across.place(x), up.place(y)) for x, y in points]
        yield f'<g class="s{index}"><title>{escape(name)}</title>'
        yield f'<path class="line" d="M{" L".join(f"{x} {y}" for x, y in places)}"/>'
        yield from (f'<circle class="dot" cx="{x}" cy="{y}" r="3"/>' for x, y in places)
        yield "</g>"


def _grid(across: Axis, up: Axis) -> Iterator[str]:
    for value in up.ticks():
        y = up.place(value)
        yield f'<path class="grid" d="M{across.begin} {y}H{across.end}"/>'
        yield _text(across.begin - 8, y + 4, f"{value:,.10g}", anchor="end")
    for value in across.ticks():
        x = across.place(value)
        yield f'<path class="grid" d="M{x} {up.begin}V{up.end}"/>'
        yield _text(x, up.begin + 17, f"{value:,.0f}", anchor="middle")


def _linear_guide(across: Axis, up: Axis, series: Mapping[str, Points]) -> Iterator[str]:
    """Draw linear growth from the first series' last point backwards."""
    x, y = next(iter(series.values()))[-1]
    first = max(across.low, x * up.low / y)
    begin = f"{across.place(first)} {up.place(y / x * first)}"
    yield f'<path class="guide" d="M{begin} L{across.place(x)} {up.place(y)}"/>'
    yield _text(across.end - 4, up.begin - 8, "dashed: linear", anchor="end")


def _text(x: float, y: float, text: str, kind: str = "", anchor: str = "start") -> str:
    name = f' class="{kind}"' if kind else ""
    return f'<text{name} x="{x:g}" y="{y:g}" text-anchor="{anchor}">{escape(text)}</text>'


def _round_step(step: float) -> float:
    """Return the next 1, 2 or 5 times a power of ten."""
    power = 10.0 ** math.floor(math.log10(step))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= step)
