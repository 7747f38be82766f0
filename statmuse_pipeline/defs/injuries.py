"""Injury statuses of a day as ids, kept for the night's forecasts."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from statmuse_pipeline.defs.resources import Workspace
from statmuse_pipeline.defs.services import injuries as injury_source

if TYPE_CHECKING:
    import pandas as pd

STATUS_COLUMNS = [
    "player_id", "team_id", "status", "reason", "reported_at", "player_name", "source", "precision", "method", "score",
]  # fmt: skip


@dataclass(frozen=True)
class DayInjuries:
    """What was known at a moment of who may miss the games of a day.

    Attributes:
        statuses: `STATUS_COLUMNS`, one row a player.
        reports: team_id, reported_at of the teams whose report was there; None where the source does not tell.
        unresolved: player_name, team, date, reason, rows: names that are nobody's, or not certainly.
        decisions: player_name, player_id, method, score, rows: how names were understood.
        problems: text, reason: entries that could not be read.
        told: one sentence on where it comes from and how old it is.
    """

    statuses: pd.DataFrame
    reports: pd.DataFrame | None
    unresolved: pd.DataFrame
    decisions: pd.DataFrame
    problems: pd.DataFrame
    told: str


def known_injuries(
    workspace: Workspace, day: dt.date, moment: dt.datetime, roster: pd.DataFrame | None = None
) -> DayInjuries | None:
    """Statuses for the games of that day which were public at that moment; None where there is no source.

    Args:
        workspace: where names are looked up.
        day: Eastern day.
        moment: with a time zone.
        roster: team_id, player_id of who is under contract, where that is known.

    Raises:
        SourceError: when the statuses do not come or cannot be read.
    """
    import pandas as pd

    from statmuse_pipeline.domain import Season
    from statmuse_pipeline.warehouse import people, read

    source = injury_source(workspace)
    if source is None:
        return None
    known, engine, date = source.known_at(moment), workspace.engine, pd.Timestamp(day)
    of_day = known.statuses[known.statuses["game_date"] == date]
    season = Season.of_date(day)
    # The season before tells where a player was who has not played yet.
    player_games = read.player_games(engine, [Season(season.start_year - 1).label, season.label])
    teams = read.teams(engine)
    resolution = people.resolve_people(
        of_day.rename(columns={"game_date": "date"}),
        player_games,
        read.players(engine),
        teams,
        roster=None if roster is None else roster.assign(season=season.label),
    )
    found = resolution.resolved
    over = found[found["precision"] == "day"]
    left = people.without_returned(over, player_games, date).index
    statuses = found[(found["precision"] != "day") | found.index.isin(left)]
    return DayInjuries(
        statuses[STATUS_COLUMNS].drop_duplicates("player_id", keep="last").reset_index(drop=True),
        _reports(known, date, teams),
        resolution.unresolved,
        resolution.decisions,
        known.problems,
        known.told,
    )


def raw_transactions(workspace: Workspace) -> pd.DataFrame | None:
    """Every transaction as the archive names its player; None where the source has none."""
    from statmuse_pipeline.sources.injury_reports import ArchiveInjuries

    source = injury_source(workspace)
    return source.transactions() if isinstance(source, ArchiveInjuries) else None


def with_ids(workspace: Workspace, transactions: pd.DataFrame, player_games: pd.DataFrame) -> pd.DataFrame:
    """The transactions whose player is understood, as `features.roster.listed_statuses` takes them."""
    from statmuse_pipeline.domain import Season
    from statmuse_pipeline.warehouse import people, read

    engine = workspace.engine
    found = people.resolve_people(transactions, player_games, read.players(engine), read.teams(engine)).resolved
    season = found["date"].map({day: Season.of_date(day).label for day in found["date"].unique()}).astype("str")
    return found.assign(season=season)[["player_id", "date", "season", "out", "status"]]


def listed_members(
    workspace: Workspace,
    transactions: pd.DataFrame | None,
    player_games: pd.DataFrame,
    players: pd.DataFrame,
) -> pd.DataFrame:
    """`features.roster.roster_features` of those games, with LISTED where there are transactions.

    Args:
        workspace: where names are looked up.
        transactions: of `raw_transactions`.
        player_games: contracts.PLAYER_GAMES.
        players: contracts.PLAYERS.
    """
    from statmuse_pipeline.features.roster import LISTED, listed_statuses, roster_features

    members = roster_features(player_games, players)
    if transactions is not None:
        members[LISTED] = listed_statuses(members, with_ids(workspace, transactions, player_games))
    return members


def _reports(known: Any, date: pd.Timestamp, teams: pd.DataFrame) -> pd.DataFrame | None:
    from statmuse_pipeline.warehouse.people import team_ids

    if known.submitted is None:
        return None
    of_day = known.submitted[known.submitted["game_date"] == date]
    ids = team_ids(of_day["team"], teams).dropna().astype("int64").drop_duplicates()
    return ids.rename("team_id").to_frame().assign(reported_at=known.reported_at).reset_index(drop=True)


def store_injuries(workspace: Workspace, day: dt.date, injuries: DayInjuries) -> Path:
    """Keeps them as `<data>/injuries/<day>/`, in place of what was there; gives the folder.

    `injuries.parquet` has the statuses and `reports.parquet`, where the source tells, the teams that have reported.
    """
    from statmuse_pipeline.versions import fingerprint

    tables = {
        "injuries": injuries.statuses, "reports": injuries.reports, "unresolved": injuries.unresolved,
        "decisions": injuries.decisions, "problems": injuries.problems,
    }  # fmt: skip

    def write(folder: Path) -> dict[str, Any]:
        for name, table in tables.items():
            if table is not None:
                table.to_parquet(folder / f"{name}.parquet", index=False)
        return {"told": injuries.told, "players": len(injuries.statuses), "unresolved": len(injuries.unresolved)}

    workspace.shelf.put(f"injuries/{day}", fingerprint({"told": injuries.told}), write)
    return workspace.shelf.folder(f"injuries/{day}")
