"""Offensive and defensive rating of a player, and the win shares that follow from them.

Oliver, Basketball on Paper (2004), chapters 14 and 17 and appendix 1, in the form that Basketball-Reference computes
from box scores alone: which shots were assisted, who was on court and who was guarded is estimated from team totals.
All functions take totals as in `advanced.py`.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd

from statmuse_pipeline.features.advanced import Floats, Totals, column, on_court_share, possessions, ratio

_SECONDS = 0.4
"""Trips to the line that end a possession, a free throw: Oliver's figure where scoring possessions are counted."""

_REGAINED = 1.07
"""Missed shots rebounded by the offence do not end a possession; 1.07 allows for team rebounds."""

_REPLACED_OFFENCE, _REPLACED_DEFENCE = 0.92, 1.08
"""Marginal points count from 92% of the league's points a possession on, and below 108% (Kubatko)."""

_POINTS_A_WIN = 0.32
"""Marginal points a win, as a share of the league's points a game, at the league's pace."""


class Offence(NamedTuple):
    """What a player's attempts came to: points produced and the possessions they took, also those shared by assists."""

    points: Floats
    scoring: Floats
    possessions: Floats


def offence(totals: Totals) -> Offence:
    """Points produced, scoring possessions and possessions used.

    Credit for an assisted basket is shared between scorer and passer, more with the passer the harder the shot; a
    team's offensive rebounds take a part of every scorer's credit and give it to those who took them.
    """
    t = {name: column(totals, name) for name in ("fgm", "fga", "fg3m", "ftm", "fta", "oreb", "ast", "tov", "pts")}
    team = {name: column(totals, f"team_{name}") for name in (*t, "min")}
    mates_made, mates_points = team["fgm"] - t["fgm"], (team["pts"] - team["ftm"]) - (t["pts"] - t["ftm"])
    mates_worth = _known(ratio(mates_points, 2 * (team["fga"] - t["fga"])))
    own_worth = _known(ratio(t["pts"] - t["ftm"], 2 * t["fga"]))
    kept = 1 - 0.5 * own_worth * _assisted_share(totals)
    trips = _scoring_trips(t["ftm"], t["fta"])
    team_scoring = team["fgm"] + _scoring_trips(team["ftm"], team["fta"])
    share, play, weight = _second_chances(totals, team_scoring)
    by_rebounds = 1 - _known(ratio(team["oreb"], team_scoring)) * weight * play

    passing = 0.5 * mates_worth * t["ast"]
    scoring = (t["fgm"] * kept + passing + trips) * by_rebounds + t["oreb"] * weight * play
    missed = (t["fga"] - t["fgm"]) * (1 - _REGAINED * share)
    missed_trips = (1 - _known(ratio(t["ftm"], t["fta"]))) ** 2 * _SECONDS * t["fta"]
    mates_value = _known(ratio(mates_made + 0.5 * (team["fg3m"] - t["fg3m"]), mates_made))
    points = (2 * (t["fgm"] + 0.5 * t["fg3m"]) * kept + 2 * mates_value * passing + t["ftm"]) * by_rebounds
    points += t["oreb"] * weight * play * _known(ratio(team["pts"], team_scoring))
    return Offence(points, scoring, scoring + missed + missed_trips + t["tov"])


def offensive_rating(totals: Totals) -> Floats:
    """Points produced a 100 possessions used."""
    made = offence(totals)
    return 100 * ratio(made.points, made.possessions)


def stops(totals: Totals) -> Floats:
    """Opponent possessions that the player ended without points: steals, blocks, rebounds, and his minutes' share of
    the team's forced misses and turnovers that nobody is named for.
    """
    them = {name: column(totals, f"opp_{name}") for name in ("oreb", "fgm", "fga", "ftm", "fta", "tov")}
    team = {name: column(totals, f"team_{name}") for name in ("dreb", "blk", "stl", "pf", "min")}
    regained = _known(ratio(them["oreb"], them["oreb"] + team["dreb"]))
    allowed = _known(ratio(them["fgm"], them["fga"]))
    forced = _known(ratio(allowed * (1 - regained), allowed * (1 - regained) + (1 - allowed) * regained))
    miss = forced * (1 - _REGAINED * regained)
    own = column(totals, "stl") + column(totals, "blk") * miss + column(totals, "dreb") * (1 - forced)
    unnamed = ratio((them["fga"] - them["fgm"] - team["blk"]) * miss + them["tov"] - team["stl"], team["min"])
    missed_trips = _SECONDS * them["fta"] * (1 - _known(ratio(them["ftm"], them["fta"]))) ** 2
    return own + unnamed * column(totals, "min") + _known(ratio(column(totals, "pf"), team["pf"])) * missed_trips


