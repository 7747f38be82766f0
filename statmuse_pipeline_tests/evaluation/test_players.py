from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from statmuse_pipeline.evaluation import scores
from statmuse_pipeline.evaluation.players import score_players
from statmuse_pipeline_tests.evaluation.small_league import SmallLeague
from statmuse_pipeline_tests.oracles import scores_plain as plain


def test_the_player_with_spoiled_forecasts_comes_first(league: SmallLeague) -> None:
    happened = scores.outcomes(league.features)
    spoiled = league.forecasts.copy()
    spoiled.loc[(spoiled["player_id"] == 104) & (spoiled["stat"] == "REB"), "mean"] += 200
    first = score_players(spoiled, league.ladder, happened).iloc[0]
    assert (first["player_id"], first["worst_stat"]) == (104, "REB")


def test_a_players_scores_are_those_of_the_plain_oracle(league: SmallLeague) -> None:
    happened, known = scores.outcomes(league.features), plain.truth(league.logs.to_dict("records"))
    row = score_players(league.forecasts, league.ladder, happened).set_index("player_id").loc[103]
    own = [r for r in plain.met(league.forecasts.to_dict("records"), known) if r["player_id"] == 103]
    per_stat = [plain.forecast_scores([r for r in own if r["stat"] == stat]) for stat in plain.STATS]
    assert row["rmse_ratio"] == pytest.approx(np.mean([s["rmse_ratio"] for s in per_stat]))
    assert row["mae_ratio"] == pytest.approx(np.mean([s["mae_ratio"] for s in per_stat]))
    ladder = [r for r in plain.met(league.ladder.to_dict("records"), known) if r["player_id"] == 103]
    expected = plain.probability_scores(ladder)
    assert row["ladder_brier"] == pytest.approx(expected["brier"])
    assert row["ladder_ece"] == pytest.approx(expected["ece"])
    assert row["games"] == len({r["game_id"] for r in own})


def test_players_with_too_few_games_are_left_out(league: SmallLeague) -> None:
    happened = scores.outcomes(league.features)
    few = happened[(happened["player_id"] != 102) | (happened["game_id"] > "0022400036")]
    table = score_players(league.forecasts, None, few, minimum_games=10)
    assert 102 not in set(table["player_id"])
    assert "ladder_brier" not in table


def test_a_stat_the_player_never_makes_does_not_spoil_the_mean(league: SmallLeague) -> None:
    features = league.features.copy()
    never = features["player_id"] == 101
    features.loc[never, "blk"] = 0
    features.loc[never, "blk_ewm_10"] = 1e-9
    table = score_players(league.forecasts, None, scores.outcomes(features))
    assert (table["rmse_ratio"] < 100).all()
    assert pd.api.types.is_float_dtype(table["rmse_ratio"])
