"""Which night is to be forecast, and what is known of it: games, rosters, injury reports, quotes."""

import datetime as dt
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from statmuse_pipeline.defs.injuries import known_injuries, store_injuries
from statmuse_pipeline.defs.resources import Workspace
from statmuse_pipeline.defs.services import fetched_quotes
from statmuse_pipeline.domain import PipelineError

if TYPE_CHECKING:
    import pandas as pd

    from statmuse_pipeline.slate.inputs import InputTimes
    from statmuse_pipeline.warehouse.ledger import Ledger

SLATES = "slate"
"""`<data>/slate/<day>/` holds the forecasts of one night."""

LIVE, SET, ARCHIVE = "live", "set", "archive"
"""What tells the time: the machine, `STATMUSE_NOW`, or the newest game of a source that stands still."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Night:
    """The games of a day, seen from a moment.

    Attributes:
        day: Eastern day.
        now: the present moment.
        clock: what tells it, one of LIVE, SET, ARCHIVE.
        games: contracts.SCHEDULED_GAMES of that day; empty on a day without games.
        scheduled: the same of the whole season as far as it is known, that day included.
    """

    day: dt.date
    now: dt.datetime
    clock: str
    games: "pd.DataFrame"
    scheduled: "pd.DataFrame"


def tonight(workspace: Workspace) -> Night:
    """The night to forecast.

    At stats.nba.com it is the Eastern day of the moment (or `workspace.slate_day`) with the games of its scoreboard. A
    source that stands still, archive or demo league, has no present: for it the moment is one minute before the first
    tip-off after the newest game loaded, unless a clock is set.

    Raises:
        PipelineError: when no game is loaded.
    """
    from statmuse_pipeline.slate import games as schedule

    stored = stored_schedule(workspace)
    live = workspace.choice.source.name == "nba_api"
    clock = SET if workspace.settings.present else LIVE if live else ARCHIVE
    if clock == ARCHIVE:
        newest = newest_game(workspace).date()
        day = schedule.next_game_day(stored, newest)
        now = _before_tipoff(stored, day) if day else _morning_after(newest)
        day = workspace.slate_day or day or newest + dt.timedelta(days=1)
        return Night(day, now, clock, schedule.games_of(stored, day), stored)
    now = workspace.settings.now()
    day = workspace.slate_day or schedule.eastern_day(now)
    games = _scoreboard(workspace, day, stored) if live else schedule.games_of(stored, day)
    return Night(day, now, clock, games, stored)


def open_ledger(workspace: Workspace, night: Night) -> "Ledger":
    """The ledger of expected outputs with the night's clock."""
    from statmuse_pipeline.warehouse.ledger import Ledger

    return Ledger(workspace.engine, (lambda: night.now) if night.clock == ARCHIVE else workspace.settings.now)


def stored_schedule(workspace: Workspace) -> "pd.DataFrame":
    """contracts.SCHEDULED_GAMES of every season that was fetched, as the source gave its schedule then."""
    import pandas as pd

    from statmuse_pipeline.slate import games as schedule

    parts = []
    for season in workspace.settings.seasons:
        file = workspace.shelf.folder(f"raw/{season}") / "schedule.parquet"
        if workspace.shelf.receipt(f"raw/{season}") is not None:
            parts.append(schedule.from_schedule(pd.read_parquet(file), season))
    return pd.concat(parts, ignore_index=True) if parts else schedule.no_games()


def newest_game(workspace: Workspace) -> "pd.Timestamp":
    """The day of the newest game in the warehouse.

    Raises:
        PipelineError: when there is none.
    """
    import pandas as pd

    from statmuse_pipeline.warehouse.read import games

    newest = games(workspace.engine)["game_date"].max()
    if pd.isna(newest):
        raise PipelineError("The warehouse holds no game: run `statmuse sync` first.")
    return newest  # type: ignore[no-any-return]


def input_times(workspace: Workspace, **newest: Any) -> "InputTimes":
    """From when games, features and models are; `newest` adds the newest report and quote."""
    import pandas as pd

    from statmuse_pipeline.registry.metadata import newest_record
    from statmuse_pipeline.slate.inputs import InputTimes
    from statmuse_pipeline.warehouse.read import games

    day_of = games(workspace.engine).set_index("game_id")["game_date"]

    def last_day(name: str, file: str) -> Any:
        if workspace.shelf.receipt(name) is None:
            return None
        ids = pd.read_parquet(workspace.shelf.folder(name) / file, columns=["game_id"])["game_id"]
        return day_of.reindex(ids.unique()).max()

    features = [last_day(f"features/{season}", "features.parquet") for season in workspace.settings.seasons]
    models, recorded = newest_record(workspace.engine)
    return InputTimes(
        newest_game=newest_game(workspace),
        newest_features=max((day for day in features if pd.notna(day)), default=None),
        newest_learned=last_day("pooled", "priors.parquet"),
        models_recorded=recorded,
        has_models=models > 0,
        **newest,
    )


def _before_tipoff(scheduled: "pd.DataFrame", day: dt.date) -> dt.datetime:
    from statmuse_pipeline.slate.games import begins, games_of

    first = begins(games_of(scheduled, day)).min()
    return first.to_pydatetime() - dt.timedelta(minutes=1)  # type: ignore[no-any-return]


