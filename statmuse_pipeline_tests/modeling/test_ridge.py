"""Sums of a ridge: they grow, forget, are cut and kept, and carry earlier seasons into later ones."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import Ridge

from statmuse_pipeline.domain import InformationLevel, PipelineError, Stat
from statmuse_pipeline.features.minutes import add_minutes_forecasts
from statmuse_pipeline.features.table import build_features
from statmuse_pipeline.modeling.prior import PooledPrior, learn_sums, walk_forward_all
from statmuse_pipeline.modeling.ridge import RidgeSums
from statmuse_pipeline_tests.features.leagues import made_up_league

LEVEL = InformationLevel.TIPOFF
COLUMNS, STATS = ("a", "b", "c"), (Stat.PTS, Stat.REB)
Sample = tuple[np.ndarray, np.ndarray, np.ndarray]


def sample(rows: int = 400) -> Sample:
    """Columns, outcomes of two stats, and days."""
    rng = np.random.default_rng(1)
    seen = rng.normal([3, -1, 0], [1, 5, 2], (rows, 3)).astype(np.float32)
    y = np.column_stack([seen @ [1.0, 0.5, 0.0], seen @ [0.0, -0.2, 1.0]]) + rng.normal(size=(rows, 2))
    return seen, y, np.sort(rng.integers(0, 300, rows))


def learned(seen: np.ndarray, y: np.ndarray, days: np.ndarray, half_life: float = np.inf) -> RidgeSums:
    sums = RidgeSums.empty(COLUMNS, STATS, seen, 0)
    return sums.grown(sums.rows(seen), y, days, 300, half_life)


def test_it_solves_what_scikit_learn_solves() -> None:
    seen, y, days = sample()
    sums = learned(seen, y, days, half_life=100.0)
    x = sums.rows(seen)[:, 1:].astype(float)
    theirs = Ridge(alpha=20.0).fit(x, y, sample_weight=0.5 ** ((300 - days) / 100.0))
    ours = sums.solve(20.0)
    np.testing.assert_allclose(ours[1:].T, theirs.coef_, rtol=1e-6)
    np.testing.assert_allclose(ours[0], theirs.intercept_, rtol=1e-6)


def test_growing_week_by_week_is_growing_at_once() -> None:
    seen, y, days = sample()
    sums = RidgeSums.empty(COLUMNS, STATS, seen, 0)
    x = sums.rows(seen)
    for start in range(0, 301, 7):
        fresh = (days >= start) & (days < start + 7)
        sums = sums.grown(x[fresh], y[fresh], days[fresh], min(start + 7, 300), 100.0)
    np.testing.assert_allclose(sums.solve(5.0), learned(seen, y, days, 100.0).solve(5.0), rtol=1e-8)


def test_some_columns_and_stats_are_what_learning_them_alone_gives() -> None:
    seen, y, days = sample()
    some = learned(seen, y, days).take(("c", "a"), (Stat.REB,))
    alone = RidgeSums.empty(("c", "a"), (Stat.REB,), seen[:, [2, 0]], 0)
    alone = alone.grown(alone.rows(seen[:, [2, 0]]), y[:, [1]], days, 300, np.inf)
    np.testing.assert_allclose(some.solve(3.0), alone.solve(3.0), rtol=1e-6)
    with pytest.raises(PipelineError, match="knows no d, AST"):
        some.take(("a", "d"), (Stat.REB, Stat.AST))


def test_they_survive_bytes_and_other_bytes_are_refused() -> None:
    sums = learned(*sample())
    again = RidgeSums.from_bytes(sums.to_bytes())
    np.testing.assert_array_equal(again.solve(1.0), sums.solve(1.0))
    assert (again.columns, again.stats, again.as_of) == (COLUMNS, STATS, 300)
    assert again.to_bytes() == sums.to_bytes()
    for content in (b"", b"PK\x03\x04 torn"):
        with pytest.raises(PipelineError, match="no sums of a ridge"):
            RidgeSums.from_bytes(content)


@pytest.fixture(scope="module")
def seasons() -> tuple[pd.DataFrame, pd.DataFrame]:
    """The first and the second half of a made-up season."""
    features = add_minutes_forecasts(build_features(*made_up_league()), seed=1)
    cut = features["game_date"].iloc[len(features) // 2]
    earlier = features["game_date"] < cut
    return features[earlier].reset_index(drop=True), features[~earlier].reset_index(drop=True)


def test_with_earlier_seasons_forecasts_are_as_if_they_had_been_walked_through(
    seasons: tuple[pd.DataFrame, pd.DataFrame],
) -> None:
    before, after = seasons
    helped = walk_forward_all(after, LEVEL, STATS, earlier=learn_sums(before, LEVEL))
    whole = walk_forward_all(pd.concat([before, after], ignore_index=True), LEVEL, STATS, first_fit_rows=1500)
    through = whole.iloc[len(before) :].reset_index(drop=True)
    known = (after["games_before"] > 0).to_numpy()
    # Columns are standardised by other rows, and weeks begin on another day: that is all.
    assert np.corrcoef(helped.loc[known, "PTS"], through.loc[known, "PTS"])[0, 1] > 0.99
    first_week = (after["game_date"] < after["game_date"].min() + pd.Timedelta(days=7)).to_numpy() & known
    alone = walk_forward_all(after, LEVEL, STATS)
    np.testing.assert_allclose(alone.loc[first_week, "PTS"], after.loc[first_week, "pts_ewm_10"].clip(lower=0.01))
    assert not np.allclose(helped.loc[first_week, "PTS"], alone.loc[first_week, "PTS"])
    played = (after["min"] > 0).to_numpy() & known
    error = {name: np.mean((own["PTS"] - after["pts"])[played] ** 2) for name, own in
             (("helped", helped), ("alone", alone))}  # fmt: skip
    assert error["helped"] < error["alone"]


def test_outcomes_of_later_games_do_not_reach_back(seasons: tuple[pd.DataFrame, pd.DataFrame]) -> None:
    before, after = seasons
    sums = learn_sums(before, LEVEL)
    late = after["game_date"] > after["game_date"].quantile(0.6)
    noisy = after.assign(pts=np.where(late, 99, after["pts"]))
    one, two = (walk_forward_all(rows, LEVEL, STATS, earlier=sums) for rows in (after, noisy))
    early = (after["game_date"] <= after.loc[late, "game_date"].min()).to_numpy()
    np.testing.assert_array_equal(one[early], two[early])
    assert not np.allclose(one[~early], two[~early])


def test_a_prior_of_all_games_counts_earlier_seasons_too(seasons: tuple[pd.DataFrame, pd.DataFrame]) -> None:
    before, after = seasons
    helped = PooledPrior.fit_all(after, STATS, LEVEL, learn_sums(before, LEVEL))[Stat.PTS]
    both = PooledPrior.fit(pd.concat([before, after], ignore_index=True), Stat.PTS, LEVEL)
    known = after["games_before"] > 0
    np.testing.assert_allclose(helped.predict(after)[known], both.predict(after)[known], rtol=0.1, atol=0.3)


def test_seasons_that_had_not_ended_are_refused(seasons: tuple[pd.DataFrame, pd.DataFrame]) -> None:
    before, after = seasons
    with pytest.raises(PipelineError, match="must have ended"):
        walk_forward_all(before, LEVEL, STATS, earlier=learn_sums(after, LEVEL))
