"""A player's features equal an independent recomputation in SQL."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from statmuse_pipeline_tests.features.leagues import League, in_regulation
from statmuse_pipeline_tests.oracles import features_sql

PLAYERS = 4


@pytest.fixture(scope="module")
def sample(features: pd.DataFrame) -> list[int]:
    """The players with the most games among different roles, and one who once entered for seconds."""
    games = features.groupby("player_id")["min"].agg(["size", "mean", "min"])
    regular = games[games["size"] >= 30].sort_values("mean").index
    brief = games[(games["min"] == 0) & (games["size"] >= 15)].index
    return [*regular[:: max(len(regular) // PLAYERS, 1)][:PLAYERS].tolist(), int(brief[0])]


def _assert_same(features: pd.DataFrame, expected: pd.DataFrame, tolerance: float = 1e-5) -> None:
    both = expected.merge(features, on=["game_id", "player_id"], suffixes=("_sql", ""), validate="1:1")
    assert len(both) == len(expected) > 0
    for name in expected.columns.drop(["game_id", "player_id"]):
        np.testing.assert_allclose(
            both[name].astype(float), both[f"{name}_sql"].astype(float), rtol=tolerance, atol=tolerance, err_msg=name
        )


def test_recent_form_and_rest_equal_the_sql_oracle(league: League, features: pd.DataFrame, sample: list[int]) -> None:
    database = features_sql.open_league(league.player_games, league.players)
    for player in sample:
        expected = features_sql.recent_form(database, player)
        assert len(expected.columns) > 60
        _assert_same(features, expected, tolerance=2e-5)


def test_the_opponents_allowance_equals_the_sql_oracle(
    league: League, features: pd.DataFrame, sample: list[int]
) -> None:
    database = features_sql.open_league(league.player_games, league.players)
    for player in sample[:2]:
        _assert_same(features, features_sql.opponent(database, player))


def test_the_allowance_relative_to_what_players_usually_make_equals_the_sql_oracle(
    league: League, features: pd.DataFrame, sample: list[int]
) -> None:
    database = features_sql.open_league(league.player_games, league.players)
    usual = features[["game_id", "player_id"]].assign(
        rate=features["pts_per_min_03"].astype(float), known=features["games_before"] >= 5
    )
    rows = features[features["player_id"].isin(sample[:2])]
    _assert_same(features, features_sql.relative_allowance(database, usual, rows))


def test_absences_of_rotation_players_equal_the_sql_oracle(
    league: League, features: pd.DataFrame, sample: list[int]
) -> None:
    database = features_sql.open_league(league.player_games, league.players)
    ordered = in_regulation(league.player_games).sort_values(["player_id", "game_date"])
    usual = ordered[["game_id", "player_id"]]
    for name, source, alpha in (("after_min", "min", 0.03), ("lately_min", "regulation", 0.25)):
        minutes = ordered[source].where(ordered["min"] > 0).astype(float)
        after = minutes.groupby(ordered["player_id"]).transform(
            lambda x, a=alpha: x.ewm(alpha=a, ignore_na=True).mean()
        )
        usual = usual.assign(**{name: after.groupby(ordered["player_id"]).ffill()})
    assert ((usual["after_min"] < 15) & (usual["lately_min"] >= 15)).sum() > 50
    assert ((usual["after_min"] >= 15) & (usual["lately_min"] < 15)).sum() > 50
    rows = features[features["player_id"].isin(sample)]
    expected = features_sql.absences(database, usual, rows)
    assert expected["tip_out_count"].max() >= 2
    _assert_same(features, expected)


def test_the_exponentially_weighted_mean_is_the_referees_baseline(league: League, features: pd.DataFrame) -> None:
    played = league.player_games[league.player_games["min"] > 0].sort_values(["player_id", "game_date"])
    for stat in ("min", "pts", "reb", "ast", "fg3m", "stl", "blk", "tov", "pra"):
        baseline = played.groupby("player_id")[stat].transform(lambda x: x.ewm(alpha=0.1).mean().shift(1))
        both = played[["game_id", "player_id"]].assign(baseline=baseline).merge(features, on=["game_id", "player_id"])
        np.testing.assert_allclose(both[f"{stat}_ewm_10"], both["baseline"], rtol=0, atol=1e-5)


def test_a_player_who_only_entered_for_seconds_sees_his_history_and_does_not_lengthen_it(
    league: League, features: pd.DataFrame
) -> None:
    ordered = features.sort_values(["player_id", "game_date"])
    earlier = (
        (ordered["min"] > 0).groupby(ordered["player_id"]).transform(lambda x: x.shift(1, fill_value=False).cumsum())
    )
    assert (ordered["min"] == 0).any()
    np.testing.assert_array_equal(ordered["games_before"], earlier)
    seconds = ordered[(ordered["min"] == 0) & (ordered["games_before"] > 0)]
    assert seconds["pts_mean_3"].notna().all()
