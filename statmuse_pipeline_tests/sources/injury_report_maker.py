"""Makes PDFs laid out as the NBA's injury report: landscape, ruled, wrapped reasons centred on their row.

Drawn word by word without space characters, cells that span rows printed once, the header on the first page only, a
title and `Page 1 of 3` on each: as the official reports are.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass

from reportlab.pdfbase.pdfmetrics import stringWidth
from reportlab.pdfgen.canvas import Canvas

HEADER = ("Game Date", "Game Time", "Matchup", "Team", "Player Name", "Current Status", "Reason")
LEFTS = (23.0, 119.0, 199.0, 262.0, 422.0, 578.0, 662.0)
RIGHT, WIDTH, HEIGHT = 820.0, 842.0, 595.0
FONT, SIZE, LINE, PADDING = "Helvetica", 9.0, 11.0, 6.0

Row = tuple[str, str, str, str, str, str, str]
"""A row with every cell written out, in the order of the header; `player` and `status` empty for a missing report."""


@dataclass(frozen=True)
class Layout:
    """How a report is drawn."""

    title: str = "Injury Report: 11/05/24 05:30 PM"
    header: Sequence[str] = HEADER
    lefts: Sequence[float] = LEFTS
    rules: bool = True
    indent: float = 2.0
    """From a cell's border to its text."""
    header_on_every_page: bool = False
    footer: bool = True
    footer_text: str | None = None
    """Instead of the true page number."""
    bottom: float = 540.0
    """Where a page is full."""
    split_cells: bool = False
    """Whether a row's reason may go on over the page."""


def wrapped(text: str, width: float) -> list[str]:
    lines: list[str] = []
    for word in text.split():
        if lines and stringWidth(f"{lines[-1]} {word}", FONT, SIZE) <= width:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return lines or [""]


def injury_report(rows: Sequence[Row], layout: Layout = Layout()) -> bytes:
    """The PDF."""
    pages = _pages(rows, layout)
    buffer = io.BytesIO()
    canvas = Canvas(buffer, pagesize=(WIDTH, HEIGHT), invariant=True)
    for number, page in enumerate(pages, start=1):
        _draw(canvas, layout, page, number, len(pages))
        canvas.showPage()
    canvas.save()
    return buffer.getvalue()


Block = tuple[Sequence[str], list[str]]


def _pages(rows: Sequence[Row], layout: Layout) -> list[list[Block]]:
    """Rows as printed (cells that span rows once), a page at a time."""
    width = RIGHT - layout.lefts[-1] - 4
    pages: list[list[Block]] = [[]]
    used, previous = 84.0, ("",) * 4
    for row in rows:
        span = 4 - next((place for place in range(4) if row[place] != previous[place]), 4)
        cells = [""] * (4 - span) + list(row[4 - span : 6]) if span else [""] * 4 + list(row[4:6])
        # A new date, time or matchup is printed with all that stands right of it.
        lines, previous = wrapped(row[6], width), row[:4]
        height = len(lines) * LINE + PADDING
        if used + height > layout.bottom and pages[-1]:
            fits = int((layout.bottom - used - PADDING) // LINE)
            if layout.split_cells and 0 < fits < len(lines):
                pages[-1].append((cells, lines[:fits]))
                cells, lines = [""] * 6, lines[fits:]
                height = len(lines) * LINE + PADDING
            pages.append([])
            used = 84.0
        pages[-1].append((cells, lines))
        used += height
    return pages


def _draw(canvas: Canvas, layout: Layout, page: list[Block], number: int, count: int) -> None:
    _words(canvas, 30.0, 40.0, layout.title, 14.0)
    y = 66.0
    if number == 1 or layout.header_on_every_page:
        for left, name in zip(layout.lefts, layout.header, strict=True):
            _words(canvas, left, y + 10, name)
        _rule(canvas, layout, y)
        y += 18.0
    _rule(canvas, layout, y)
    for cells, lines in page:
        height = len(lines) * LINE + PADDING
        middle = y + height / 2
        for left, text in zip(layout.lefts, cells, strict=False):
            _words(canvas, left, middle + SIZE / 3, text)
        for place, line in enumerate(lines):
            offset = (place - (len(lines) - 1) / 2) * LINE
            _words(canvas, layout.lefts[-1], middle + offset + SIZE / 3, line)
        y += height
        _rule(canvas, layout, y)
    if layout.footer:
        _words(canvas, 720.0, 570.0, layout.footer_text or f"Page {number} of {count}")


def _rule(canvas: Canvas, layout: Layout, y: float) -> None:
    """A cell's lower edge, column by column."""
    if layout.rules:
        for left, right in zip(layout.lefts, (*layout.lefts[1:], RIGHT + 2), strict=True):
            canvas.line(left - layout.indent, HEIGHT - y, right - layout.indent, HEIGHT - y)


def _words(canvas: Canvas, x: float, y: float, text: str, size: float = SIZE) -> None:
    canvas.setFont(FONT, size)
    for word in text.split():
        canvas.drawString(x, HEIGHT - y, word)
        x += stringWidth(f"{word} ", FONT, size)
