"""Game logs from stats.nba.com: all players or teams in one request, or single players one by one."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from itertools import islice
from typing import Any

import numpy as np
import pandas as pd
from nba_api.stats.endpoints import LeagueGameLog, PlayerGameLogs

from statmuse_pipeline.contracts import GAME_LOG_COLUMNS
from statmuse_pipeline.domain import Season
from statmuse_pipeline.sources.source import SourceError
from statmuse_pipeline.sources.stats_nba_answers import WAY_OUT, table
from statmuse_pipeline.sources.stats_nba_client import Answer, RequestsStopped, StatsNbaClient

PLAYER_ATTEMPTS = 2
"""A season request has failed before single players are asked for: little patience is left."""

TEAM_LOG_COLUMNS = tuple(name for name in GAME_LOG_COLUMNS if name not in ("PLAYER_ID", "PLAYER_NAME"))
"""What a team's row of LeagueGameLog must have."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class PlayerLogs:
    """Rows of single players in the columns of LeagueGameLog, the players they cover, and where they came from."""

    game_logs: pd.DataFrame
    player_ids: tuple[int, ...]
    last: Answer[pd.DataFrame]


def league_game_log(season: str, since: date | None = None, until: date | None = None, of: str = "P") -> Any:
    """The request for the regular season's rows of all players (`P`) or teams (`T`) within those days."""
    return LeagueGameLog(
        season=season,
        season_type_all_star="Regular Season",
        player_or_team_abbreviation=of,
        sorter="DATE",
        direction="ASC",
        date_from_nullable=_day(since),
        date_to_nullable=_day(until),
        get_request=False,
    )


def season_game_logs(
    client: StatsNbaClient, season: str, since: date | None = None, until: date | None = None, **patience: Any
) -> Answer[pd.DataFrame]:
    """All players' rows, with `contracts.GAME_LOG_COLUMNS` at least; may be empty.

    `patience`: `attempts` and `timeout` of `StatsNbaClient.ask`.

    Raises:
        SourceError: when they do not come, or lack columns.
    """
    return _league(client, season, since, until, "P", GAME_LOG_COLUMNS, **patience)


def team_game_logs(
    client: StatsNbaClient, season: str, since: date | None = None, until: date | None = None
) -> Answer[pd.DataFrame]:
    """All teams' rows, one a team and game, with `TEAM_LOG_COLUMNS` at least; may be empty.

    Raises:
        SourceError: when they do not come, or lack columns.
    """
    return _league(client, season, since, until, "T", TEAM_LOG_COLUMNS)


def _league(
    client: StatsNbaClient,
    season: str,
    since: date | None,
    until: date | None,
    of: str,
    columns: tuple[str, ...],
    **patience: Any,
) -> Answer[pd.DataFrame]:
    def read(response: Any) -> pd.DataFrame:
        logs = table(response, "LeagueGameLog")
        _require(logs, columns, f"game log of {season}")
        return logs

    return client.ask(league_game_log(season, since, until, of), read, season=season, **patience)


def single_player_logs(
    client: StatsNbaClient, season: str, player_ids: Iterable[int], limit: int, since: date | None = None
) -> PlayerLogs | None:
    """The rows of at most `limit` players, in that order; None when none came.

    A player whose request fails is passed over, and counts; all stop when the circuit breaker opens.
    """
    frames: list[pd.DataFrame] = []
    covered: list[int] = []
    last: Answer[pd.DataFrame] | None = None
    for player_id in islice(dict.fromkeys(player_ids), limit):
        request = PlayerGameLogs(
            player_id_nullable=player_id,
            season_nullable=season,
            season_type_nullable="Regular Season",
            date_from_nullable=_day(since),
            get_request=False,
        )
        try:
            last = client.ask(
                request, lambda response: _as_league_game_log(response, season), season=season, attempts=PLAYER_ATTEMPTS
            )
        except RequestsStopped as error:
            log.warning("No more single players of %s: %s", season, error)
            break
        except SourceError as error:
            log.warning("Player %d of %s is left out: %s", player_id, season, error)
            continue
        # Another player's rows under this id would be a fault of the service; only the one asked for counts.
        own = last.content[last.content["PLAYER_ID"] == player_id]
        if not own.empty:
            frames.append(own)
            covered.append(player_id)
    if last is None or not frames:
        return None
    return PlayerLogs(pd.concat(frames, ignore_index=True), tuple(covered), last)


def _as_league_game_log(response: Any, season: str) -> pd.DataFrame:
    """PlayerGameLogs has fractions of minutes, a time in GAME_DATE and the season's label for its id."""
    logs = table(response, "PlayerGameLogs")
    _require(logs, tuple(name for name in GAME_LOG_COLUMNS if name != "SEASON_ID"), f"single-player log of {season}")
    shaped = logs.assign(
        SEASON_ID=Season.parse(season).season_id,
        GAME_DATE=logs["GAME_DATE"].astype("str").str[:10],
        # LeagueGameLog rounds to whole minutes, a half up.
        MIN=np.floor(pd.to_numeric(logs["MIN"]) + 0.5).astype("int64"),
    )
    return shaped.sort_values(["GAME_DATE", "GAME_ID"], kind="stable", ignore_index=True)


def _require(logs: pd.DataFrame, columns: tuple[str, ...], what: str) -> None:
    if missing := [name for name in columns if name not in logs]:
        raise SourceError(
            f"stats.nba.com's {what} lacks the columns {', '.join(missing)}: its format has changed; {WAY_OUT} "
            "until this program follows."
        )


def _day(value: date | None) -> str:
    return f"{value:%m/%d/%Y}" if value else ""
