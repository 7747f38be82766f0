"""What forecasts of minutes were off by lately, against least squares of one's own, and that no day knows itself."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from statmuse_pipeline.features.running_error import (
    HALF_LIFE_DAYS,
    KNOTS,
    PENALTY,
    RunningError,
    without_running_error,
)

ROWS, DAYS = 12_000, 120


def season(off: float = 2.0, seed: int = 1) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Expected, played, day: who is expected to play little plays `off` minutes less than that."""
    rng = np.random.default_rng(seed)
    expected = rng.uniform(3, 38, ROWS)
    short = np.clip((25 - expected) / 20, 0, 1) * off
    return expected, np.maximum(expected - short + rng.normal(0, 3, ROWS), 1.0), rng.integers(0, DAYS, ROWS)


def weighted_squares(expected: np.ndarray, played: np.ndarray, day: np.ndarray, at: float) -> np.ndarray:
    """The error at KNOTS just before the day `at`, as one regression with a row of zeros for every knot."""
    known = day < at
    near = np.array([[max(0, 1 - abs(k - i)) for i in range(4)] for k in np.clip((expected[known] - 5) / 10, 0, 3)])
    root = np.sqrt(0.5 ** ((day[known].max() - day[known]) / HALF_LIFE_DAYS))
    left = np.vstack([near * root[:, None], np.sqrt(PENALTY) * np.eye(4)])
    right = np.r_[(expected - played)[known] * root, np.zeros(4)]
    return np.linalg.lstsq(left, right, rcond=None)[0]


def test_it_is_the_weighted_least_squares_of_the_days_before() -> None:
    expected, played, day = season()
    found = without_running_error(expected, played, day)
    for today in (1, 17, 80, DAYS - 1):
        error = weighted_squares(expected, played, day, today)
        rows = day == today
        off = np.interp(expected[rows], KNOTS, error)
        np.testing.assert_allclose(found[rows], np.maximum(expected[rows] - off, 0), atol=1e-5)
    newest = RunningError.newest(expected, played, day)
    np.testing.assert_allclose(newest.minutes, weighted_squares(expected, played, day, DAYS), atol=1e-5)


def test_what_is_wrong_for_long_is_mended_and_what_is_right_is_left_alone() -> None:
    expected, played, day = season()
    found, late = without_running_error(expected, played, day), day > 60
    bench = late & (expected < 10)
    assert (expected - played)[bench].mean() > 1.3
    assert abs((found - played)[bench].mean()) < 0.5
    regulars = late & (expected > 30)
    assert abs(found - expected)[regulars].mean() < 0.2
    assert ((found - played)[late] ** 2).mean() < ((expected - played)[late] ** 2).mean()


def test_a_day_and_those_after_it_move_nothing_of_it() -> None:
    expected, played, day = season()
    noise = np.where(day >= 60, np.random.default_rng(2).uniform(1, 48, ROWS), played)
    before, after = (without_running_error(expected, minutes, day) for minutes in (played, noise))
    np.testing.assert_array_equal(before[day <= 60], after[day <= 60])
    assert (before[day > 60] != after[day > 60]).all()


def test_who_did_not_play_or_was_not_expected_teaches_nothing() -> None:
    expected, played, day = season()
    some = np.random.default_rng(3).random(ROWS) < 0.3
    absent = np.where(some, np.where(expected > 20, 0.0, np.nan), played)
    unknown = np.where(some, np.nan, expected)
    kept = RunningError.newest(expected[~some], played[~some], day[~some])
    assert RunningError.newest(expected, absent, day) == kept
    assert RunningError.newest(unknown, played, day) == kept
    assert np.isnan(without_running_error(unknown, played, day)).tolist() == some.tolist()


@pytest.mark.parametrize("games", [0, 1])
def test_little_known_takes_next_to_nothing_off(games: int) -> None:
    expected, played, day = (values[:games] for values in season())
    error = RunningError.newest(expected, played, day)
    assert max(map(abs, error.minutes), default=0) < 0.05


@given(
    arrays.arrays(np.float64, 4, elements=st.floats(-6, 6)),
    arrays.arrays(np.float64, 5, elements=st.floats(0, 53)),
)
def test_minutes_without_the_error_are_none_or_more_and_between_those_of_the_knots(
    minutes: np.ndarray, expected: np.ndarray
) -> None:
    found = RunningError(tuple(minutes)).taken_off(expected)
    assert (found >= 0).all()
    assert (found <= np.maximum(expected - minutes.min(), 0) + 1e-9).all()
    assert (found >= np.maximum(expected - minutes.max(), 0) - 1e-9).all()
