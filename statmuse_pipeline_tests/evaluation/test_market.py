from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from statmuse_pipeline.evaluation import market, scores
from statmuse_pipeline_tests.evaluation.small_league import SmallLeague
from statmuse_pipeline_tests.oracles import scores_plain as plain


def test_market_scores_agree_with_the_plain_oracle(league: SmallLeague) -> None:
    happened, known = scores.outcomes(league.features), plain.truth(league.logs.to_dict("records"))
    table = market.score_market(league.quotes, happened).set_index("stat")
    rows = plain.met(league.quotes.to_dict("records"), known)
    assert len([r for r in rows if r["y"] == r["line"]]) > 5, "the made-up quotes must hold pushes"
    for name, value in plain.market_scores(rows).items():
        assert table.loc["all", name] == pytest.approx(value), name
    assert table.loc["all", "model_minus_market_lo"] < table.loc["all", "model_minus_market"]
    assert "brier_final" not in table


def test_impossible_and_missing_prices_are_no_market(league: SmallLeague) -> None:
    happened = scores.outcomes(league.features)
    broken = league.quotes.assign(over_price=0.0)
    broken.loc[broken.index[::2], "over_price"] = np.nan
    nothing = market.score_market(broken, happened)
    assert nothing.empty
    assert list(nothing.columns) == [c for c in market.score_market(league.quotes, happened) if "final" not in c]


def test_a_final_probability_equal_to_the_market_differs_by_nothing(league: SmallLeague) -> None:
    happened = scores.outcomes(league.features)
    even = league.quotes.assign(over_price=-110.0, under_price=-110.0, p_over_final=0.5)
    row = market.score_market(even, happened).set_index("stat").loc["all"]
    assert row["brier_final"] == row["brier_market"] == 0.25
    assert row["final_minus_market"] == row["final_minus_market_lo"] == row["final_minus_market_hi"] == 0


def test_rungs_far_from_even_do_not_change_the_accuracy_of_the_lines(league: SmallLeague) -> None:
    happened = scores.outcomes(league.features)
    main = league.quotes[league.quotes["bookmaker"] == "plain book"].assign(over_price=-110.0, under_price=-110.0)
    rungs = main.assign(line=34.5, over_price=900.0, under_price=-1600.0)
    alone = market.line_accuracy(main.drop(columns="level"), league.forecasts, happened)
    both = market.line_accuracy(pd.concat([rungs, main]).drop(columns="level"), league.forecasts, happened)
    pd.testing.assert_frame_equal(alone, both)
    rows = scores.counted(main[["game_id", "player_id", "stat", "line"]], happened)
    assert alone.set_index("stat").loc["PTS", "line_mae"] == pytest.approx((rows["actual"] - 14.5).abs().mean())


def test_lines_are_compared_with_forecasts_of_their_own_level(league: SmallLeague) -> None:
    happened = scores.outcomes(league.features)
    good = league.forecasts.merge(happened[["game_id", "player_id", "stat", "actual"]])
    perfect = good.assign(mean=good["actual"], median=good["actual"], level="tipoff")
    table = market.line_accuracy(league.quotes, pd.concat([perfect, good.assign(level="pregame")]), happened)
    assert table.set_index("stat").loc["PTS", "mae_ratio"] > 0.2
    sharp = market.line_accuracy(league.quotes.assign(level="tipoff"), perfect, happened)
    assert sharp.set_index("stat").loc["PTS", "mae_ratio"] == 0
