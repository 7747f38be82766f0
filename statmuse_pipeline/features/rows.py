"""The rows that features are computed for, as integer codes: player-games played and to be played, and their teams.

Every feature goes through these arrays. A row's `day` is what "earlier" means: games of the same day never count.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from statmuse_pipeline.contracts import BOX_COLUMNS, FEATURE_KEYS
from statmuse_pipeline.domain import PipelineError

POSITIONS = ("G", "F", "C")
"""Position groups by the first letter of the roster position; players without one form a fourth group."""

GROUPS = len(POSITIONS) + 1

_SORT = ["game_date", "game_id", "player_id"]


@dataclass(frozen=True)
class TeamGames:
    """One entry a team and game; `rows_of` sums over the players that took part."""

    game: np.ndarray
    team: np.ndarray
    day: np.ndarray
    season: np.ndarray
    is_home: np.ndarray
    other: np.ndarray
    """Index of the opponent's entry, -1 where the opponent has no row."""
    upcoming: np.ndarray

    def __len__(self) -> int:
        return len(self.game)


@dataclass(frozen=True)
class Rows:
    """Player-games in the order of the feature table: date, game, player.

    `frame` keeps the input's columns; box-score columns of games to be played are NaN. The other fields are arrays of
    the same length: `player`, `team`, `opponent`, `season`, `game` are codes, `day` days since 1970, `group` the index
    of the position group, `played` whether the row enters histories (MIN > 0), `upcoming` whether it is to be played,
    `out` whether the player is known to miss it, `team_game` the index into `teams`.
    """

    frame: pd.DataFrame
    player: np.ndarray
    team: np.ndarray
    opponent: np.ndarray
    season: np.ndarray
    game: np.ndarray
    day: np.ndarray
    group: np.ndarray
    played: np.ndarray
    upcoming: np.ndarray
    out: np.ndarray
    out_is_known: bool
    team_game: np.ndarray
    teams: TeamGames

    def __len__(self) -> int:
        return len(self.frame)

    @cached_property
    def box(self) -> dict[str, np.ndarray]:
        """Box-score columns and PRA as float64, NaN for games to be played."""
        return {name: self.frame[name].to_numpy(np.float64) for name in (*BOX_COLUMNS, "pra")}


def first_of(codes: np.ndarray, count: int) -> np.ndarray:
    """Position of the first row of each code 0..count - 1."""
    first = np.zeros(count, dtype=np.int64)
    first[codes[::-1]] = np.arange(len(codes))[::-1]
    return first


def prepare_rows(player_games: pd.DataFrame, players: pd.DataFrame, upcoming: pd.DataFrame | None) -> Rows:
    """Codes of all player-games, those played and those to be played.

    Args:
        player_games: contracts.PLAYER_GAMES in any order.
        players: contracts.PLAYERS.
        upcoming: FEATURE_KEYS, is_home and optionally `out`; None for none.

    Raises:
        PipelineError: when there are no rows, a column is missing, a player-game stands twice, or a row to be played
            lies in the past of the archive.
    """
    frame = player_games.assign(upcoming=False, out=False)
    if upcoming is not None:
        frame = pd.concat([frame, _as_player_games(player_games, upcoming)], ignore_index=True)
    if frame.empty:
        raise PipelineError("There are no player-games to build features from: run `statmuse sync` first.")
    frame = frame.sort_values(_SORT, kind="stable").reset_index(drop=True)
    repeated = frame.duplicated(["game_id", "player_id"])
    if repeated.any():
        first = frame[repeated].iloc[0]
        raise PipelineError(f"Player {first['player_id']} stands twice in game {first['game_id']}: load it once.")

    is_upcoming, out = frame["upcoming"].to_numpy(bool), frame["out"].to_numpy(bool)
    team_codes, codes = np.unique(frame[["team_id", "opponent_team_id"]].to_numpy(np.int64), return_inverse=True)
    codes = codes.reshape(-1, 2)
    day = frame["game_date"].to_numpy("datetime64[D]").astype(np.int64)
    season, game = _codes(frame["season"]), _codes(frame["game_id"])
    minutes = frame["min"].to_numpy(np.float64)
    team_game, teams = _team_games(frame, game, codes[:, 0], len(team_codes), day, season, is_upcoming)
    return Rows(
        frame=frame,
        player=_codes(frame["player_id"]),
        team=codes[:, 0],
        opponent=codes[:, 1],
        season=season,
        game=game,
        day=day,
        group=_position_groups(frame["player_id"], players),
        played=minutes > 0,
        upcoming=is_upcoming,
        out=out,
        out_is_known=upcoming is not None and "out" in upcoming,
        team_game=team_game,
        teams=teams,
    )


def _as_player_games(player_games: pd.DataFrame, upcoming: pd.DataFrame) -> pd.DataFrame:
    missing = [name for name in (*FEATURE_KEYS, "is_home") if name not in upcoming]
    if missing:
        raise PipelineError(f"The games to be played lack the columns {missing}: give {[*FEATURE_KEYS, 'is_home']}.")
    if not player_games.empty and not upcoming.empty and upcoming["game_date"].min() < player_games["game_date"].max():
        raise PipelineError(
            f"The games to be played begin on {upcoming['game_date'].min():%Y-%m-%d}, before the last day of the "
            f"player-games ({player_games['game_date'].max():%Y-%m-%d}): give only later games."
        )
    out = upcoming["out"].fillna(False).astype(bool) if "out" in upcoming else False
    return upcoming[[*FEATURE_KEYS, "is_home"]].assign(
        **dict.fromkeys((*BOX_COLUMNS, "pra"), np.nan), upcoming=True, out=out
    )


def _codes(column: pd.Series) -> np.ndarray:
    return pd.factorize(column, sort=True)[0].astype(np.int64)


def _position_groups(player_ids: pd.Series, players: pd.DataFrame) -> np.ndarray:
    """Index of the position group; players without a known position form the last group."""
    letter = players.set_index("player_id")["position"].str.upper().str[:1]
    group = letter.map({name: index for index, name in enumerate(POSITIONS)}).fillna(len(POSITIONS))
    return player_ids.map(group).fillna(len(POSITIONS)).to_numpy(np.int64)


def _team_games(
    frame: pd.DataFrame,
    game: np.ndarray,
    team: np.ndarray,
    teams: int,
    day: np.ndarray,
    season: np.ndarray,
    upcoming: np.ndarray,
) -> tuple[np.ndarray, TeamGames]:
    keys, first, inverse = np.unique(game * teams + team, return_index=True, return_inverse=True)
    entry_game, entry_team = np.divmod(keys, teams)
    # Entries of a game stand next to each other, because the key starts with the game.
    other = np.full(len(keys), -1)
    same = np.flatnonzero(entry_game[1:] == entry_game[:-1])
    other[same], other[same + 1] = same + 1, same
    return inverse, TeamGames(
        game=entry_game,
        team=entry_team,
        day=day[first],
        season=season[first],
        is_home=frame["is_home"].to_numpy(bool)[first],
        other=other,
        upcoming=upcoming[first],
    )
