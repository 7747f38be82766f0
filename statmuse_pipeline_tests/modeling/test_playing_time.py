"""Minutes as a distribution: whole, calibrated, wider for the unsettled; and the kinds of night it holds."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from statmuse_pipeline.domain import EXPECTED_MINUTES, InformationLevel, PipelineError
from statmuse_pipeline.modeling.distribution import CountDistribution
from statmuse_pipeline.modeling.playing_time import (
    CLASSES,
    FILES,
    LONGEST,
    UNSETTLED,
    MinutesShape,
    class_of,
    class_probabilities,
    minutes_forecasts,
)

LEVEL = InformationLevel.TIPOFF


def player_games(rows: int = 8000, seed: int = 3) -> pd.DataFrame:
    """Minutes round 16 to 36 expected, twice as far where the last ten spread so; farther below than above."""
    rng = np.random.default_rng(seed)
    expected = rng.uniform(16, 36, rows)
    spread = rng.choice([2.0, 4.0], rows)
    minutes = expected + spread * (3 - rng.gamma(3.0, size=rows)) / np.sqrt(3)
    table = pd.DataFrame(dict.fromkeys(UNSETTLED, 0.0), index=range(rows))
    return table.assign(
        **dict.fromkeys(EXPECTED_MINUTES.values(), expected),
        min=np.clip(np.round(minutes), 1, LONGEST),
        min_ewm_10=expected + rng.normal(0, 0.5, rows),
        min_std_10=spread,
        games_before=50.0,
    )


@pytest.fixture(scope="module")
def shape() -> MinutesShape:
    return MinutesShape.fit(player_games(), LEVEL, seed=1)


def test_intervals_hold_as_often_as_they_say_overall_and_for_every_kind_of_player(shape: MinutesShape) -> None:
    later = player_games(seed=4)
    minutes, actual = shape.distribution(later), later["min"].to_numpy()
    for held, (low, high) in zip((0.5, 0.8, 0.95), minutes.intervals((0.5, 0.8, 0.95)), strict=True):
        inside = (actual >= low) & (actual <= high)
        claimed = minutes.over(low - 1) - minutes.over(high)
        for own in (np.ones(len(later), bool), later["min_std_10"] == 4.0, later["min_std_10"] == 2.0):
            assert inside[own].mean() == pytest.approx(claimed[own].mean(), abs=0.03)
        assert inside.mean() == pytest.approx(held, abs=0.05)


def test_the_unsettled_get_a_wider_interval(shape: MinutesShape) -> None:
    later = player_games(seed=4)
    low, high = shape.distribution(later).interval(0.8)
    wide = later["min_std_10"].to_numpy() == 4.0
    assert (high - low)[wide].mean() > 1.5 * (high - low)[~wide].mean()


def test_it_scores_better_than_one_width_for_all(shape: MinutesShape) -> None:
    later = player_games(seed=4)
    plain = MinutesShape.fit(player_games().assign(min_std_10=0.0), LEVEL, seed=1).distribution(
        later.assign(min_std_10=0.0)
    )
    ours, actual = shape.distribution(later), later["min"]
    assert ours.crps(actual).mean() < plain.crps(actual).mean()
    assert ours.log_score(actual).mean() < plain.log_score(actual).mean() - 0.02


def test_who_plays_has_a_minute_and_none_has_more_than_fit_into_a_game(shape: MinutesShape) -> None:
    rows = player_games(40).assign(**{EXPECTED_MINUTES[LEVEL]: np.linspace(0.0, 53.0, 40)}, min_std_10=2.0)
    minutes = shape.distribution(rows)
    np.testing.assert_allclose(minutes.over(0), 1.0)
    np.testing.assert_allclose(minutes.over(LONGEST), 0.0)
    assert (np.diff(minutes.mean()) > -0.5).all()


def bench(seed: int) -> pd.DataFrame:
    """Minutes of who is expected to play 3 to 9: a third of the nights end after one to three."""
    rng = np.random.default_rng(seed)
    rows = 8000
    centre = rng.uniform(3, 9, rows)
    minutes = np.where(rng.random(rows) < 0.33, rng.integers(1, 4, rows), np.round(centre * rng.gamma(4.0, 0.3, rows)))
    expected = 0.33 * 2.0 + 0.67 * 1.2 * centre
    return player_games(rows).assign(
        **dict.fromkeys(EXPECTED_MINUTES.values(), expected),
        min=np.clip(minutes, 1, LONGEST),
        min_ewm_10=expected + rng.normal(0, 0.3, rows),
        min_std_10=2.0,
    )


def test_short_nights_of_the_bench_are_neither_lost_nor_made_longer() -> None:
    minutes, later = MinutesShape.fit(bench(1), LEVEL, seed=1).distribution(bench(2)), bench(2)
    assert minutes.mean().mean() == pytest.approx(later["min"].mean(), abs=0.08)
    said = class_probabilities(minutes, later["min_ewm_10"], np.ones(len(later)))["limited"].mean()
    assert said == pytest.approx((class_of(later["min"], later["min_ewm_10"]) == "limited").mean(), abs=0.02)


def test_what_was_stored_says_the_same_and_the_same_rows_give_the_same_bytes(shape: MinutesShape) -> None:
    files, rows = shape.to_bytes(), player_games(100, seed=5)
    kept = MinutesShape.from_bytes(files).distribution(rows).survival
    np.testing.assert_allclose(kept, shape.distribution(rows).survival, atol=1e-4)
    assert MinutesShape.fit(player_games(), LEVEL, seed=1).to_bytes() == files


def test_another_versions_file_or_none_at_all_is_refused(shape: MinutesShape) -> None:
    files = shape.to_bytes()
    with pytest.raises(PipelineError, match="another version"):
        MinutesShape.from_bytes({**files, FILES[1]: files[FILES[1]].replace(b"min_std_10", b"min_std_11")})
    with pytest.raises(PipelineError, match="no distribution of minutes"):
        MinutesShape.from_bytes({**files, FILES[1]: b"{}"})


def test_rows_without_expected_minutes_are_refused(shape: MinutesShape) -> None:
    with pytest.raises(PipelineError, match="expected minutes in every row"):
        shape.distribution(player_games(3).assign(**{EXPECTED_MINUTES[LEVEL]: np.nan}))
    with pytest.raises(PipelineError, match="Only 50 player-games"):
        MinutesShape.fit(player_games(50), LEVEL, seed=1)


def test_the_night_of_no_player_is_no_row(shape: MinutesShape) -> None:
    assert len(shape.distribution(player_games(3).head(0))) == 0


def certain(*minutes: int) -> CountDistribution:
    return CountDistribution(np.arange(LONGEST + 1)[None, :] < np.array(minutes)[:, None])


@pytest.mark.parametrize(
    ("minutes", "usual", "kind"),
    [(17, 30.0, "limited"), (18, 30.0, "normal"), (35, 30.0, "normal"), (36, 30.0, "extended"),
     (36, 30.2, "normal"), (37, 30.2, "extended"), (1, 2.0, "limited"), (40, np.nan, "normal")],
)  # fmt: skip
def test_a_certain_night_is_of_the_kind_that_comes(minutes: int, usual: float, kind: str) -> None:
    said = class_probabilities(certain(minutes), [usual], [1.0]).iloc[0]
    assert said[kind] == 1.0
    assert class_of([minutes], [usual])[0] == kind
    assert class_of([0], [usual])[0] == class_of([np.nan], [usual])[0] == "did_not_play"


@given(
    weights=st.lists(st.floats(0, 1), min_size=LONGEST, max_size=LONGEST).filter(lambda w: sum(w) > 0.01),
    usual=st.one_of(st.just(float("nan")), st.floats(0, 45)),
    plays=st.floats(0, 1),
)
def test_the_kinds_of_night_add_up_to_one(weights: list[float], usual: float, plays: float) -> None:
    share = np.array([0.0, *weights]) / sum(weights)
    survival = np.clip(1 - np.cumsum(share), 0, 1)[None, :]
    said = class_probabilities(CountDistribution(survival), [usual], [plays])
    assert list(said) == list(CLASSES)
    assert (said.to_numpy() >= -1e-12).all()
    assert said.to_numpy().sum() == pytest.approx(1.0)
    assert said["did_not_play"].iloc[0] == pytest.approx(1 - plays)


def test_every_night_is_told_with_its_interval(shape: MinutesShape) -> None:
    rows = player_games(50, seed=6)
    told = minutes_forecasts(shape.distribution(rows), rows["min_ewm_10"], np.full(50, 0.8))
    np.testing.assert_allclose(told[list(CLASSES)].sum(axis=1), 1.0)
    assert (told["lo95"] <= told["lo80"]).all()
    assert (told["lo50"] <= told["hi50"]).all()
    assert (told["hi80"] <= told["hi95"]).all()
