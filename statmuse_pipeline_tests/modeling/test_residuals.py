"""What the members see: nothing of the game itself, nothing later, nothing of tip-off."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from statmuse_pipeline.domain import PipelineError, Stat
from statmuse_pipeline.modeling.residuals import (
    FAST,
    FOREST_INPUTS,
    HISTORY_COLUMNS,
    PSEUDO_GAMES,
    SLOW,
    add_residual_history,
    columns_needed,
    forest_features,
    residual_features,
    stat_inputs,
)
from statmuse_pipeline_tests.modeling.player_rows import simulated_rows


def slow_history(rows: pd.DataFrame, player: int, series: str, alpha: float) -> list[float]:
    """The documented formula, game by game in plain Python."""
    games = rows[rows["player_id"] == player].sort_values("game_date")
    past: list[float] = []
    expected = []
    for game in games.to_dict("records"):
        weights = [(1 - alpha) ** (len(past) - 1 - i) for i in range(len(past))]
        total = sum(weight * value for weight, value in zip(weights, past, strict=True))
        expected.append(total / (sum(weights) + PSEUDO_GAMES))
        prior = game["exp_min_pregame"] if series == "min" else game[f"prior_{series}"]
        if game["min"] > 0 and np.isfinite(prior) and np.isfinite(game[series]):
            past.append((game[series] - prior) / np.sqrt(prior + 1))
    return expected


@pytest.mark.parametrize(
    ("series", "speed", "alpha"), [("pts", "fast", FAST), ("blk", "slow", SLOW), ("min", "fast", FAST)]
)
def test_residual_history_equals_the_formula_game_by_game(series: str, speed: str, alpha: float) -> None:
    rows = simulated_rows(players=2, games=25)
    rows.loc[(rows["player_id"] == 102) & (rows.index % 7 == 0), "min"] = 0.0
    rows.loc[5, "prior_pts"] = np.nan
    rows.loc[9, "pts"] = np.nan
    got = add_residual_history(rows)
    for player in (101, 102):
        found = got.loc[got["player_id"] == player].sort_values("game_date")[f"resid_{series}_{speed}"]
        np.testing.assert_allclose(found, slow_history(rows, player, series, alpha), atol=1e-12)


def test_the_outcome_of_a_day_moves_no_history_up_to_that_day() -> None:
    rows = simulated_rows(players=3, games=40)
    day = rows["game_date"].sort_values().iloc[60]
    noisy = rows.copy()
    late = noisy["game_date"] >= day
    rng = np.random.default_rng(0)
    for name in ["min", *(stat.column for stat in Stat)]:
        noisy.loc[late, name] = rng.integers(1, 60, late.sum()).astype(float)
    before, after = add_residual_history(rows), add_residual_history(noisy)
    columns = list(HISTORY_COLUMNS)
    upto = rows["game_date"] <= day
    pd.testing.assert_frame_equal(before.loc[upto, columns], after.loc[upto, columns])
    assert not np.allclose(before.loc[~upto, columns], after.loc[~upto, columns])


def test_residual_history_does_not_depend_on_the_order_or_index_of_the_rows() -> None:
    rows = simulated_rows(players=3, games=30)
    shuffled = rows.sample(frac=1, random_state=3)
    got = add_residual_history(shuffled)
    assert got.index.equals(shuffled.index)
    pd.testing.assert_frame_equal(got.sort_index()[list(HISTORY_COLUMNS)], rows[list(HISTORY_COLUMNS)])


def test_a_game_still_to_be_played_gets_the_history_of_the_games_before_it() -> None:
    rows = simulated_rows(players=1, games=30)
    upcoming = rows.copy()
    upcoming.loc[upcoming.index[-1], ["min", *(stat.column for stat in Stat)]] = np.nan
    got = add_residual_history(upcoming)
    pd.testing.assert_frame_equal(got[list(HISTORY_COLUMNS)], rows[list(HISTORY_COLUMNS)])


def test_two_games_of_a_player_on_one_day_are_refused_by_name() -> None:
    rows = simulated_rows(players=1, games=30)
    with pytest.raises(PipelineError, match="Player 101 has two games on 2023-10-24"):
        add_residual_history(pd.concat([rows, rows.head(1)]))


def test_no_input_of_any_member_is_known_only_at_tip_off() -> None:
    names = [*FOREST_INPUTS, *(name for stat in Stat for name in stat_inputs(stat))]
    tipoff_priors = {f"prior_{stat.column}" for stat in Stat}
    assert not [name for name in names if name.startswith("tip_") or name in tipoff_priors]


def test_changing_the_games_own_tip_off_prior_and_outcome_changes_no_input() -> None:
    rows = simulated_rows(players=1, games=30)
    changed = rows.assign(**{name: 99.0 for stat in Stat for name in (stat.column, f"prior_{stat.column}")})
    for stat in Stat:
        pd.testing.assert_frame_equal(residual_features(rows, stat), residual_features(changed, stat))
    pd.testing.assert_frame_equal(forest_features(rows), forest_features(changed))


def test_inputs_are_about_a_dozen_and_recent_means_are_told_relative_to_the_prior() -> None:
    rows = simulated_rows(players=1, games=30)
    inputs = residual_features(rows, Stat.REB)
    assert tuple(inputs.columns) == stat_inputs(Stat.REB)
    assert 10 <= inputs.shape[1] <= 15
    prior = rows["prior_reb_pregame"]
    np.testing.assert_allclose(inputs["reb_mean_5_vs_prior"], (rows["reb_mean_5"] - prior) / np.sqrt(prior + 1))


def test_a_missing_column_is_named_with_what_to_do() -> None:
    rows = simulated_rows(players=1, games=30)
    with pytest.raises(PipelineError, match=r"lack resid_pts_fast.*add_residual_history"):
        residual_features(rows.drop(columns=["resid_pts_fast"]), Stat.PTS)
    with pytest.raises(PipelineError, match=r"lack opp_pace_20.*feature table"):
        forest_features(rows.drop(columns=["opp_pace_20"]))


def test_the_columns_needed_are_all_that_is_read() -> None:
    rows = simulated_rows(players=1, games=30)[list(columns_needed())]
    for stat in Stat:
        assert len(residual_features(rows, stat)) == len(rows)
    assert len(forest_features(rows)) == len(rows)