def defensive_rating(totals: Totals) -> Floats:
    """Points allowed a 100 possessions he faced: the team's figure, moved by a fifth of his own stops.

    Simplified as everywhere: a box score credits no player with the shots he made harder.
    """
    whole = possessions(totals)
    team = 100 * ratio(column(totals, "opp_pts"), whole)
    scoring = column(totals, "opp_fgm") + _scoring_trips(column(totals, "opp_ftm"), column(totals, "opp_fta"))
    stopped = ratio(stops(totals) * column(totals, "team_min"), whole * column(totals, "min"))
    return team + 0.2 * (100 * ratio(column(totals, "opp_pts"), scoring) * (1 - stopped) - team)


def win_shares(season: pd.DataFrame) -> pd.DataFrame:
    """Offensive, defensive and total win shares, an approximation: `ows`, `dws`, `ws`, indexed like `season`.

    Kubatko's method on Oliver's ratings: marginal points over what a poor player would make or allow, divided by
    the marginal points a win is worth. Basketball-Reference's own differ by unrounded minutes and team turnovers.

    Args:
        season: rows of `advanced.season_totals` of one season and whole league, or several seasons.
    """
    made, whole = offence(season), possessions(season)
    share = column(season, "min") / column(season, "team_min")
    league = _league(season, whole)
    games = column(season, "team_min") / 240
    a_win = _POINTS_A_WIN * league["points"] * ratio(whole / games, league["possessions"])
    offensive = (made.points - _REPLACED_OFFENCE * league["efficiency"] * made.possessions) / a_win
    allowed = defensive_rating(season) / 100
    # His minutes are a fifth of the court: five players share the team's possessions on defence.
    defensive = share * whole * (_REPLACED_DEFENCE * league["efficiency"] - allowed) / a_win
    return pd.DataFrame({"ows": offensive, "dws": defensive, "ws": offensive + defensive}, index=season.index)


def _league(season: pd.DataFrame, whole: Floats) -> dict[str, Floats]:
    """Points a possession, and points and possessions of a team in 48 minutes, of each row's season."""
    weighted = pd.DataFrame({"points": season["pts"], "min": season["min"], "season": season["season"]})
    weighted["possessions"] = whole * column(season, "min") / column(season, "team_min")
    sums = weighted.groupby("season")[["points", "min", "possessions"]].transform("sum")
    return {
        "efficiency": (sums["points"] / sums["possessions"]).to_numpy(),
        "points": (240 * sums["points"] / sums["min"]).to_numpy(),
        "possessions": (240 * sums["possessions"] / sums["min"]).to_numpy(),
    }


def _assisted_share(totals: Totals) -> Floats:
    """Estimated share of his field goals that were assisted: on court from team mates' assists, else from the team's.

    Oliver's q_AST; between 0 and 1.
    """
    share = on_court_share(totals)
    ast, fgm = column(totals, "ast"), column(totals, "fgm")
    team_ast, team_fgm = column(totals, "team_ast"), column(totals, "team_fgm")
    together = 1.14 * _known(ratio(team_ast - ast, team_fgm))
    apart = _known(ratio(share * team_ast - ast, share * team_fgm - fgm))
    return np.clip(share * together + apart * (1 - share), 0, 1)


def _second_chances(totals: Totals, team_scoring: Floats) -> tuple[Floats, Floats, Floats]:
    """Share of own misses rebounded, share of plays that score, and the credit an offensive rebound deserves."""
    own, theirs = column(totals, "team_oreb"), column(totals, "opp_dreb")
    share = _known(ratio(own, own + theirs))
    plays = column(totals, "team_fga") + _SECONDS * column(totals, "team_fta") + column(totals, "team_tov")
    play = _known(ratio(team_scoring, plays))
    hard = (1 - share) * play
    return share, play, _known(ratio(hard, hard + share * (1 - play)))


def _scoring_trips(made: Floats, taken: Floats) -> Floats:
    """Trips to the line with at least one point: (1 - (1 - FT%)^2) 0.4 FTA."""
    return (1 - (1 - _known(ratio(made, taken))) ** 2) * _SECONDS * taken


def _known(values: Floats) -> Floats:
    """0 where there was nothing to divide by: no attempt, no credit."""
    return np.nan_to_num(values, nan=0.0)
