"""Intervals that hold as often as they say, in every role."""

from __future__ import annotations

import json
from itertools import pairwise

import numpy as np
import pytest

from statmuse_pipeline.domain import COVERAGES, ROLES, PipelineError, role_of
from statmuse_pipeline.modeling.dispersion import negative_binomial
from statmuse_pipeline.modeling.distribution import CountDistribution
from statmuse_pipeline.modeling.interval_aims import FARTHEST, MINIMUM_ROWS, IntervalAims

Season = tuple[CountDistribution, np.ndarray, np.ndarray]


def season(seed: int, per_minute: float = 0.08, rows: int = 60_000) -> Season:
    """Forecasts of a stat like assists, what came, and expected minutes."""
    rng = np.random.default_rng(seed)
    minutes = rng.uniform(8, 38, rows)
    forecast = negative_binomial(per_minute * minutes * rng.gamma(8, 1 / 8, rows), 0.1, 40)
    return forecast, (rng.random(rows)[:, None] < forecast.survival).sum(axis=1), minutes


def covers(intervals: list[tuple[np.ndarray, np.ndarray]], actual: np.ndarray, of: np.ndarray) -> list[float]:
    return [float(((actual >= low) & (actual <= high))[of].mean()) for low, high in intervals]


def miss(intervals: list[tuple[np.ndarray, np.ndarray]], actual: np.ndarray, minutes: np.ndarray) -> float:
    """The largest distance of a role's coverage from what is said."""
    roles = role_of(minutes)
    said = [share / 100 for share in COVERAGES]
    return max(float(np.abs(np.subtract(covers(intervals, actual, roles == role), said)).max()) for role in ROLES)


@pytest.fixture(scope="module")
def aims() -> IntervalAims:
    return IntervalAims.fit(*season(1))


def test_later_intervals_hold_what_they_say_in_every_role_where_nearest_runs_hold_too_much(aims: IntervalAims) -> None:
    forecast, actual, minutes = season(2)
    assert miss(aims.intervals(forecast, minutes), actual, minutes) < 0.015
    assert miss(forecast.intervals([share / 100 for share in COVERAGES]), actual, minutes) > 0.025


def test_they_hold_the_median_and_lie_within_each_other(aims: IntervalAims) -> None:
    forecast, _, minutes = season(3)
    found = aims.intervals(forecast, minutes)
    for low, high in found:
        assert ((low <= forecast.median()) & (forecast.median() <= high)).all()
    for (low, high), (lower, higher) in pairwise(found):
        assert ((lower <= low) & (high <= higher)).all()


def test_a_forecast_that_is_too_narrow_gets_wider_intervals() -> None:
    def narrow(seed: int) -> Season:
        forecast, actual, minutes = season(seed, per_minute=0.5)
        return negative_binomial(forecast.mean(), 0.03, 40), actual, minutes

    forecast, actual, minutes = narrow(5)
    mended = IntervalAims.fit(*narrow(4)).intervals(forecast, minutes)
    plain = forecast.intervals([share / 100 for share in COVERAGES])
    assert miss(plain, actual, minutes) > 0.05
    assert miss(mended, actual, minutes) < 0.5 * miss(plain, actual, minutes)


def test_rare_counts_hold_too_much_but_no_aim_is_far_from_what_is_said() -> None:
    found = IntervalAims.fit(*season(6, per_minute=0.015))
    for levels in found.aims.values():
        assert list(levels) == sorted(levels)
        for level, share in zip(levels, COVERAGES, strict=True):
            assert abs(level - share / 100) <= FARTHEST + 1e-9
    forecast, actual, minutes = season(7, per_minute=0.015)
    assert covers(found.intervals(forecast, minutes), actual, minutes < 15)[0] > 0.7


def test_a_role_of_few_games_aims_at_what_is_said() -> None:
    forecast, actual, minutes = season(8, rows=MINIMUM_ROWS)
    found = IntervalAims.fit(forecast, actual, np.full(len(minutes), 20.0))
    assert set(found.aims) == {"rotation"}
    nearest = forecast.intervals([share / 100 for share in COVERAGES])
    for own, plain in zip(found.intervals(forecast, np.full(len(minutes), np.nan)), nearest, strict=True):
        np.testing.assert_array_equal(np.stack(own), np.stack(plain))


def test_a_games_interval_does_not_depend_on_the_games_beside_it(aims: IntervalAims) -> None:
    forecast, _, minutes = season(9, rows=60)
    together = aims.intervals(forecast, minutes)
    for row in range(0, 60, 7):
        alone = aims.intervals(forecast.take([row]), minutes[[row]])
        assert [(low[row], high[row]) for low, high in together] == [(low[0], high[0]) for low, high in alone]


def test_they_survive_json_and_other_content_is_refused(aims: IntervalAims) -> None:
    assert IntervalAims.from_dict(json.loads(json.dumps(aims.to_dict()))) == aims
    for wrong in ({"starter": [0.5, 0.8]}, {"captain": [0.5, 0.8, 0.95]}, {"bench": ["x", 1, 2]}, {"bench": [0, 2, 1]}):
        with pytest.raises(PipelineError, match="no aims"):
            IntervalAims.from_dict(wrong)
    with pytest.raises(PipelineError, match="as many outcomes"):
        IntervalAims.fit(negative_binomial([1.0, 2.0], 0.1, 9), [1], [20.0, 20.0])
