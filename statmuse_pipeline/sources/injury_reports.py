"""Who may miss a game, as it was known at a moment: the NBA's official report, or an archive's transactions.

The leak rule: `reported_at` is when a status was public, and a forecast made at a moment may use only what was reported
by then. Both sources deliver by that rule, and `latest_known` applies it to statuses collected from several reports.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import ClassVar, Protocol
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

from statmuse_pipeline.domain import Season
from statmuse_pipeline.sources.archive import archive_root, read_parquet
from statmuse_pipeline.sources.injury_report_pdf import InjuryReportTable, read_injury_report
from statmuse_pipeline.sources.service_client import (
    Answer,
    Blocked,
    CutOff,
    NotThere,
    Question,
    Reply,
    ServiceClient,
)
from statmuse_pipeline.sources.source import SourceError

EASTERN = ZoneInfo("America/New_York")
HOST = "https://ak-static.cms.nba.com/referee/injury"
MINUTES_SINCE = date(2025, 12, 22)
"""Until then one report an hour, named `05PM` and published at half past; from then on one a quarter of an hour."""
LONGEST_AGE = timedelta(hours=14)
"""An older report is not looked for: the first of a day follows the last of the evening before within that time."""

STATUS_TYPES = {
    "player_name": "str",
    "team": "str",
    "game_date": "datetime64[ns]",
    "status": "str",
    "reason": "str",
    "reported_at": "datetime64[ns, UTC]",
    "source": "str",
    "precision": "str",
}
"""Columns of statuses, one row a player and game day.

