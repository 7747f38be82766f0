"""Grades of a night against what happened: voids, pushes, hits, Brier and CRPS, and nights that add up."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from statmuse_pipeline.combinations import Quotable, combine
from statmuse_pipeline.domain import InformationLevel, Stat
from statmuse_pipeline.evaluation.grading import Grades, grade, totals
from statmuse_pipeline.modeling.joint import JointModel
from statmuse_pipeline.slate.lines import price_lines
from statmuse_pipeline_tests.slate.made_up import EARLY, LATE, NOON, forecasts, quotes
from statmuse_pipeline_tests.slate.test_lines import no_averages

MEANS = {(EARLY, 10): 20.0, (EARLY, 11): 4.0, (LATE, 30): 12.0}


def box(points: dict[int, int], minutes: int = 30) -> pd.DataFrame:
    """contracts.PLAYER_GAMES as far as grading reads them: player -> points."""
    game = {10: EARLY, 11: EARLY, 30: LATE}
    zeros = {stat.column: 0 for stat in Stat if stat is not Stat.PTS}
    rows = [{"game_id": game[p], "player_id": p, "min": minutes, "pts": n, **zeros} for p, n in points.items()]
    return pd.DataFrame(rows, columns=["game_id", "player_id", "min", "pts", *zeros]).astype(
        {"game_id": "str", "player_id": "int64"}
    )


def night(points: dict[int, int], *asked: dict[str, object], market: float = np.nan, minutes: int = 30) -> Grades:
    made = forecasts(MEANS)
    known = {"p_consensus": market, "books": 2, "p_over_final": market, "hygiene": ""}
    lines = price_lines(made, quotes(*asked).drop(columns="level").assign(**known), no_averages(), NOON)
    return grade(made, lines, box(points, minutes))


def test_who_did_not_play_is_void_and_counts_in_no_score():
    result = night({10: 25, 30: 10}, {"player_id": 11, "line": 3.5}, {"player_id": 10, "line": 19.5})
    forecast = result.forecasts.set_index("player_id")
    assert forecast["void"].to_dict() == {10: False, 11: True, 30: False}
    assert forecast.loc[11, ["actual", "error", "inside80", "crps"]].isna().all()
    line = result.lines.set_index("player_id")
    assert line["result"].to_dict() == {10: "over", 11: "void"}
    assert np.isnan(line.loc[11, "brier"])
    every = result.sums.set_index("stat").loc["all"]
    assert (every["forecasts"], every["void"], every["graded"], every["void_lines"]) == (3, 1, 2, 1)


def test_who_entered_for_seconds_is_void_too():
    assert night({10: 0, 11: 0, 30: 0}, minutes=0).forecasts["void"].all()


def test_errors_and_intervals_are_those_of_the_means():
    result = night({10: 25, 11: 4, 30: 40}).forecasts.set_index("player_id")
    assert result["error"].to_dict() == {10: -5.0, 11: 0.0, 30: -28.0}
    assert result["inside80"].to_dict() == {10: 1.0, 11: 1.0, 30: 0.0}


@given(points=st.integers(0, 60))
@settings(max_examples=25, deadline=None)
def test_the_crps_is_the_sum_of_the_brier_scores_of_every_half_line(points):
    made = forecasts(MEANS)
    result = grade(made, no_lines(), box({10: points})).forecasts.set_index("player_id")
    chances = made.distributions[Stat.PTS].survival[0].astype(float)
    slow = sum((chance - (points > line)) ** 2 for line, chance in enumerate(chances))
    assert result.loc[10, "crps"] == pytest.approx(slow, rel=1e-6)


def no_lines() -> pd.DataFrame:
    return night({10: 1}).lines.drop(columns=["actual", "result", "hit", "brier", "market_brier", "final_brier"])


def test_a_push_is_neither_won_nor_lost_and_scores_nothing():
    result = night({10: 20}, {"line": 20.0}, {"line": 19.5}).lines.set_index("line")
    assert result["result"].to_dict() == {20.0: "push", 19.5: "over"}
    assert np.isnan(result.loc[20.0, "brier"])
    assert np.isnan(result.loc[20.0, "hit"])
    assert np.isfinite(result.loc[19.5, "brier"])


def test_a_whole_line_is_judged_by_the_probability_given_that_it_is_no_push():
    row = night({10: 25}, {"line": 20.0}).lines.iloc[0]
    assert row["brier"] == pytest.approx((1 - row["p_over"] / (1 - row["p_push"])) ** 2)


@pytest.mark.parametrize(("points", "hit"), [(25, 1.0), (3, 0.0)])
def test_a_hit_is_the_likelier_side_coming_true(points, hit):
    row = night({10: points}, {"line": 10.5}).lines.iloc[0]  # mean 20: over is likelier
    assert row["hit"] == hit
    assert row["brier"] == pytest.approx((row["p_over"] - hit) ** 2)


def test_market_and_blend_are_scored_on_the_same_quotes_as_our_forecast():
    with_market = night({10: 25, 30: 1}, {"line": 10.5}, {"game_id": LATE, "player_id": 30, "line": 9.5}, market=0.6)
    every = with_market.sums.set_index("stat").loc["all"]
    assert every["market_lines"] == 2
    assert every["market_brier"] == pytest.approx(0.16 + 0.36)
    assert every["brier_on_market"] == pytest.approx(every["brier"])
    without = night({10: 25}, {"line": 10.5}).sums.set_index("stat").loc["all"]
    assert (without["market_lines"], without["decided_lines"]) == (0, 1)


def test_a_quoted_sum_is_graded_by_what_its_parts_came_to_and_has_a_row_of_its_own():
    asked = quotes({"stat": "PTS+REB", "line": 28.5}, {"line": 19.5})
    known = asked.drop(columns="level").assign(p_consensus=0.5, books=2, p_over_final=0.5, hygiene="")
    made = forecasts(MEANS, (Stat.PTS, Stat.REB))
    joint = JointModel({Stat.PTS: 0.5, Stat.REB: 0.6})
    both = Quotable(made, combine(made, dict.fromkeys(InformationLevel, joint)))
    lines = price_lines(both, known, no_averages(), NOON)
    result = grade(made, lines, box({10: 20}).assign(reb=9))
    of_sum = result.lines.set_index("stat").loc["PTS+REB"]
    assert (of_sum["actual"], of_sum["result"]) == (29.0, "over")
    assert of_sum["brier"] == pytest.approx((of_sum["p_over"] - 1) ** 2)
    sums = result.sums.set_index("stat")
    assert list(sums.index) == ["PTS", "REB", "PTS+REB", "all"]
    assert (sums.loc["PTS+REB", "forecasts"], sums.loc["PTS+REB", "decided_lines"]) == (0, 1)
    assert sums.loc["all", "decided_lines"] == 2
    told = totals(pd.concat([result.sums, result.sums])).set_index("stat")
    assert told.loc["PTS+REB", "brier"] == pytest.approx(of_sum["brier"])
    assert np.isnan(told.loc["PTS+REB", "mae"])


def test_nights_add_up_to_what_they_are_together():
    one = night({10: 25, 11: 2}, {"line": 10.5}, {"line": 25.0})
    two = night({10: 12, 11: 9, 30: 10}, {"line": 10.5}, {"game_id": LATE, "player_id": 30, "line": 9.5})
    told = totals(pd.concat([one.sums, two.sums])).set_index("stat").loc["all"]
    both = pd.concat([one.forecasts, two.forecasts])
    lines = pd.concat([one.lines, two.lines])
    assert (told["nights"], told["forecasts"], told["void"], told["graded"], told["pushes"]) == (2, 6, 1, 5, 1)
    assert told["mae"] == pytest.approx(both["error"].abs().mean())
    assert told["rmse"] == pytest.approx((both["error"] ** 2).mean() ** 0.5)
    assert told["bias"] == pytest.approx(both["error"].mean())
    assert told["crps"] == pytest.approx(both["crps"].mean())
    assert told["cover80"] == pytest.approx(both["inside80"].mean())
    assert told["brier"] == pytest.approx(lines["brier"].mean())
    assert told["hit_rate"] == pytest.approx(lines["hit"].mean())


def test_nothing_graded_gives_no_totals():
    empty = night({10: 1}).sums.head(0)
    assert totals(empty).empty
    none = totals(night({}).sums).set_index("stat").loc["all"]
    assert none["graded"] == 0
    assert np.isnan(none["mae"])
