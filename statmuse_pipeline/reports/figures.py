"""Charts as inline SVG that take their colours from the page, so that they follow light and dark.

The drawing is 380 units wide: on a phone a unit is a little less than a pixel, so text stays readable.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from markupsafe import Markup, escape

WIDTH = 380
LINE_COLOURS = 10
"""How many lines the style sheet has colours for."""


@dataclass(frozen=True)
class Estimate:
    """A value with its 95% interval and the name to print over it."""

    label: str
    value: float
    low: float
    high: float


def png_uri(png: bytes) -> str:
    """A PNG as a data URI."""
    return "data:image/png;base64," + base64.b64encode(png).decode("ascii")


def interval_chart(
    estimates: Sequence[Estimate], marks: Sequence[tuple[float, str]], show: Callable[[float], str], title: str
) -> Markup:
    """Values with their intervals one below the other, and vertical marks to compare them with.

    Args:
        estimates: those with a NaN are left out; nothing left gives an empty string.
        marks: position and name of the vertical lines, such as (0.05, "target").
        show: a value as text.
        title: what a screen reader says.
    """
    known = [e for e in estimates if np.isfinite([e.value, e.low, e.high]).all()]
    if not known:
        return Markup("")
    ends = [x for e in known for x in (e.low, e.high)] + [position for position, _ in marks]
    low, high = min(ends), max(ends)
    pad = (high - low) * 0.06 or 0.01
    low, high = low - pad, high + pad

    def x(value: float) -> str:
        return f"{8 + (value - low) / (high - low) * (WIDTH - 16):.1f}"

    row, top = 42, 26
    height = top + row * len(known) + 6
    parts = [_open(height, title)]
    for place, (position, name) in enumerate(sorted(marks)):
        at = float(x(position))
        # Two marks write away from each other, unless the edge is near.
        left = place == 0 and len(marks) > 1 and at > 80
        parts.append(f'<line class="mark" x1="{at}" x2="{at}" y1="4" y2="{height - 4}"/>')
        where = f'x="{at - 4:.1f}" text-anchor="end"' if left or at > WIDTH - 70 else f'x="{at + 4:.1f}"'
        parts.append(f'<text class="faint" {where} y="13">{escape(name)}</text>')
    # Values end before a mark that would cross them near the edge.
    crossing = [float(x(position)) for position, _ in marks if float(x(position)) > WIDTH - 110]
    end = min([WIDTH - 2.0, *crossing]) - 6
    for place, e in enumerate(known):
        y = top + row * place
        parts.append(f'<text x="8" y="{y + 11}">{escape(e.label)}</text>')
        told = f"{show(e.value)} ({show(e.low)} to {show(e.high)})"
        parts.append(f'<text class="faint" x="{end:g}" y="{y + 11}" text-anchor="end">{escape(told)}</text>')
        parts.append(f'<line class="span" x1="{x(e.low)}" x2="{x(e.high)}" y1="{y + 26}" y2="{y + 26}"/>')
        parts.append(f'<circle class="dot" cx="{x(e.value)}" cy="{y + 26}" r="4.5"/>')
    return Markup("".join(parts) + "</svg>")


def line_chart(lines: Sequence[tuple[str, pd.Series]], title: str) -> Markup:
    """Curves over dates, coloured `c0`, `c1`, ... in order, with a dashed line at their common start or 0.

    Args:
        lines: name and values indexed by date, at most `LINE_COLOURS`; empty ones are left out.
        title: what a screen reader says.
    """
    known = [(place, series.dropna()) for place, (_, series) in enumerate(lines)]
    known = [(place, series) for place, series in known if len(series)]
    if not known:
        return Markup("")
    dates = pd.DatetimeIndex(sorted({date for _, series in known for date in series.index}))
    first, span = dates[0], max((dates[-1] - dates[0]).days, 1)
    low = min(float(series.min()) for _, series in known)
    high = max(float(series.max()) for _, series in known)
    ticks = _ticks(low, high)
    low, high = min(low, ticks[0]), max(high, ticks[-1])
    left, right, top, bottom, height = 44, 10, 10, 22, 220

    def x(date: pd.Timestamp) -> float:
        return left + (date - first).days / span * (WIDTH - left - right)

    def y(value: float) -> float:
        return top + (high - value) / ((high - low) or 1) * (height - top - bottom)

    parts = [_open(height, title)]
    for tick in ticks:
        parts.append(f'<line class="grid" x1="{left}" x2="{WIDTH - right}" y1="{y(tick):.1f}" y2="{y(tick):.1f}"/>')
        parts.append(f'<text class="faint" x="{left - 6}" y="{y(tick) + 4:.1f}" text-anchor="end">{tick:,.6g}</text>')
    for date, anchor in ((dates[0], "start"), (dates[-1], "end")):
        parts.append(
            f'<text class="faint" x="{x(date):.1f}" y="{height - 6}" text-anchor="{anchor}">{date:%Y-%m-%d}</text>'
        )
    for place, series in known:
        ordered = series.sort_index()
        pairs = zip(pd.DatetimeIndex(ordered.index), ordered.to_numpy(), strict=True)
        points = " ".join(f"{x(date):.1f},{y(value):.1f}" for date, value in pairs)
        parts.append(f'<polyline class="line c{place % LINE_COLOURS}" points="{points}"/>')
    return Markup("".join(parts) + "</svg>")


def _open(height: float, title: str) -> str:
    name = escape(title)
    return f'<svg class="chart" viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{name}"><title>{name}</title>'


def _ticks(low: float, high: float) -> list[float]:
    """Four to seven round numbers that enclose the range."""
    if high <= low:
        return [low - 1, low, low + 1]
    rough = (high - low) / 4
    scale = 10 ** np.floor(np.log10(rough))
    step = float(scale * next(s for s in (1, 2, 2.5, 5, 10) if s * scale >= rough))
    count = int(np.ceil(high / step)) - int(np.floor(low / step))
    return [float(np.floor(low / step) + place) * step for place in range(count + 1)]
