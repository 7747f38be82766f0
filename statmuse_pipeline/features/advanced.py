"""Advanced metrics from box scores: shooting, shares of what happened on court, pace and ratings, game score, PIE.

Every function takes totals: any table with box-score columns of a player, `team_` columns of his team and `opp_`
columns of the opponent, as `with_team_totals` makes them from player-games and `season_totals` sums them over a season.
One game or a season, the formulas are the same. Percentages are fractions (0.25), as stats.nba.com gives them; ratings
are points a 100 possessions; what cannot be said (no shot taken) is NaN.

Sources: Oliver, Basketball on Paper (2004); Kubatko, Oliver, Pelton and Rosenbaum, A Starting Point for Analyzing
Basketball Statistics, JQAS 3:3 (2007); the glossaries of Basketball-Reference and stats.nba.com. Shares of a player
assume that his team and the opponent did as much in each of his minutes as in the whole game: a box score does not say
who was on court. The official figures count what happened on court, and come out a little different.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import pandas as pd

from statmuse_pipeline.contracts import BOX_COLUMNS

Floats = npt.NDArray[np.float64]
Totals = Mapping[str, npt.NDArray[np.floating]] | pd.DataFrame

SUMMED = tuple(name for name in BOX_COLUMNS if name != "plus_minus")
"""Columns of which team and opponent totals are made."""


def with_team_totals(player_games: pd.DataFrame) -> pd.DataFrame:
    """The rows with `team_` and `opp_` columns: sums over the players of both teams of the game.

    Args:
        player_games: contracts.PLAYER_GAMES, whole games.
    """
    sums = player_games.groupby(["game_id", "team_id"], sort=True)[list(SUMMED)].sum()
    found = player_games.reset_index(drop=True)
    for prefix, side in (("team", "team_id"), ("opp", "opponent_team_id")):
        keys = pd.MultiIndex.from_frame(found[["game_id", side]])
        found[[f"{prefix}_{name}" for name in SUMMED]] = sums.reindex(keys).to_numpy()
    return found


def season_totals(player_games: pd.DataFrame) -> pd.DataFrame:
    """Sums of `with_team_totals` over each season, player and team: keys, `games`, `wins`, and the columns summed.

    Team and opponent columns are summed over the games the player took part in. Rows of MIN 0 count as no game.
    """
    whole = with_team_totals(player_games)
    rows = whole[whole["min"] > 0]
    sides = [f"{prefix}_{name}" for prefix in ("team", "opp") for name in SUMMED]
    by = rows.groupby(["season", "player_id", "team_id"], sort=True)
    sums = by[[*BOX_COLUMNS, *sides]].sum()
    sums.insert(0, "games", by.size())
    sums.insert(1, "wins", by["won"].sum())
    return sums.reset_index()


def team_view(team_games: pd.DataFrame) -> pd.DataFrame:
    """Team-games in the shape of totals: keys, and `team_` and `opp_` columns.

    Args:
        team_games: contracts.TEAM_GAMES.
    """
    keys = ["season", "game_id", "game_date", "team_id", "opponent_team_id", "is_home", "won"]
    mine = team_games[[*keys, *SUMMED]].rename(columns={name: f"team_{name}" for name in SUMMED})
    theirs = team_games[["game_id", "team_id", *SUMMED]].rename(
        columns={"team_id": "opponent_team_id"} | {name: f"opp_{name}" for name in SUMMED}
    )
    return mine.merge(theirs, on=["game_id", "opponent_team_id"], how="left", validate="one_to_one")


def ratio(above: npt.ArrayLike, below: npt.ArrayLike) -> Floats:
    """above / below, NaN where below is not positive."""
    top, bottom = np.broadcast_arrays(np.asarray(above, np.float64), np.asarray(below, np.float64))
    return np.divide(top, bottom, out=np.full(top.shape, np.nan), where=bottom > 0)


def column(totals: Totals, name: str) -> Floats:
    """One column of totals as float64."""
    return np.asarray(totals[name], dtype=np.float64)


def shooting_possessions(totals: Totals, prefix: str = "") -> Floats:
    """FGA + 0.44 FTA: possessions that ended in a shot or in free throws (Oliver)."""
    return column(totals, f"{prefix}fga") + 0.44 * column(totals, f"{prefix}fta")


def true_shooting(totals: Totals, prefix: str = "") -> Floats:
    """PTS / (2 (FGA + 0.44 FTA)): points a shot, in units of two points."""
    return ratio(column(totals, f"{prefix}pts"), 2 * shooting_possessions(totals, prefix))


def effective_field_goals(totals: Totals, prefix: str = "") -> Floats:
    """(FGM + 0.5 FG3M) / FGA."""
    made = column(totals, f"{prefix}fgm") + 0.5 * column(totals, f"{prefix}fg3m")
    return ratio(made, column(totals, f"{prefix}fga"))


def on_court_share(totals: Totals) -> Floats:
    """MIN / (team MIN / 5): the share of the game that the player was on court."""
    return ratio(5 * column(totals, "min"), column(totals, "team_min"))


def usage(totals: Totals) -> Floats:
    """Share of the team's plays that he ended by a shot, free throws or a turnover while on court (Hollinger)."""
    mine = shooting_possessions(totals) + column(totals, "tov")
    team = shooting_possessions(totals, "team_") + column(totals, "team_tov")
    return ratio(mine, on_court_share(totals) * team)


