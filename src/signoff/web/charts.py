"""Figures drawn as SVG: bars and lines of some days, small and without decoration."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date, timedelta
from math import ceil, log10

from markupsafe import Markup

from signoff.web.words import span

WIDTH, HEIGHT = 380, 150
LEFT, RIGHT, TOP, BOTTOM = 44, 8, 10, 22


def bars(days: Sequence[date], values: Sequence[int], line: Sequence[int], *, said: str) -> Markup:
    """Bars of one count for each day, with another one as a line."""
    top = _round_up(max((*values, *line), default=0))
    scale = _Scale(len(days), top)
    drawn = [
        Markup('<rect class="bar" x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}"/>').format(
            scale.x(n) - scale.step * 0.36,
            scale.y(value),
            scale.step * 0.72,
            HEIGHT - BOTTOM - scale.y(value),
        )
        for n, value in enumerate(values)
        if value
    ]
    parts = [*drawn, _line(scale, line, "line second")]
    return _chart(days, scale, parts, said, lambda value: f"{value:,.0f}")


def durations(
    days: Sequence[date],
    lower: Sequence[float | None],
    upper: Sequence[float | None],
    *,
    said: str,
) -> Markup:
    """Two durations in seconds for each day, as lines with a dot where there is one."""
    top = _round_time(max((each for each in (*lower, *upper) if each is not None), default=0))
    scale = _Scale(len(days), top)
    parts = [_line(scale, upper, "line second"), _line(scale, lower, "line")]
    return _chart(days, scale, parts, said, lambda value: span(timedelta(seconds=value)))


def shares(days: Sequence[date], values: Sequence[float | None], *, said: str) -> Markup:
    """A share of one for each day."""
    scale = _Scale(len(days), 1)
    return _chart(days, scale, [_line(scale, values, "line")], said, lambda v: f"{v:.0%}")


class _Scale:
    def __init__(self, count: int, top: float) -> None:
        self.top = top
        self.step = (WIDTH - LEFT - RIGHT) / max(count, 1)

    def x(self, number: int) -> float:
        return LEFT + self.step * (number + 0.5)

    def y(self, value: float) -> float:
        return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * value / self.top


def _chart(
    days: Sequence[date],
    scale: _Scale,
    parts: Sequence[Markup],
    said: str,
    label: Callable[[float], str],
) -> Markup:
    grid = []
    for value in (0, scale.top / 2, scale.top):
        y = scale.y(value)
        grid.append(
            Markup(
                '<line class="grid" x1="{}" x2="{}" y1="{:.1f}" y2="{:.1f}"/>'
                '<text class="value" x="{}" y="{:.1f}">{}</text>'
            ).format(LEFT, WIDTH - RIGHT, y, y, LEFT - 6, y + 4, label(value) if value else "0")
        )
    ends = [(0, "first"), (len(days) - 1, "last")] if len(days) > 1 else [(0, "last")]
    dates = [
        Markup('<text class="day {}" x="{:.1f}" y="{}">{}</text>').format(
            which, LEFT if which == "first" else WIDTH - RIGHT, HEIGHT - 5, f"{days[n]:%d %b}"
        )
        for n, which in ends
    ]
    return Markup(
        '<svg class="chart" viewBox="0 0 {} {}" role="img" aria-label="{}">{}</svg>'
    ).format(WIDTH, HEIGHT, said, Markup("").join([*grid, *parts, *dates]))


def _line(scale: _Scale, values: Sequence[float | None], kind: str) -> Markup:
    """The values that there are, joined; a value alone is a dot."""
    points = [(scale.x(n), scale.y(value)) for n, value in enumerate(values) if value is not None]
    if not points:
        return Markup("")
    path = "L".join(f"{x:.1f} {y:.1f}" for x, y in points)
    drawn = Markup('<path class="{}" d="M{}"/>').format(kind, path)
    if len(points) > 12:
        return drawn
    dots = (
        Markup('<circle class="{}" cx="{:.1f}" cy="{:.1f}" r="2.5"/>').format(kind, x, y)
        for x, y in points
    )
    return Markup("").join([drawn, *dots])


def _round_up(value: float) -> float:
    """The next round number, so that half of it is one too."""
    if value <= 4:
        return 4
    power = float(10 ** int(log10(value)))
    return next(step * power for step in (1, 2, 4, 6, 8, 10, 20) if step * power >= value)


def _round_time(seconds: float) -> float:
    """The next round time: of minutes, hours or days."""
    for unit, most in ((60, 60), (3600, 24), (86_400, 10**6)):
        if seconds <= unit * most:
            return max(2, ceil(seconds / unit / 2) * 2) * unit
    return seconds