player_name and team as the source spells them; game_date the Eastern day; status one of `injury_report_pdf.STATUSES`;
reported_at the moment from which it was public; precision of that moment: `minute`, or `day` where the source has days
only, and reported_at is then the end of that Eastern day.
"""

TRANSACTIONS = ("date", "team", "acquired", "relinquished", "notes")
"""Columns of `injuries.parquet`, from Pro Sports Transactions."""


@dataclass(frozen=True)
class InjuryStatuses:
    """What was known at a moment.

    Attributes:
        statuses: `STATUS_TYPES`.
        not_submitted: game_date, team: whose report was still missing; not being listed means nothing for them.
        submitted: game_date, team: whose report was there, also where it names nobody (then by abbreviation, from
            the match-up); None where the source does not tell.
        problems: text, reason: entries that could not be understood.
        reported_at: the moment of the newest information (UTC).
        age: how old that was at the moment asked about.
        told: one sentence on where it comes from and how old it is.
    """

    statuses: pd.DataFrame
    not_submitted: pd.DataFrame
    submitted: pd.DataFrame | None
    problems: pd.DataFrame
    reported_at: datetime
    age: timedelta
    told: str


class InjurySource(Protocol):
    """Anything that knows who may miss a game."""

    def known_at(self, moment: datetime) -> InjuryStatuses:
        """What was public at that moment, which has a time zone.

        Raises:
            SourceError: when it cannot be told, in one sentence.
        """


def latest_known(statuses: pd.DataFrame, moment: datetime) -> pd.DataFrame:
    """Of statuses from several reports the last of each player and game day that was public at that moment.

    Args:
        statuses: `STATUS_TYPES`.
        moment: with a time zone.
    """
    public = statuses[statuses["reported_at"] <= _aware(moment)]
    newest = public.sort_values("reported_at", kind="stable")
    return newest.drop_duplicates(["player_name", "team", "game_date"], keep="last").sort_index()


@dataclass
class InjuryReportClient(ServiceClient):
    """One voice towards the server of the official injury reports."""

    base_url: str = HOST

    service: ClassVar[str] = "The NBA's injury report server"
    way_out: ClassVar[str] = "go on without injury statuses"
    kind: ClassVar[str] = "pdf"
    # A report that is not published yet is forbidden, not missing.
    absent: ClassVar[frozenset[int]] = frozenset({403, 404})
    faults: ClassVar[frozenset[int]] = frozenset({429})

    def report(self, name: str, day: date) -> Answer[InjuryReportTable]:
        """The report of that name, such as `2024-11-05_05PM`.

        Raises:
            NotThere: when it is not published.
            SourceError: when it does not come or cannot be read.
        """
        url = f"{self.base_url.rstrip('/')}/Injury-Report_{name}.pdf"

        def send(timeout: tuple[float, float]) -> Reply:
            # The server turns away clients that name no browser.
            headers = {"User-Agent": "Mozilla/5.0 (compatible; statmuse-pipeline)", "Accept": "application/pdf,*/*"}
            return Reply(self.session.get(url, timeout=timeout, headers=headers).content, url)

        question = Question("injury_report", Season.of_date(day).label, {"report": name}, f"the report {name}")
        return self.exchange(question, send, lambda reply: read_injury_report(reply.body), lasting=True)

    def examine(self, reply: Reply) -> None:
        """The answer must be a whole PDF."""
        if not reply.body.lstrip().startswith(b"%PDF-"):
            if reply.body.lstrip().startswith(b"<"):
                raise Blocked(
                    f"{self.service} sent a web page instead of a PDF: it blocks this address; {self.way_out}."
                )
            raise CutOff
        if b"%%EOF" not in reply.body[-1024:]:
            raise CutOff


class NbaInjuryReports:
    """The NBA's official injury reports.

    Args:
        client: makes the requests; keeps the PDFs where it has a raw store, and then never asks twice for one.
        longest_age: how far back a report is looked for.
    """

    def __init__(self, client: InjuryReportClient | None = None, longest_age: timedelta = LONGEST_AGE) -> None:
        self.client = client or InjuryReportClient()
        self.longest_age = longest_age

    def known_at(self, moment: datetime) -> InjuryStatuses:
        """The newest report that was published by then; where one is not there, the one before it.

        Raises:
            SourceError: when none is there, or the newest does not come or cannot be read.
        """
        moment = _aware(moment)
        first = ""
        for name, _ in report_names(moment, self.longest_age):
            first = first or name
            try:
                answer = self.client.report(name, moment.astimezone(EASTERN).date())
            except NotThere:
                continue
            # The title decides: a report is named before it is made.
            if answer.content.reported_at <= moment:
                return self._statuses(answer, moment, missing=first if first != name else None)
        raise SourceError(
            f"{self.client.service} has no report of the {self.longest_age.total_seconds() / 3600:g} hours before "
            f"{_told(moment)} (the newest would be {first}): there is none outside the season, or this address "
            f"is blocked; {self.client.way_out}."
        )

    def _statuses(self, answer: Answer[InjuryReportTable], moment: datetime, missing: str | None) -> InjuryStatuses:
        table = answer.content
        age = moment - table.reported_at
        statuses = table.rows.assign(reported_at=table.reported_at, source="nba injury report", precision="minute")
        late = f"The report {missing} is not there yet. " if missing else ""
        return InjuryStatuses(
            statuses[list(STATUS_TYPES)].astype(STATUS_TYPES),
            table.not_submitted[["game_date", "team"]],
            _submitted(table),
            table.problems,
            table.reported_at,
            age,
            f"{late}The NBA's injury report of {_told(table.reported_at)}, {age.total_seconds() / 60:.0f} minutes old.",
        )


def report_names(moment: datetime, longest_age: timedelta = LONGEST_AGE) -> Iterator[tuple[str, datetime]]:
    """Names and moments (UTC) of the reports that should have been published by then, newest first.

    Reports of quarters of an hour are tried for the last hour and at half past before: each one that is missing costs
    a request.
    """
    moment = _aware(moment)
    slot = moment.replace(minute=moment.minute // 15 * 15, second=0, microsecond=0)
    while moment - slot <= longest_age:
        local = slot.astimezone(EASTERN)
        recent = moment - slot < timedelta(hours=1)
        if local.date() >= MINUTES_SINCE and (recent or slot.minute == 30):
            yield f"{local:%Y-%m-%d_%I_%M%p}", slot
        if slot.minute == 30:
            yield f"{local:%Y-%m-%d_%I%p}", slot
        slot -= timedelta(minutes=15)


class ArchiveInjuries:
    """Players who left the line-up and are not back, from an archive's `injuries.parquet`.

    Only days are known, so that a transaction counts from the end of its Eastern day. The words are chosen by what
    became of such players in 2021-22 to 2024-25, those left out who had played since: who was out for the season or
    indefinitely played in 6% of the team's later games (`Out`), day-to-day in 23% (`Doubtful`), placed on the inactive
    list in 42% (`Questionable`). Many returns are not recorded: of all who are listed as day-to-day 47% play, so drop
    those who have played since (`people.without_returned`). What a season leaves open ends with it.

    Args:
        path: the archive (or its game_logs folder).

    Raises:
        SourceError: when there is no such file, or it is unreadable or lacks columns.
    """

    def __init__(self, path: Path) -> None:
        file = archive_root(path) / "injuries.parquet"
        if not file.is_file():
            raise SourceError(f"The archive has no {file}: injury statuses of the past need it.")
        raw = read_parquet(file, TRANSACTIONS)
        self._file = file
        self._transactions, self._problems = _transactions(raw)

    def known_at(self, moment: datetime) -> InjuryStatuses:
        """Whose last transaction of that season, before that Eastern day, was to leave; game_date is that day.

        A player who left and came back on one day is taken as out: which was last is not known.

        Raises:
            SourceError: when nothing of that season is known by then.
        """
        moment = _aware(moment)
        day = pd.Timestamp(moment.astimezone(EASTERN).date())
        known = self._transactions
        known = known[(known["date"] < day) & (known["season"] == Season.of_date(day.date()).start_year)]
        if known.empty:
            raise SourceError(f"{self._file} knows no transaction of that season before {day.date()}.")
        last = known.drop_duplicates("player_name", keep="last")
        out = last[last["out"]].reset_index(drop=True)
        newest = known["reported_at"].max().to_pydatetime()
        statuses = out.assign(game_date=day, source="pro sports transactions", precision="day")
        return InjuryStatuses(
            statuses[list(STATUS_TYPES)].astype(STATUS_TYPES),
            pd.DataFrame({"game_date": pd.Series(dtype="datetime64[ns]"), "team": pd.Series(dtype="str")}),
            None,
            self._problems,
            newest,
            moment - newest,
            f"Transactions up to {known['date'].max().date()} (known by the day), of players not recorded as back.",
        )

    def transactions(self) -> pd.DataFrame:
        """Every transaction: player_name, team, date (datetime64[ns]), out (whether he left), status (if he did)."""
        return self._transactions[["player_name", "team", "date", "out", "status"]].reset_index(drop=True)

    def names(self) -> pd.DataFrame:
        """Every player_name, team and date (datetime64[ns]) in the file, for the resolution of names."""
        return self._transactions[["player_name", "team", "date"]].reset_index(drop=True)


def _transactions(raw: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """player_name, team, date, season, out, status, reason, reported_at, sorted; and the rows that are none."""
    raw = raw.reset_index(drop=True)
    name = raw["acquired"].fillna(raw["relinquished"]).fillna("").astype("str")
    digits = name.str.replace(r"\(.*?\)", "", regex=True).str.contains(r"\d", regex=True)
    reason = np.select(
        [
            raw["acquired"].notna() & raw["relinquished"].notna(),
            name == "",
            # Some rows of the source are shifted by a column.
            digits | name.str.contains(r"\((?:DTD|out )|^(?:placed|activated|returned) ", regex=True),
        ],
        ["both acquired and relinquished", "no player", "no player's name"],
        default="",
    )
    notes = raw["notes"].fillna("").astype("str")
    day = pd.to_datetime(raw["date"]).astype("datetime64[ns]")
    frame = pd.DataFrame(
        {
            "player_name": name,
            "team": raw["team"].fillna("").astype("str"),
            "date": day,
            "season": day.dt.year - (day.dt.month < 8),
            "out": raw["relinquished"].notna(),
            "status": np.select(
                [notes.str.contains(r"\(out |for season", regex=True), notes.str.contains("(DTD)", regex=False)],
                ["Out", "Doubtful"],
                default="Questionable",
            ),
            "reason": notes,
            "reported_at": (day + pd.Timedelta(days=1)).dt.tz_localize(EASTERN).dt.tz_convert("UTC"),
        }
    )
    told = (name + " | " + frame["team"] + " | " + notes).astype("str")
    problems = pd.DataFrame({"text": told, "reason": reason})[reason != ""].reset_index(drop=True)
    return frame[reason == ""].sort_values(["date", "out"], kind="stable", ignore_index=True), problems


def _submitted(table: InjuryReportTable) -> pd.DataFrame:
    """Teams with a player listed, and both abbreviations of every match-up in which nobody's report is missing.

    A team of a listed match-up that is neither named nor missing has handed in a report with nobody on it.
    """
    named = table.rows[["game_date", "team"]]
    listed = pd.concat([table.rows, table.not_submitted])[["game_date", "matchup"]].drop_duplicates()
    waiting = pd.MultiIndex.from_frame(table.not_submitted[["game_date", "matchup"]])
    complete = listed[~pd.MultiIndex.from_frame(listed).isin(waiting)]
    sides = complete.assign(team=complete["matchup"].str.split("@")).explode("team")[["game_date", "team"]]
    return pd.concat([named, sides]).drop_duplicates(ignore_index=True)


def _aware(moment: datetime) -> datetime:
    if moment.tzinfo is None:
        raise SourceError(f"{moment} has no time zone: what was known then can't be told.")
    return moment.astimezone(UTC)


def _told(moment: datetime) -> str:
    return f"{moment.astimezone(EASTERN):%Y-%m-%d %H:%M} Eastern"


def start_of(day: date) -> datetime:
    """The Eastern midnight at which a day begins, in UTC."""
    return datetime.combine(day, time(), EASTERN).astimezone(UTC)
