"""Reads the table of the NBA's official injury report, a PDF.

Words are placed by their coordinates: columns begin where the words of the header do (their places have changed from
season to season), rows lie between the ruled lines. Cells that span rows are printed once, also over a page's end.
"""

from __future__ import annotations

import io
import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd

from statmuse_pipeline.sources.source import SourceError

EASTERN = ZoneInfo("America/New_York")
STATUSES = ("Out", "Doubtful", "Questionable", "Probable", "Available")
HEADER = ("Game Date", "Game Time", "Matchup", "Team", "Player Name", "Current Status", "Reason")
FIELDS = ("game_date", "game_time", "matchup", "team", "player_name", "status", "reason")
NOT_SUBMITTED = "NOT YET SUBMITTED"
LEFT_SLACK = 3.0
"""Points by which a cell may begin left of its header."""
INSIDE = 8.0
"""Points right of a column's beginning at which a rule that divides its rows is looked for."""
WORD_GAP = 1.2
"""Points between letters from which on they are two words: the report's spaces are narrow."""

_TITLE = re.compile(r"Injury Report:?\s*(\d{1,2}/\d{1,2}/\d{2,4})\s+(\d{1,2}:\d{2})\s*([AP]M)", re.IGNORECASE)
_FOOTER = re.compile(r"^Page\s*(\d+)\s*of\s*(\d+)$", re.IGNORECASE)
_MATCHUP = re.compile(r"^[A-Z]{2,3}@[A-Z]{2,3}$")
_STATUS, _PLAYER, _TEAM = FIELDS.index("status"), FIELDS.index("player_name"), FIELDS.index("team")


@dataclass(frozen=True)
class InjuryReportTable:
    """What a report says.

    Attributes:
        reported_at: the moment in its title (UTC).
        rows: `FIELDS`, one row a player and game; game_date is datetime64[ns], player_name as printed, `Last, First`.
        not_submitted: game_date, matchup, team: whose report was still missing.
        problems: text, reason: lines that could not be understood.
    """

    reported_at: datetime
    rows: pd.DataFrame
    not_submitted: pd.DataFrame
    problems: pd.DataFrame


@dataclass
class _Line:
    """Words of one height."""

    middle: float
    words: list[dict[str, Any]]

    @property
    def text(self) -> str:
        return " ".join(word["text"] for word in self.words)


@dataclass
class _Row:
    """A row of the table: the words of each column, from the top."""

    middle: float
    cells: list[list[str]] = field(default_factory=lambda: [[] for _ in FIELDS])

    def values(self) -> list[str]:
        return [" ".join(words) for words in self.cells]


def read_injury_report(content: bytes) -> InjuryReportTable:
    """The table of one report.

    Raises:
        SourceError: when it is no readable PDF, pages are missing, or title or columns are not those known.
    """
    pages = _lines_of_pages(content)
    every = [line for lines, _ in pages for line in lines]
    title = next(filter(None, (_TITLE.search(line.text) for line in every)), None)
    if title is None:
        raise _changed("it has no title with a date and a time")
    announced = [int(match[2]) for line in every if (match := _FOOTER.match(line.text))]
    if announced and max(announced) != len(pages):
        raise SourceError(f"The injury report has {len(pages)} of {max(announced)} pages: fetch it again.")
    lefts = _columns(every)
    rows: list[_Row] = []
    for lines, rules in pages:
        rows += _page_rows(lines, [y for y, x0, x1 in rules if x0 <= lefts[_STATUS] + INSIDE <= x1], lefts, rows)
    return _table(_moment(title), rows)


def _lines_of_pages(content: bytes) -> list[tuple[list[_Line], list[tuple[float, float, float]]]]:
    """Each page's lines from the top, and its horizontal rules as height, left and right end."""
    import pdfplumber

    try:
        with pdfplumber.open(io.BytesIO(content)) as document:
            return [
                (
                    list(_lines(page.extract_words(x_tolerance=WORD_GAP, y_tolerance=2.0))),
                    [(float(edge["top"]), float(edge["x0"]), float(edge["x1"])) for edge in page.horizontal_edges],
                )
                for page in document.pages
            ]
    except Exception as error:  # a damaged PDF fails in every way there is, deep inside the library
        raise SourceError(
            f"The injury report is no readable PDF ({type(error).__name__}): it is damaged or cut off, fetch it again."
        ) from error


def _lines(words: Sequence[dict[str, Any]]) -> Iterator[_Line]:
    line: _Line | None = None
    for word in sorted(words, key=lambda each: (each["top"] + each["bottom"]) / 2):
        middle = float(word["top"] + word["bottom"]) / 2
        if line is None or middle - line.middle > 2.0:
            if line is not None:
                yield line
            line = _Line(middle, [])
        line.words = sorted([*line.words, word], key=lambda each: each["x0"])
    if line is not None:
        yield line


