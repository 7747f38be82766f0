from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from statmuse_pipeline.domain import PipelineError, Stat
from statmuse_pipeline.evaluation import scores
from statmuse_pipeline.evaluation.gate import GateThresholds, run_gate
from statmuse_pipeline.evaluation.scores import LineSet
from statmuse_pipeline_tests.evaluation.small_league import SmallLeague


def means_of(**ratios: float) -> pd.DataFrame:
    given = {stat.value: 0.95 for stat in Stat} | ratios
    return pd.DataFrame([{"stat": stat, "rows": 900, "rmse_ratio": ratio} for stat, ratio in given.items()])


def ladder_of(brier: float = 0.08, ece: float = 0.01, line_set: str = "ladder") -> pd.DataFrame:
    return pd.DataFrame([{"stat": "all", "line_set": line_set, "rows": 9000, "brier": brier, "ece": ece}])


def lines_of(ratio: float, rows: int = 1000) -> pd.DataFrame:
    row = {"stat": "PTS", "rows": rows, "line_mae": 4.0, "mean_mae": 4.0 * ratio, "median_mae": 4.2, "mae_ratio": ratio}
    return pd.DataFrame([row])


def bets_of(wins: int, losses: int, price: float = -110.0, pushes: int = 0) -> pd.DataFrame:
    won = (price if price > 0 else 10000 / -price) / 100
    profit = [won] * wins + [-1.0] * losses + [0.0] * pushes
    return pd.DataFrame({"strategy": "EV > 2%", "price": price, "profit": profit})


def test_good_scores_pass_and_every_probability_check_names_its_lines() -> None:
    result = run_gate(means=means_of(), ladder=ladder_of())
    assert result.passed
    assert result.failures == []
    assert len(result.checks) == 2 + len(Stat)
    named = result.checks[result.checks["check"].str.contains("Brier|ECE")]
    assert set(named["line_set"]) == {"ladder"}


@pytest.mark.parametrize(
    ("means", "ladder", "culprit"),
    [
        (means_of(BLK=1.0001), ladder_of(), "RMSE ratio, BLK"),
        (means_of(), ladder_of(brier=0.2001), "ladder Brier, all stats"),
        (means_of(), ladder_of(ece=0.0501), "ladder ECE, all stats"),
        (means_of(AST=np.nan), ladder_of(), "RMSE ratio, AST"),
        (means_of(), ladder_of(brier=np.nan), "ladder Brier, all stats"),
    ],
)
def test_one_value_beyond_its_limit_or_unknown_fails(means: pd.DataFrame, ladder: pd.DataFrame, culprit: str) -> None:
    result = run_gate(means=means, ladder=ladder)
    assert not result.passed
    assert result.checks[~result.checks["passed"]]["check"].tolist() == [culprit]
    assert result.failures[0].startswith(culprit)


def test_values_on_the_limit_pass() -> None:
    assert run_gate(means=means_of(PTS=1.0), ladder=ladder_of(0.20, 0.05), line_accuracy=lines_of(0.93)).passed


def test_a_forecast_far_better_than_the_line_rings_the_alarm() -> None:
    result = run_gate(means=means_of(), ladder=ladder_of(), line_accuracy=lines_of(0.92))
    assert not result.passed
    assert "line's own" in result.failures[0]
    assert run_gate(means=means_of(), ladder=ladder_of(), line_accuracy=lines_of(0.5, rows=60)).passed


def test_more_than_58_percent_wins_on_500_bets_ring_the_alarm() -> None:
    silent = run_gate(means=means_of(), ladder=ladder_of(), bets=bets_of(290, 210, pushes=30))
    assert silent.passed
    assert silent.checks["value"].iloc[-1] == pytest.approx(0.58)
    assert not run_gate(means=means_of(), ladder=ladder_of(), bets=bets_of(291, 209)).passed
    assert run_gate(means=means_of(), ladder=ladder_of(), bets=bets_of(400, 99)).passed, "too few bets to tell"


def test_winning_with_favourites_is_no_miracle_and_with_outsiders_is_one() -> None:
    favourites = run_gate(means=means_of(), ladder=ladder_of(), bets=bets_of(660, 340, price=-200.0))
    assert favourites.passed
    assert "won 66.0%" in favourites.checks["note"].iloc[-1]
    assert not run_gate(means=means_of(), ladder=ladder_of(), bets=bets_of(450, 550, price=200.0)).passed


def test_failing_players_are_told_and_do_not_fail_the_gate() -> None:
    players = pd.DataFrame(
        {"player_id": [1, 2, 3], "player_name": list("abc"), "rmse_ratio": [1.2, 0.9, 1.1],
         "ladder_brier": [0.1, 0.1, 0.3], "ladder_ece": [0.01, 0.02, 0.01]}
    )  # fmt: skip
    result = run_gate(means=means_of(), ladder=ladder_of(), players=players)
    assert result.passed
    assert result.failing_players["player_id"].tolist() == [1, 3]
    assert result.failing_players["why"].tolist() == [
        "RMSE ratio above 1",
        "RMSE ratio above 1; ladder Brier above 0.2",
    ]


def test_scores_on_other_lines_cannot_slip_through_as_the_ladder() -> None:
    with pytest.raises(PipelineError, match="judges the ladder"):
        run_gate(means=means_of(), ladder=ladder_of(line_set="season line"))
    with pytest.raises(PipelineError, match="nothing to judge"):
        run_gate(means=means_of().head(0), ladder=ladder_of())


def test_forecasts_that_saw_the_result_do_not_pass_the_gate(league: SmallLeague) -> None:
    """The whole way: the answer as the forecast gives a perfect score, which is the alarm."""
    from statmuse_pipeline.evaluation.market import line_accuracy

    happened = scores.outcomes(league.features)
    seen = league.forecasts.merge(happened[["game_id", "player_id", "stat", "actual"]])
    seen = seen.assign(mean=seen["actual"], median=seen["actual"])
    accuracy = line_accuracy(league.quotes.drop(columns="level"), seen, happened)
    result = run_gate(
        means=scores.score_means(seen, happened),
        ladder=scores.score_probabilities(league.ladder, happened, line_set=LineSet.LADDER),
        line_accuracy=accuracy,
        thresholds=GateThresholds(ladder_ece=1, minimum_line_rows=100),
    )
    failed = result.checks[~result.checks["passed"]]["check"]
    assert not result.passed
    assert failed.str.contains("not too good").all()