def assist_percentage(totals: Totals) -> Floats:
    """AST / (field goals that his team mates made while he was on court)."""
    mates = on_court_share(totals) * column(totals, "team_fgm") - column(totals, "fgm")
    return ratio(column(totals, "ast"), mates)


def turnover_percentage(totals: Totals) -> Floats:
    """TOV / (FGA + 0.44 FTA + TOV): share of the plays he ended that were turnovers."""
    lost = column(totals, "tov")
    return ratio(lost, shooting_possessions(totals) + lost)


def offensive_rebound_percentage(totals: Totals) -> Floats:
    """Share of the rebounds off his own team's misses that he took while on court."""
    chances = column(totals, "team_oreb") + column(totals, "opp_dreb")
    return ratio(column(totals, "oreb"), on_court_share(totals) * chances)


def defensive_rebound_percentage(totals: Totals) -> Floats:
    """Share of the rebounds off the opponent's misses that he took while on court."""
    chances = column(totals, "team_dreb") + column(totals, "opp_oreb")
    return ratio(column(totals, "dreb"), on_court_share(totals) * chances)


def rebound_percentage(totals: Totals) -> Floats:
    """Share of all rebounds that he took while on court."""
    chances = column(totals, "team_reb") + column(totals, "opp_reb")
    return ratio(column(totals, "reb"), on_court_share(totals) * chances)


def steal_percentage(totals: Totals) -> Floats:
    """Share of the opponent's possessions that he ended by a steal while on court."""
    return ratio(column(totals, "stl"), on_court_share(totals) * possessions(totals))


def block_percentage(totals: Totals) -> Floats:
    """Share of the opponent's two-point attempts that he blocked while on court."""
    twos = column(totals, "opp_fga") - column(totals, "opp_fg3a")
    return ratio(column(totals, "blk"), on_court_share(totals) * twos)


def possessions(totals: Totals) -> Floats:
    """Possessions of a team: the mean of both sides, which have the same number but for one or two.

    FGA + 0.4 FTA - 1.07 (FGA - FGM) OREB / (OREB + opponent's DREB) + TOV (Oliver; Basketball-Reference's form).
    """
    return (_one_side(totals, "team_", "opp_") + _one_side(totals, "opp_", "team_")) / 2


def _one_side(totals: Totals, side: str, other: str) -> Floats:
    shots, rebounds = column(totals, f"{side}fga"), column(totals, f"{side}oreb")
    regained = np.nan_to_num(ratio(rebounds, rebounds + column(totals, f"{other}dreb")))
    missed = shots - column(totals, f"{side}fgm")
    return shots + 0.4 * column(totals, f"{side}fta") - 1.07 * regained * missed + column(totals, f"{side}tov")


def pace(totals: Totals) -> Floats:
    """Possessions of a team in 48 minutes."""
    return 48 * ratio(5 * possessions(totals), column(totals, "team_min"))


def team_offensive_rating(totals: Totals) -> Floats:
    """Points the team scored a 100 possessions."""
    return 100 * ratio(column(totals, "team_pts"), possessions(totals))


def team_defensive_rating(totals: Totals) -> Floats:
    """Points the team allowed a 100 possessions."""
    return 100 * ratio(column(totals, "opp_pts"), possessions(totals))


def game_score(totals: Totals) -> Floats:
    """Hollinger's rough measure of a game, on the scale of points: 10 is an average game of a regular, 40 outstanding.

    PTS + 0.4 FGM - 0.7 FGA - 0.4 (FTA - FTM) + 0.7 OREB + 0.3 DREB + STL + 0.7 AST + 0.7 BLK - 0.4 PF - TOV.
    """
    weights = {
        "pts": 1.0, "fgm": 0.4, "fga": -0.7, "fta": -0.4, "ftm": 0.4, "oreb": 0.7, "dreb": 0.3, "stl": 1.0,
        "ast": 0.7, "blk": 0.7, "pf": -0.4, "tov": -1.0,
    }  # fmt: skip
    return _weighted(totals, weights, "")


_IMPACT = {
    "pts": 1.0, "fgm": 1.0, "ftm": 1.0, "fga": -1.0, "fta": -1.0, "dreb": 1.0, "oreb": 0.5, "ast": 1.0, "stl": 1.0,
    "blk": 0.5, "pf": -1.0, "tov": -1.0,
}  # fmt: skip


def player_impact(totals: Totals) -> Floats:
    """PIE of stats.nba.com: share of the events while he was on court, good minus bad, that were his.

    PTS + FGM + FTM - FGA - FTA + DREB + OREB / 2 + AST + STL + BLK / 2 - PF - TOV, divided by the same sum over both
    teams, of which a player is taken to have seen his share of the minutes.
    """
    game = _weighted(totals, _IMPACT, "team_") + _weighted(totals, _IMPACT, "opp_")
    return ratio(_weighted(totals, _IMPACT, ""), on_court_share(totals) * game)


def _weighted(totals: Totals, weights: Mapping[str, float], prefix: str) -> Floats:
    return np.sum([weight * column(totals, f"{prefix}{name}") for name, weight in weights.items()], axis=0)
