"""Scores by month and coverage by role."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from statmuse_pipeline.domain import LARGEST_COUNT, ROLES, Stat
from statmuse_pipeline.evaluation.scores import LineSet, outcomes, score_means, score_probabilities
from statmuse_pipeline.evaluation.slices import by_month, coverage_by_role
from statmuse_pipeline.modeling.dispersion import negative_binomial
from statmuse_pipeline.modeling.distribution import CountDistribution

DAYS = (np.datetime64("2024-11-30", "ns"), np.datetime64("2025-01-01", "ns"))


@pytest.fixture(scope="module")
def happened(league) -> pd.DataFrame:
    return outcomes(league.features)


def test_a_month_is_scored_on_its_own_games_alone(league, happened):
    def dated(frame: pd.DataFrame) -> pd.DataFrame:
        return frame.assign(game_date=np.where(frame["game_id"] < "0022400030", DAYS[0], DAYS[1]), split="test")

    forecasts, ladder = dated(league.forecasts), dated(league.ladder)
    table = by_month(forecasts, ladder, happened)
    assert list(table["month"].unique()) == ["2024-11", "2025-01"]
    for month, early in (("2024-11", True), ("2025-01", False)):
        window = happened[(happened["game_id"] < "0022400030") == early]
        means = score_means(forecasts, window, intervals=False).set_index("stat")
        brier = score_probabilities(league.ladder, window, line_set=LineSet.LADDER).set_index("stat")["brier"]
        own = table[table["month"] == month].set_index("stat")
        assert list(own.index) == [stat.value for stat in Stat]
        for name in ("rows", "rmse_ratio", "bias"):
            np.testing.assert_allclose(own[name], means.loc[own.index, name])
        np.testing.assert_allclose(own["ladder_brier"], brier.loc[own.index])


def test_splits_within_a_month_stay_apart_and_without_a_ladder_there_is_no_brier(league, happened):
    half = np.where(league.forecasts["game_id"] < "0022400020", "validation", "test")
    table = by_month(league.forecasts.assign(split=half), None, happened)
    assert set(table["split"]) == {"validation", "test"}
    assert table["ladder_brier"].isna().all()
    whole = by_month(league.forecasts.assign(split="test"), None, happened)
    assert table["rows"].sum() == whole["rows"].sum()


@pytest.fixture(scope="module")
def calibrated() -> tuple[pd.DataFrame, dict[Stat, np.ndarray], pd.DataFrame, pd.DataFrame]:
    """Forecasts whose outcomes are drawn from them: forecasts, survival, minutes, outcomes."""
    rng = np.random.default_rng(8)
    rows = 6000
    keys = pd.DataFrame({"game_id": np.arange(rows).astype(str), "player_id": 7})
    minutes = keys.assign(minutes=rng.uniform(5, 38, rows))
    frames, survival, happened = [], {}, []
    for stat, rate in ((Stat.PTS, 0.5), (Stat.BLK, 0.015)):
        forecast: CountDistribution = negative_binomial(minutes["minutes"] * rate, 0.15, LARGEST_COUNT[stat])
        actual = (rng.random(rows)[:, None] < forecast.survival).sum(axis=1)
        ends = {}
        for share, (low, high) in zip((50, 80, 95), forecast.intervals((0.5, 0.8, 0.95)), strict=True):
            ends |= {f"lo{share}": low, f"hi{share}": high}
        frames.append(keys.assign(stat=stat.value, **ends))
        survival[stat] = forecast.survival
        happened.append(
            keys.assign(stat=stat.value, actual=actual, min=20.0, games_before=50, game_date=pd.Timestamp("2025-01-01"))
        )
    return pd.concat(frames, ignore_index=True), survival, minutes, pd.concat(happened, ignore_index=True)


def test_a_calibrated_forecast_covers_what_it_claims_in_every_role(calibrated):
    table = coverage_by_role(*calibrated)
    assert set(table["role"]) == {"everyone", *ROLES}
    for share in (50, 80, 95):
        assert (table[f"cover{share}"] - table[f"claimed{share}"]).abs().max() < 0.04
    everyone = table[table["role"] == "everyone"].set_index("stat")
    parts = table[(table["role"] != "everyone") & (table["stat"] == "all")]
    assert parts["rows"].sum() == everyone.loc["all", "rows"] == 12000
    assert everyone.loc["PTS", "claimed50"] == pytest.approx(0.5, abs=0.02)


def test_one_count_of_blocks_holds_more_than_half_and_the_claim_says_so(calibrated):
    table = coverage_by_role(*calibrated)
    bench = table[(table["role"] == "bench") & (table["stat"] == "BLK")].iloc[0]
    assert bench["claimed50"] > 0.75
    assert bench["cover50"] == pytest.approx(bench["claimed50"], abs=0.03)


def test_a_forecast_that_is_too_narrow_covers_less_than_it_claims(calibrated):
    forecasts, _, minutes, happened = calibrated
    points = forecasts[forecasts["stat"] == "PTS"].reset_index(drop=True)
    narrow = negative_binomial(minutes["minutes"] * 0.5, 0.0, LARGEST_COUNT[Stat.PTS])
    low, high = narrow.interval(0.8)
    table = coverage_by_role(points.assign(lo80=low, hi80=high), {Stat.PTS: narrow.survival}, minutes, happened)
    whole = table[(table["role"] == "everyone") & (table["stat"] == "all")].iloc[0]
    assert whole["cover80"] < whole["claimed80"] - 0.1
