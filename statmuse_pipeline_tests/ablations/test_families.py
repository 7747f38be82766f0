"""Families of distributions: proper, true to their means, and calibrated on games that follow them."""

from __future__ import annotations

import numpy as np
import pytest

from statmuse_pipeline.ablations.families import FAMILIES, Games, minutes_mixture, released
from statmuse_pipeline.domain import LADDER, LARGEST_COUNT, PipelineError, Stat
from statmuse_pipeline.evaluation.scores import ece

EVERY = {**{name: family for name, (family, _) in FAMILIES.items()}, "released": released}


def simulated(seed: int, rows: int = 6000) -> Games:
    """Points of players whose minutes vary, and whose points given minutes are over-dispersed."""
    rng = np.random.default_rng(seed)
    minutes = rng.uniform(8, 36, rows)
    played = np.clip(minutes + rng.normal(0, 5, rows), 1, 48)
    rate = rng.gamma(20, 0.025, rows)
    actual = rng.poisson(rate * played * rng.gamma(12, 1 / 12, rows)).clip(max=90).astype(float)
    return Games(rate * minutes, minutes, np.column_stack([rng.normal(size=rows)] * 4), actual, played)


@pytest.fixture(scope="module")
def train() -> Games:
    return simulated(1)


@pytest.fixture(scope="module")
def later() -> Games:
    return simulated(2, 3000)


@pytest.mark.parametrize("name", list(EVERY))
def test_a_family_gives_proper_distributions_that_keep_the_mean(train, later, name):
    forecast = EVERY[name](train, Stat.PTS)(later)
    assert forecast.survival.shape == (len(later), LARGEST_COUNT[Stat.PTS] + 1)
    assert (np.diff(forecast.survival, axis=1) <= 1e-9).all()
    assert forecast.mean().mean() == pytest.approx(later.mean.mean(), rel=0.03)
    assert np.corrcoef(forecast.mean(), later.mean)[0, 1] > 0.99


@pytest.mark.parametrize("name", [name for name in EVERY if name not in ("Poisson", "isotonic")])
def test_a_family_that_can_be_wide_enough_covers_what_it_claims(train, later, name):
    forecast = EVERY[name](train, Stat.PTS)(later)
    for level in (0.5, 0.8, 0.95):
        low, high = forecast.interval(level)
        assert ((later.actual >= low) & (later.actual <= high)).mean() == pytest.approx(level, abs=0.035), level


def test_the_isotonic_map_calibrates_the_ladder_which_is_all_it_was_shown(train, later):
    forecast, lines = EVERY["isotonic"](train, Stat.PTS)(later), np.asarray(LADDER[Stat.PTS])
    p = np.column_stack([forecast.over(line) for line in lines])
    assert ece(p.ravel(), (later.actual[:, None] > lines).ravel()) < 0.015


def test_poisson_is_too_narrow_for_such_games(train, later):
    narrow, wide = (EVERY[name](train, Stat.PTS)(later) for name in ("Poisson", "released"))
    assert narrow.crps(later.actual).mean() > wide.crps(later.actual).mean()
    low, high = narrow.interval(0.8)
    assert ((later.actual >= low) & (later.actual <= high)).mean() < 0.7


def test_learning_twice_gives_the_same_and_outcomes_of_later_games_are_not_looked_at(train, later):
    blind = Games(later.mean, later.minutes, later.columns, later.actual * 0, later.played * 0)
    for name, family in EVERY.items():
        one, two = family(train, Stat.PTS)(later).survival, family(train, Stat.PTS)(blind).survival
        np.testing.assert_array_equal(one, two, err_msg=name)


def test_a_mixture_over_minutes_is_widest_where_minutes_are_least_certain(train):
    forecast = minutes_mixture(train, Stat.PTS)
    pair = Games(*(np.array(v) for v in ([12.0, 12.0], [10.0, 34.0], np.zeros((2, 4)), [0.0, 0.0], [0.0, 0.0])))
    tails = forecast(pair).over(24.5)
    assert tails[0] > 1.5 * tails[1]


def test_games_of_unequal_length_are_refused():
    with pytest.raises(PipelineError, match="as many means as minutes"):
        Games(np.ones(3), np.ones(3), np.ones((3, 1)), np.ones(2), np.ones(3))
