"""One number a player and season: PER and an approximation of box plus/minus.

Both are set against the league: `season` is always `advanced.season_totals` of whole seasons, one or several.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from statmuse_pipeline.features import advanced
from statmuse_pipeline.features.advanced import Floats, column, ratio

_MEAN_RATING = 15.0
"""The league's PER, by definition."""

_REGRESSED_GAMES = 4
"""Games without minutes that the mean of minutes is drawn to in box plus/minus."""

_LEADING_TEAM = 1.2
"""A team's rating counts 120%: teams that lead ease off (Myers)."""


def efficiency_rating(season: pd.DataFrame) -> pd.Series:
    """PER (Hollinger, Pro Basketball Forecast): value of everything in the box score a minute, league mean 15.

    The formula as Basketball-Reference gives it: unadjusted value, times league pace / team pace, scaled so that the
    league's mean weighted by minutes is 15. NaN for who did not play.
    """
    league = _league_sums(season)
    value = ratio(league["pts"], league["fga"] - league["oreb"] + league["tov"] + 0.44 * league["fta"])
    kept = ratio(league["dreb"], league["reb"])
    factor = 2 / 3 - 0.5 * ratio(league["ast"], league["fgm"]) / (2 * ratio(league["fgm"], league["ftm"]))
    passing = ratio(column(season, "team_ast"), column(season, "team_fgm"))
    p = {name: column(season, name) for name in advanced.SUMMED}
    total = (
        p["fg3m"]
        + 2 / 3 * p["ast"]
        + (2 - factor * passing) * p["fgm"]
        + p["ftm"] * 0.5 * (1 + (1 - passing) + 2 / 3 * passing)
        - value * p["tov"]
        - value * kept * (p["fga"] - p["fgm"])
        - value * 0.44 * (0.44 + 0.56 * kept) * (p["fta"] - p["ftm"])
        + value * (1 - kept) * p["dreb"]
        + value * kept * p["oreb"]
        + value * p["stl"]
        + value * kept * p["blk"]
        - p["pf"] * (ratio(league["ftm"], league["pf"]) - 0.44 * ratio(league["fta"], league["pf"]) * value)
    )
    adjusted = ratio(total, p["min"]) * _league_pace(season) / advanced.pace(season)
    weighted = pd.DataFrame({"value": adjusted * p["min"], "min": p["min"], "season": season["season"].to_numpy()})
    sums = weighted.groupby("season")[["value", "min"]].transform("sum")
    return pd.Series(adjusted * _MEAN_RATING * (sums["min"] / sums["value"]).to_numpy(), season.index, name="per")


def box_plus_minus(season: pd.DataFrame) -> pd.Series:
    """Box plus/minus, an approximation: points a 100 possessions above a mean player, by Myers' first version (2014).

    The raw regression on rates, then one constant a team, so that its players, weighted by minutes, add up to 120% of
    its net rating. Approximate: the second version (2020) also knows position and role, and ratings are not adjusted
    for the strength of the schedule.
    """
    raw = _raw_box_plus_minus(season)
    share = advanced.on_court_share(season) * column(season, "games")
    net = advanced.team_offensive_rating(season) - advanced.team_defensive_rating(season)
    known = pd.DataFrame(
        {
            "raw": np.nan_to_num(raw) * share,
            "share": share,
            "net": net * share,
            "season": season["season"].to_numpy(),
            "team": season["team_id"].to_numpy(),
        }
    )
    sums = known.groupby(["season", "team"])[["raw", "share", "net"]].transform("sum")
    constant = (_LEADING_TEAM * sums["net"] / sums["share"] / 5 - sums["raw"] / sums["share"]).to_numpy()
    return pd.Series(raw + constant, season.index, name="bpm")


def _raw_box_plus_minus(season: pd.DataFrame) -> Floats:
    """Myers' regression of long-term adjusted plus/minus on rates, percentages as whole numbers."""
    minutes = column(season, "min") / (column(season, "games") + _REGRESSED_GAMES)
    share = advanced.usage(season) * 100
    lost = np.nan_to_num(advanced.turnover_percentage(season))
    passing = np.nan_to_num(advanced.assist_percentage(season)) * 100
    league = _league_sums(season)
    threes = ratio(column(season, "fg3a"), column(season, "fga")) - ratio(league["fg3a"], league["fga"])
    shots = 2 * (advanced.true_shooting(season) - advanced.true_shooting(season, "team_"))
    scoring = np.nan_to_num(shots) + 0.017022 * passing + 0.297639 * np.nan_to_num(threes) - 0.213485
    return (
        0.123391 * minutes
        + 0.119597 * 100 * advanced.offensive_rebound_percentage(season)
        - 0.151287 * 100 * advanced.defensive_rebound_percentage(season)
        + 1.255644 * 100 * advanced.steal_percentage(season)
        + 0.531838 * 100 * advanced.block_percentage(season)
        - 0.305868 * passing
        - 0.921292 * share * lost
        + 0.711217 * share * (1 - lost) * scoring
        + 0.725930 * np.sqrt(passing * 100 * advanced.rebound_percentage(season))
    )


def _league_sums(season: pd.DataFrame) -> dict[str, Floats]:
    """Sums over the row's season of every box-score column."""
    sums = season.groupby("season")[list(advanced.SUMMED)].transform("sum")
    return {name: column(sums, name) for name in advanced.SUMMED}


def _league_pace(season: pd.DataFrame) -> Floats:
    """Mean of the teams' pace in the row's season, weighted by minutes."""
    weighted = pd.DataFrame({"pace": advanced.pace(season) * season["min"], "min": season["min"]})
    sums = weighted.groupby(season["season"]).transform("sum")
    return (sums["pace"] / sums["min"]).to_numpy()
