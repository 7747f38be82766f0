"""The feature table: one row a player-game, every column tagged with the moment from which it is known."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import pandas as pd

from statmuse_pipeline.contracts import FEATURE_KEYS, TARGETS
from statmuse_pipeline.domain import InformationLevel
from statmuse_pipeline.features import (
    availability,
    efficiency,
    lineup,
    lineup_rates,
    minutes,
    opponent,
    rolling,
    rotation,
    schedule,
    travel,
)
from statmuse_pipeline.features.blocks import block_features
from statmuse_pipeline.features.catalog import Feature
from statmuse_pipeline.features.rows import prepare_rows


def build_features(
    player_games: pd.DataFrame,
    games: pd.DataFrame,
    players: pd.DataFrame,
    upcoming: pd.DataFrame | None = None,
    *,
    only_upcoming: bool = False,
    seasons: Collection[str] | None = None,
    chances: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Features of every player-game from what was known before its day (`tip_` columns: when the ball went up).

    Args:
        player_games: contracts.PLAYER_GAMES, all history there is, in any order.
        games: contracts.GAMES; gives the hour of the tip-off where known.
        players: contracts.PLAYERS.
        upcoming: games still to be played, one row a player: FEATURE_KEYS, `is_home` and optionally `out` (True for a
            player known to miss the game: he counts in his team mates' tip-off columns and gets no row). All players
            expected to play should be listed; without `out`, tip-off columns of these rows are missing.
        only_upcoming: give the rows to be played alone, in a third of the time.
        seasons: give the rows of these seasons alone, in half the time for one of four; all when left out.
        chances: game_id, player_id, p_plays: how likely members of the teams are to play, known before the day of the
            game; who is not told of plays as surely as he played the team's last game.

    Returns:
        FEATURE_KEYS, TARGETS (int64; float64 with NaN in rows to be played) and float32 features as in
        `feature_catalog()`, except the forecasts of minutes (`minutes.add_minutes_forecasts`), sorted by
        game_date, game_id, player_id. What is not known is NaN.

    Raises:
        PipelineError: when there are no rows, a player-game or a chance stands twice, or upcoming rows lie in the past.
    """
    rows = prepare_rows(player_games, players, upcoming)
    wanted = np.ones(len(rows), dtype=bool) if seasons is None else rows.frame["season"].isin(seasons).to_numpy()
    if only_upcoming:
        wanted &= rows.upcoming
    history = rolling.player_history(rows)
    members = rotation.team_members(rows, history, chances)
    tonight = rotation.take_part(rows, history, members)
    calendar = schedule.schedule_features(rows, games, history)
    roles = rotation.role_features(rows, history, members)
    columns = {
        **rolling.recent_form(rows, history),
        **efficiency.efficiency_features(rows, history),
        **calendar,
        **travel.travel_features(rows, calendar["tipoff_hour"]),
        **schedule.profile_features(rows, players),
        **opponent.opponent_features(rows, history),
        **roles,
        **availability.availability_features(rows, history, members, tonight, roles),
        **lineup.lineup_features(rows, history, members, tonight, wanted),
        **lineup_rates.lineup_rates(rows, history, members, tonight),
    }
    values = np.column_stack([column.astype(np.float32) for column in columns.values()])
    whole = "float64" if rows.upcoming.any() else "int64"
    table = pd.concat(
        [
            rows.frame[[*FEATURE_KEYS, *TARGETS]].astype(dict.fromkeys(TARGETS, whole)),
            pd.DataFrame(values, columns=list(columns)),
        ],
        axis=1,
    )
    kept = ~rows.out & wanted
    return table if kept.all() else table[kept].reset_index(drop=True)


def _features() -> list[Feature]:
    return [*block_features(), *minutes.catalog()]


def feature_catalog() -> pd.DataFrame:
    """Every feature of the table: name, level ("pregame" or "tipoff"), group, description."""
    return pd.DataFrame(_features(), columns=list(Feature._fields)).astype("str")


def columns_at(level: InformationLevel) -> list[str]:
    """Names of the features that a forecast at this level may use."""
    return [feature.name for feature in _features() if level.may_use(feature.level)]