def _morning_after(day: dt.date) -> dt.datetime:
    import pandas as pd

    from statmuse_pipeline.slate.games import EASTERN
    from statmuse_pipeline.slate.inputs import NIGHT_ENDS

    return (pd.Timestamp(day) + NIGHT_ENDS).tz_localize(EASTERN).tz_convert("UTC").to_pydatetime()


def _scoreboard(workspace: Workspace, day: dt.date, stored: "pd.DataFrame") -> "pd.DataFrame":
    """The games of the day from stats.nba.com; from the stored schedule where the scoreboard does not come."""
    from statmuse_pipeline.slate import games as schedule
    from statmuse_pipeline.sources.schedule_nba import todays_games
    from statmuse_pipeline.sources.source import SourceError

    source: Any = workspace.choice.source
    try:
        return schedule.from_schedule(todays_games(source.client, day), schedule.season_of(day))
    except SourceError as error:
        known = schedule.games_of(stored, day)
        if known.empty:
            raise
        log.warning("The games of %s come from the schedule fetched last: %s", day, error)
        return known


def current_rosters(workspace: Workspace, day: dt.date) -> "pd.DataFrame | None":
    """player_id, player_name, team_id of who is under contract; None where the source has no present."""
    from statmuse_pipeline.slate.games import season_of
    from statmuse_pipeline.sources.schedule_nba import rosters
    from statmuse_pipeline.sources.source import SourceError

    source: Any = workspace.choice.source
    if source.name != "nba_api":
        return None
    try:
        listed = rosters(source.client, season_of(day))
    except SourceError as error:
        log.warning("Players are taken to be where they last played: %s", error)
        return None
    under_contract = listed[listed["ON_ROSTER"] & (listed["TEAM_ID"] != 0)]
    names = {"PLAYER_ID": "player_id", "PLAYER_NAME": "player_name", "TEAM_ID": "team_id"}
    return under_contract.rename(columns=names)[list(names.values())].reset_index(drop=True)


def night_injuries(
    workspace: Workspace, night: Night, roster: "pd.DataFrame | None"
) -> "tuple[pd.DataFrame | None, pd.DataFrame | None]":
    """Statuses of players for that night and the teams that have reported, as they are known at its moment.

    Where the source does not answer, or there is none, what was stored last under `<data>/injuries/<day>/`; None where
    nothing is.
    """
    from statmuse_pipeline.sources.source import SourceError

    try:
        found = known_injuries(workspace, night.day, night.now, roster)
        if found is not None:
            store_injuries(workspace, night.day, found)
            return found.statuses, found.reports
    except SourceError as error:
        log.warning("Injuries are those that were stored last: %s", error)
    folder = workspace.shelf.folder(f"injuries/{night.day}")
    return _parquet(folder / "injuries.parquet"), _parquet(folder / "reports.parquet")


def read_raw_quotes(workspace: Workspace, night: Night) -> "pd.DataFrame":
    """contracts.QUOTES_RAW that may be about that night; simulated games have none."""
    import pandas as pd

    from statmuse_pipeline.slate.games import EASTERN, season_of
    from statmuse_pipeline.sources.quote_files import QuoteFiles

    real = workspace.choice.source.name != "demo"
    files = QuoteFiles(workspace.settings.archive, fetched_quotes(workspace)) if real else QuoteFiles(None)
    raw = files.read([season_of(night.day)])
    day = pd.Timestamp(night.day)
    begins = raw["commence_time"].dt.tz_convert(EASTERN).dt.tz_localize(None).dt.normalize()
    told = begins.fillna(raw["game_date"])
    captured = (raw["captured_at"] <= pd.Timestamp(night.now)) & (
        raw["captured_at"] > pd.Timestamp(night.now) - pd.Timedelta(days=2)
    )
    return raw[(told == day) | (told.isna() & captured)].reset_index(drop=True)


def _parquet(file: Path) -> "pd.DataFrame | None":
    import pandas as pd

    return pd.read_parquet(file) if file.is_file() else None


def night_quotes(workspace: Workspace, night: Night, rows: "pd.DataFrame") -> "pd.DataFrame":
    """contracts.QUOTES of that night's players that were public at its moment.

    Args:
        workspace: where quotes and names are.
        night: which.
        rows: of `roster.upcoming_rows`, all players of the night.
    """
    import pandas as pd

    from statmuse_pipeline.betting.hygiene import information_level
    from statmuse_pipeline.slate.lines import tonights_quotes
    from statmuse_pipeline.warehouse import names, read

    raw = read_raw_quotes(workspace, night)
    known = read.players(workspace.engine)
    new = rows.loc[~rows["player_id"].isin(known["player_id"]), ["player_id", "player_name"]]
    resolution = names.resolve_quotes(
        raw, night.games, rows, pd.concat([known, new], ignore_index=True), read.teams(workspace.engine)
    )
    quotes = resolution.resolved.assign(level=information_level(resolution.resolved))
    return tonights_quotes(quotes, night.games, night.now)
