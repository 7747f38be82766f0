"""Minutes in earlier games with like team mates, against a slow recomputation and on real absences."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import pandas as pd
import pytest

from statmuse_pipeline.domain import ROTATION_MINUTES
from statmuse_pipeline.features.table import build_features
from statmuse_pipeline_tests.features.leagues import League, in_regulation

REACH, FORGET = 20.0, 0.04


def usual_minutes(games: pd.DataFrame, player: int, day: pd.Timestamp) -> float:
    """Slow mean of a player's minutes before a day."""
    mine = games[(games["player_id"] == player) & (games["game_date"] < day) & (games["min"] > 0)]
    return float(mine.sort_values("game_date")["min"].ewm(alpha=0.03).mean().iloc[-1]) if len(mine) else 0.0


def rotates(games: pd.DataFrame, player: int, day: pd.Timestamp) -> bool:
    """Whether he played 15 minutes or more lately."""
    mine = in_regulation(games)[(games["player_id"] == player) & (games["game_date"] < day) & (games["min"] > 0)]
    lately = mine.sort_values("game_date")["regulation"].ewm(alpha=0.25).mean()
    return bool(len(mine)) and float(lately.iloc[-1]) >= ROTATION_MINUTES


def mates(games: pd.DataFrame, game: pd.Series) -> dict[int, float]:
    """Rotation mates in the box score, and how long they usually play."""
    team = games[(games["game_id"] == game["game_id"]) & (games["team_id"] == game["team_id"])]
    day, others = game["game_date"], team.loc[team["player_id"] != game["player_id"], "player_id"]
    return {int(p): usual_minutes(games, p, day) for p in others if rotates(games, p, day)}


def apart(one: dict[int, float], other: dict[int, float]) -> float:
    """Minutes of mates of one game only; a mate of both counts the squared difference of the roots of his."""
    return sum((math.sqrt(one.get(p, 0)) - math.sqrt(other.get(p, 0))) ** 2 for p in {*one, *other})


def some_games(games: pd.DataFrame, league: League, seed: int) -> Iterator[tuple[pd.Series, pd.DataFrame]]:
    """Four rows of the feature table, each with the games that its player had played before."""
    table = build_features(games, league.games, league.players)
    counted = table[(table["games_before"] >= 20) & (table["min_ewm_03"] > 10)]
    for _, row in counted.sample(4, random_state=seed).iterrows():
        mine = games[(games["player_id"] == row["player_id"]) & (games["game_date"] < row["game_date"])]
        yield row, mine[mine["min"] > 0].sort_values("game_date")


def test_the_minutes_with_like_mates_equal_a_slow_recomputation(small_league: League) -> None:
    games = small_league.player_games[small_league.player_games["game_date"] < "2024-01-01"]
    for row, mine in some_games(games, small_league, seed=1):
        tonight = mates(games, row)
        weights, minutes = [], []
        for ago, (_, game) in enumerate(reversed(list(mine.iterrows())), start=1):
            team = games[(games["game_id"] == game["game_id"]) & (games["team_id"] == game["team_id"])]
            minutes.append(game["min"] * 240 / max(team["min"].sum(), 240))
            weights.append((1 - FORGET) ** ago * math.exp(-apart(tonight, mates(games, game)) / REACH))
        like = np.average(minutes, weights=weights)
        assert row["tip_like_min"] == pytest.approx(like, rel=1e-4)
        assert row["tip_like_games"] == pytest.approx(sum(weights), rel=1e-3)


def test_the_gain_of_a_rate_equals_a_slow_recomputation(small_league: League) -> None:
    games = small_league.player_games[small_league.player_games["game_date"] < "2024-01-01"]
    for row, mine in some_games(games, small_league, seed=3):
        tonight = mates(games, row)
        recent = 0.95 ** np.arange(len(mine), 0, -1)
        near = np.array([math.exp(-apart(tonight, mates(games, game)) / 150.0) for _, game in mine.iterrows()])
        minutes = mine["min"].to_numpy()
        for stat in ("pts", "fga", "ast"):
            made = mine[stat].to_numpy()
            usual = (recent @ made) / (recent @ minutes)
            gain = ((recent * near) @ (made - usual * minutes)) / ((recent * near) @ minutes + 60)
            assert row[f"tip_like_{stat}_gain"] == pytest.approx(gain, abs=2e-5)


def test_where_mates_are_missing_like_games_tell_who_gets_their_minutes(
    features: pd.DataFrame,
) -> None:
    if len(features) < 20_000:
        pytest.skip("this row of the test is for the real season")
    counted = features[(features["games_before"] >= 30) & (features["min"] > 0) & (features["tip_out_min"] > 40)]
    surprise = counted["min"] - counted["min_ewm_10"]
    assert np.corrcoef(counted["tip_like_gain"].fillna(0.0), surprise)[0, 1] > 0.1