def _columns(lines: Sequence[_Line]) -> list[float]:
    """Where the columns begin, from the header's words."""
    wanted = [name.replace(" ", "") for name in HEADER]
    starts = [len("".join(wanted[:place])) for place in range(len(wanted))]
    for line in lines:
        if line.text.replace(" ", "") == "".join(wanted):
            places = {sum(len(word["text"]) for word in line.words[:at]): at for at in range(len(line.words))}
            if all(start in places for start in starts):
                return [float(line.words[places[start]]["x0"]) - LEFT_SLACK for start in starts]
    like = next((line.text for line in lines if "Player" in line.text or "Matchup" in line.text), "none")
    raise _changed(f"its columns are {like!r} instead of {' '.join(HEADER)!r}")


def _page_rows(
    lines: Sequence[_Line], rules: Sequence[float], lefts: Sequence[float], before: Sequence[_Row]
) -> list[_Row]:
    """The rows that begin on a page; what belongs to the last row of the page before is added to that."""
    header = "".join(HEADER).replace(" ", "")
    above = (line for line in lines if line.text.replace(" ", "") == header or _TITLE.search(line.text))
    top = max((line.middle for line in above), default=0.0)
    body = [line for line in lines if line.middle > top and not _FOOTER.match(line.text)]
    bands: dict[int, list[_Line]] = {}
    heights = sorted(rules)
    for line in body:
        bands.setdefault(bisect_right(heights, line.middle), []).append(line)
    found: list[_Row] = []
    for band in bands.values():
        anchors = [_Row(line.middle) for line in band if _cells(line, lefts)[_STATUS] or NOT_SUBMITTED in line.text]
        only_reason = all(not any(_cells(line, lefts)[:-1]) for line in band)
        if not anchors and only_reason and (found or before):
            anchors = [(found or before)[-1]]
        elif not anchors:
            anchors = [_Row(band[0].middle)]
            found += anchors
        else:
            found += anchors
        for line in band:
            row = min(anchors, key=lambda anchor: abs(anchor.middle - line.middle))
            for cell, words in zip(row.cells, _cells(line, lefts), strict=True):
                cell += words
    return found


def _cells(line: _Line, lefts: Sequence[float]) -> list[list[str]]:
    cells: list[list[str]] = [[] for _ in lefts]
    for word in line.words:
        cells[max(0, bisect_right(lefts, word["x0"]) - 1)].append(word["text"])
    return cells


def _table(reported_at: datetime, rows: Sequence[_Row]) -> InjuryReportTable:
    """Fills cells that span rows and sorts out what is no status."""
    known = dict.fromkeys(FIELDS[: _TEAM + 1], "")
    statuses, pending, problems = [], [], []
    for row in rows:
        values = dict(zip(FIELDS, row.values(), strict=True))
        if values["matchup"]:
            known["team"] = ""
        known.update({name: values[name] for name in known if values[name]})
        told = " ".join(filter(None, values.values()))
        day = pd.to_datetime(known["game_date"], format="%m/%d/%Y", errors="coerce")
        values |= known
        wrong = _wrong(values, day)
        if wrong:
            problems.append({"text": told, "reason": wrong})
        elif NOT_SUBMITTED in told:
            pending.append({"game_date": day, "matchup": known["matchup"], "team": known["team"]})
        else:
            statuses.append({**values, "game_date": day})
    return InjuryReportTable(
        reported_at,
        _frame(statuses, FIELDS),
        _frame(pending, ("game_date", "matchup", "team")),
        _frame(problems, ("text", "reason")),
    )


def _wrong(values: dict[str, str], day: Any) -> str:
    """What is wrong with a row; "" when nothing is."""
    if pd.isna(day):
        return "no game date"
    if not _MATCHUP.match(values["matchup"]):
        return "no matchup"
    if not values["team"]:
        return "no team"
    if NOT_SUBMITTED in f"{values['player_name']} {values['status']} {values['reason']}":
        return ""
    if values["status"] not in STATUSES:
        return f"unknown status {values['status']!r}" if values["status"] else "no status"
    if values["player_name"].count(",") != 1:
        return "the player's name is not `Last, First`"
    return ""


def _frame(rows: list[dict[str, Any]], columns: tuple[str, ...]) -> pd.DataFrame:
    types = {name: "datetime64[ns]" if name == "game_date" else "str" for name in columns}
    return pd.DataFrame(rows, columns=list(columns)).astype(types)


def _moment(title: re.Match[str]) -> datetime:
    day, clock, half = title.groups()
    year = "%Y" if len(day.rsplit("/", 1)[-1]) == 4 else "%y"
    try:
        local = datetime.strptime(f"{day} {clock} {half.upper()}", f"%m/%d/{year} %I:%M %p")
    except ValueError as error:
        raise _changed(f"its title reads {title[0]!r}") from error
    # In the hour that comes twice the later one: a status must not seem known before it was.
    return local.replace(tzinfo=EASTERN, fold=1).astimezone(UTC)


def _changed(told: str) -> SourceError:
    return SourceError(
        f"The layout of the NBA's injury report has changed ({told}): it can't be read until this program follows."
    )
