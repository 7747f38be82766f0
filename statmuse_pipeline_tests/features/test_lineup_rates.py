"""What mates and opponents make a minute, against a slow recomputation, and when a star arrives."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from statmuse_pipeline.domain import ROTATION_MINUTES
from statmuse_pipeline.features.lineup_rates import MATES, OPPONENTS, RESERVE
from statmuse_pipeline.features.table import build_features
from statmuse_pipeline_tests.features.leagues import League, in_regulation

STATS = ("min", *RESERVE)


def usual(games: pd.DataFrame, player: int, day: pd.Timestamp) -> dict[str, float]:
    """Slow means of a player's stats before a day, and the quick one of minutes; zeros where he has not played."""
    mine = games[(games["player_id"] == player) & (games["game_date"] < day) & (games["min"] > 0)]
    if mine.empty:
        return dict.fromkeys((*STATS, "lately"), 0.0)
    mine = mine.sort_values("game_date")
    lately = {"lately": float(mine["regulation"].ewm(alpha=0.25).mean().iloc[-1])}
    return lately | {s: float(mine[s].ewm(alpha=0.03).mean().iloc[-1]) for s in STATS}


def rates(games: pd.DataFrame, game_id: str, team: int, without: int | None = None) -> dict[str, float]:
    """A minute of the rotation in a box score, reserves in the minutes that it and the player leave."""
    box = games[(games["game_id"] == game_id) & (games["team_id"] == team)]
    day = box["game_date"].iloc[0]
    players = [usual(games, p, day) for p in box["player_id"] if p != without]
    rotation = [own for own in players if own["lately"] >= ROTATION_MINUTES]
    minutes = sum(own["min"] for own in rotation)
    own = usual(games, without, day)["min"] if without is not None else 0.0
    rest = max(240 - own - minutes, 0)
    return {s: (sum(o[s] for o in rotation) + rest * RESERVE[s]) / (minutes + rest) for s in RESERVE}


def test_the_rates_equal_a_slow_recomputation(small_league: League) -> None:
    games = in_regulation(small_league.player_games[small_league.player_games["game_date"] < "2023-12-20"])
    table = build_features(games, small_league.games, small_league.players)
    counted = table[(table["games_before"] >= 10) & (table["min_ewm_03"] > 10)]
    for _, row in counted.sample(3, random_state=2).iterrows():
        mine = games[(games["player_id"] == row["player_id"]) & (games["game_date"] < row["game_date"])]
        mine = mine[mine["min"] > 0].sort_values("game_date")
        before = pd.DataFrame(
            [rates(games, g, t, row["player_id"]) for g, t in mine[["game_id", "team_id"]].to_numpy()]
        )
        tonight = rates(games, row["game_id"], row["team_id"], row["player_id"])
        other = games.loc[(games["game_id"] == row["game_id"]) & (games["team_id"] != row["team_id"]), "team_id"].iloc[
            0
        ]
        theirs = rates(games, row["game_id"], other)
        for s in MATES:
            earlier = before[s].ewm(alpha=0.03).mean().iloc[-1]
            assert row[f"tip_mates_{s}_per_min_new"] == pytest.approx(tonight[s] - earlier, abs=1e-5)
        for s in OPPONENTS:
            assert row[f"tip_opp_{s}_per_min"] == pytest.approx(theirs[s], rel=1e-4)


def test_a_scorer_who_joins_raises_the_rates_of_his_mates_company_and_lowers_those_he_left(
    small_league: League,
) -> None:
    games = small_league.player_games.copy()
    team_of = games.groupby("player_id")["team_id"].agg(["nunique", "first"])
    minutes = games.groupby("player_id")["min"].mean()
    stays = team_of.index[(team_of["nunique"] == 1) & (minutes > 25)]
    star = int(stays[0])
    old, new = (
        int(team_of.loc[star, "first"]),
        int(team_of.loc[stays[team_of.loc[stays, "first"] != team_of.loc[star, "first"]][0], "first"]),
    )
    moved = pd.Timestamp("2024-02-01")
    his = games["player_id"] == star
    games.loc[his, ["pts", "fga"]] += 25
    # From that day on he stands in the other team's box scores.
    later = his & (games["game_date"] >= moved)
    slots = games[(games["team_id"] == new) & (games["game_date"] >= moved)].drop_duplicates("game_id")
    taken = slots.head(int(later.sum()))
    games = games[~later | later.cumsum().le(len(taken))]
    places = games.index[(games["player_id"] == star) & (games["game_date"] >= moved)]
    for name in ("game_id", "game_date", "team_id", "opponent_team_id", "is_home"):
        games.loc[places, name] = taken[name].to_numpy()[: len(places)]
    table = build_features(games, small_league.games, small_league.players)
    after = table[(table["game_date"] >= moved) & (table["player_id"] != star) & (table["games_before"] > 20)]
    first = after.groupby("player_id").head(3)
    joined, left = (first[first["team_id"] == team] for team in (new, old))
    assert len(joined) > 10
    assert len(left) > 10
    assert joined["tip_mates_pts_per_min_new"].median() > 0.05
    assert left["tip_mates_pts_per_min_new"].median() < -0.05
    assert abs(after.loc[~after["team_id"].isin([old, new]), "tip_mates_pts_per_min_new"].median()) < 0.03


def test_before_the_day_nobody_is_known_to_be_out_and_the_columns_say_whom_the_last_game_saw(
    features: pd.DataFrame,
) -> None:
    counted = features[features["games_before"] > 20]
    same = counted[counted[["tip_out_count", "tip_back_min", "mates_out_last_min"]].eq(0).all(axis=1)]
    settled = np.isclose(same["mates_pts_per_min_new"], same["tip_mates_pts_per_min_new"], atol=1e-5)
    assert settled.mean() > 0.8
    out = counted[counted["tip_out_min"] > 30]
    assert not np.isclose(out["mates_pts_per_min_new"], out["tip_mates_pts_per_min_new"], atol=1e-5).all()
