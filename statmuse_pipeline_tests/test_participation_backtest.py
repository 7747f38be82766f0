"""Playing time in earlier months: refitted every month, each fit knowing what came before it and nothing else."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pandas as pd
import pytest

from statmuse_pipeline.domain import EXPECTED_MINUTES, InformationLevel, PipelineError
from statmuse_pipeline.features.roster import LISTED, ROSTER_COLUMNS
from statmuse_pipeline.modeling.absence import AbsenceModel
from statmuse_pipeline.modeling.playing_time import LONGEST, UNSETTLED, MinutesShape, minutes_forecasts
from statmuse_pipeline.participation_backtest import (
    backtest_absences,
    backtest_minutes,
    known_chances,
    refit_periods,
)
from statmuse_pipeline_tests.shelved import Shelved

FIRST = pd.Timestamp("2024-01-20")
TURN = pd.Timestamp("2024-02-10")
DAYS = pd.date_range("2023-11-01", "2024-03-15")


def members(seed: int = 3) -> pd.DataFrame:
    """20 a day; who missed games plays in a third of the cases, from February on in two thirds."""
    rng = np.random.default_rng(seed)
    rows = 20 * len(DAYS)
    table = pd.DataFrame(0.0, index=range(rows), columns=list(ROSTER_COLUMNS), dtype="float32")
    missed, day = rng.integers(0, 2, rows), np.repeat(DAYS, 20)
    back = np.where(day >= pd.Timestamp("2024-02-01"), 0.67, 0.33)
    usual = rng.uniform(1, 40, rows).astype("float32")
    played = (rng.random(rows) < np.where(missed == 0, 0.95, back)).astype("float32")
    return table.assign(missed=missed.astype("float32"), usual_min=usual, game_date=day, played=played)


def player_games(seed: int = 3) -> pd.DataFrame:
    """20 a day, minutes round 10 to 36 expected."""
    rng = np.random.default_rng(seed)
    rows = 20 * len(DAYS)
    expected = rng.uniform(10, 36, rows)
    day = np.repeat(DAYS, 20)
    return pd.DataFrame(dict.fromkeys(UNSETTLED, 0.0), index=range(rows)).assign(
        **dict.fromkeys(EXPECTED_MINUTES.values(), expected),
        min=np.clip(np.round(expected + rng.normal(0, 4, rows)), 1, LONGEST),
        min_ewm_10=expected + 1.0,
        games_before=50.0,
        game_date=day,
        game_id=[f"{i:010d}" for i in range(rows)],
        player_id=np.arange(rows),
        split=np.where(day < FIRST, "train", np.where(day < pd.Timestamp("2024-03-01"), "validation", "test")),
    )


def test_a_fit_serves_from_the_first_day_or_a_months_first_to_the_next() -> None:
    days = pd.Series(pd.to_datetime(["2024-04-14", "2024-10-22", "2024-03-15", "2024-03-20", "2023-11-01"]))
    told = [(f"{start:%m-%d}", f"{end:%m-%d}") for start, end in refit_periods(days, pd.Timestamp("2024-03-16"))]
    assert told == [("03-16", "04-01"), ("04-01", "10-01"), ("10-01", "10-23")]
    assert refit_periods(days, pd.Timestamp("2025-01-01")) == []


def test_every_month_is_said_by_a_fit_on_the_days_before_it() -> None:
    table = members()
    said = backtest_absences(table, FIRST, seed=1)
    assert list(said) == ["p_plays"]
    assert said["p_plays"].notna().equals(table["game_date"] >= FIRST)
    for start, end in (("2024-01-20", "2024-02-01"), ("2024-02-01", "2024-03-01"), ("2024-03-01", "2024-03-16")):
        now = table["game_date"].between(start, end, inclusive="left")
        model = AbsenceModel.fit(table[table["game_date"] < start], ROSTER_COLUMNS, seed=1)
        np.testing.assert_array_equal(said.loc[now, "p_plays"], model.p_plays(table[now]))


def test_fits_may_begin_in_some_months_alone() -> None:
    days = pd.Series(pd.to_datetime(["2023-11-03", "2023-12-02", "2024-01-05", "2024-03-20", "2024-10-22"]))
    told = refit_periods(days, pd.Timestamp("2023-11-20"), months=(1, 10))
    assert [(f"{a:%y-%m-%d}", f"{b:%y-%m-%d}") for a, b in told] == [
        ("23-12-01", "24-01-01"), ("24-01-01", "24-10-01"), ("24-10-01", "24-10-23"),
    ]  # fmt: skip


def likely(table: pd.DataFrame, monkeypatch: pytest.MonkeyPatch, remember: Shelved | None = None) -> pd.DataFrame:
    """Chances once 700 members are known: from 6 December on."""
    monkeypatch.setattr("statmuse_pipeline.participation_backtest.CHANCES_ROWS", 700)
    table = table.assign(game_id=[f"{i:010d}" for i in range(len(table))], player_id=np.arange(len(table)))
    return known_chances(table, 1, remember) if remember else known_chances(table, 1)


def test_chances_are_known_from_the_first_fit_on_each_from_days_before(monkeypatch: pytest.MonkeyPatch) -> None:
    table = members()
    told = likely(table, monkeypatch).set_index("player_id")["p_plays"]
    starts = (pd.Timestamp("2023-12-07"), pd.Timestamp("2024-01-01"), pd.Timestamp("2025-01-01"))
    assert told.index.tolist() == table.index[table["game_date"] >= starts[0]].tolist()
    for start, end in pairwise(starts):
        now = table[(table["game_date"] >= start) & (table["game_date"] < end)]
        model = AbsenceModel.fit(table[table["game_date"] < start], ROSTER_COLUMNS, seed=1)
        np.testing.assert_array_equal(told[now.index], model.p_plays(now))


def test_chances_know_the_list_of_injuries_where_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    table = members()
    listed = table.assign(**{LISTED: np.where(table["played"] == 1, 0.0, 3.0).astype("float32")})
    told = likely(listed, monkeypatch)
    came = table["played"].to_numpy()[told["player_id"]]
    assert told["p_plays"][came == 1].min() > 0.9
    assert told["p_plays"][came == 0].max() < 0.3


def test_too_few_members_tell_no_chances_and_past_fits_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    table, shelf = members(), Shelved()
    assert likely(table.head(700), monkeypatch).empty
    until = table["game_date"] < pd.Timestamp("2024-03-01")
    before = likely(table[until], monkeypatch, shelf)
    assert sorted(shelf.made) == ["p_plays-2024-01", "p_plays-first"]
    shelf.made.clear()
    after = likely(table, monkeypatch, shelf)
    assert shelf.made == []
    pd.testing.assert_frame_equal(after.head(len(before)), before)


def test_what_changed_in_february_is_known_in_march() -> None:
    table = members()
    said = backtest_absences(table, FIRST, seed=1)["p_plays"][table["missed"] == 1]
    month = table["game_date"].dt.month
    assert said[month == 2].mean() == pytest.approx(0.33, abs=0.05)
    assert said[month == 3].mean() > 0.38


def test_absences_to_come_never_move_an_earlier_probability() -> None:
    table = members()
    later = table["game_date"] >= TURN
    noise = np.random.default_rng(9)
    turned = table.assign(played=table["played"].mask(later, noise.integers(0, 2, len(table)).astype("float32")))
    before, after = backtest_absences(table, FIRST, seed=1), backtest_absences(turned, FIRST, seed=1)
    # February's fit is from before the turn: only March may have learned from the noise.
    known = table["game_date"] < pd.Timestamp("2024-03-01")
    pd.testing.assert_frame_equal(before[known], after[known])
    assert not before[~known].equals(after[~known])


def test_a_day_never_moves_its_own_probability_and_a_cut_archive_says_the_same() -> None:
    table = members()
    whole, cut = (backtest_absences(rows, FIRST, seed=1) for rows in (table, table[table["game_date"] < TURN]))
    pd.testing.assert_frame_equal(whole.loc[cut.index], cut)


def test_a_list_of_injuries_makes_a_second_probability() -> None:
    table = members().assign(**{LISTED: 0.0})
    said = backtest_absences(table, FIRST, seed=1)
    assert list(said) == ["p_plays", "p_plays_listed"]
    assert said["p_plays_listed"].notna().sum() == (table["game_date"] >= FIRST).sum()


def test_a_later_week_makes_no_fit_of_a_month_that_is_over_again() -> None:
    shelf, table = Shelved(), members().assign(**{LISTED: 0.0})
    until = table["game_date"] < pd.Timestamp("2024-03-08")
    backtest_absences(table[until], FIRST, 1, shelf)
    assert sorted(shelf.made) == sorted(
        f"{kind}-{month}" for kind in ("p_plays", "p_plays_listed") for month in ("first", "2024-02", "2024-03")
    )
    shelf.made.clear()
    pd.testing.assert_frame_equal(backtest_absences(table, FIRST, 1, shelf), backtest_absences(table, FIRST, 1))
    assert shelf.made == []
    # The split moves with the games: the first fit, which begins on another day, is the only new one.
    backtest_absences(table, FIRST + pd.Timedelta(days=3), 1, shelf)
    assert sorted(shelf.made) == ["p_plays-first", "p_plays_listed-first"]


@pytest.mark.parametrize("column", ["played", "usual_min", "missed", "age"])
def test_a_corrected_game_makes_the_fits_after_it_anew(column: str) -> None:
    shelf, table = Shelved(), members()
    backtest_absences(table, FIRST, 1, shelf)
    shelf.made.clear()
    corrected = table["game_date"] == pd.Timestamp("2024-02-05")
    mended = table.assign(**{column: table[column].mask(corrected, 1 - table[column])})
    pd.testing.assert_frame_equal(backtest_absences(mended, FIRST, 1, shelf), backtest_absences(mended, FIRST, 1))
    assert shelf.made == ["p_plays-2024-03"]


def test_shapes_of_minutes_are_kept_too() -> None:
    shelf, table = Shelved(), player_games()
    backtest_minutes(table, FIRST, 1, shelf)
    assert len(shelf.made) == 6
    shelf.made.clear()
    mended = table.assign(min=table["min"].mask(table["game_date"] == pd.Timestamp("2024-02-05"), 3.0))
    pd.testing.assert_frame_equal(backtest_minutes(mended, FIRST, 1, shelf), backtest_minutes(mended, FIRST, 1))
    assert sorted(shelf.made) == ["pregame-2024-03", "tipoff-2024-03"]


def test_nothing_is_said_where_there_is_nothing_to_learn_from() -> None:
    with pytest.raises(PipelineError, match="Only 0 members"):
        backtest_absences(members(), DAYS[0], seed=1)
    with pytest.raises(PipelineError, match="Only 0 player-games"):
        backtest_minutes(player_games(), DAYS[0], seed=1)


def test_minutes_of_a_month_are_said_by_the_shape_of_the_days_before_it() -> None:
    table = player_games()
    said = backtest_minutes(table, FIRST, seed=1)
    asked = table[table["game_date"] >= FIRST]
    assert said["level"].value_counts().to_dict() == {level.value: len(asked) for level in InformationLevel}
    assert set(said["split"]) == {"validation", "test"}
    level = InformationLevel.TIPOFF
    march = asked[asked["game_date"] >= pd.Timestamp("2024-03-01")]
    fitted = MinutesShape.fit(table[table["game_date"] < pd.Timestamp("2024-03-01")], level, seed=1)
    shape = MinutesShape.from_bytes(fitted.to_bytes())
    told = minutes_forecasts(shape.distribution(march), march["min_ewm_10"], np.ones(len(march)))
    own = said[(said["level"] == level.value) & said["player_id"].isin(march["player_id"])]
    for name in ("mean", "lo80", "hi80", "limited", "extended"):
        np.testing.assert_allclose(own[name], told[name])


def test_only_rows_that_count_are_scored() -> None:
    table = player_games()
    table.loc[table.index[-1], "min"] = 0.0
    table.loc[table.index[-2], "games_before"] = 9.0
    said = backtest_minutes(table, FIRST, seed=1)
    assert not said["player_id"].isin(table["player_id"].iloc[-2:]).any()


def test_minutes_to_come_never_move_an_earlier_distribution() -> None:
    table = player_games()
    noise = np.random.default_rng(9).integers(1, 48, len(table)).astype(float)
    turned = table.assign(min=table["min"].mask(table["game_date"] >= TURN, noise))
    told = ["mean", "lo50", "hi50", "lo80", "hi80", "lo95", "hi95", "limited", "extended", "normal"]
    before, after = (backtest_minutes(rows, FIRST, seed=1) for rows in (table, turned))
    early = before["player_id"].isin(table.loc[table["game_date"] < pd.Timestamp("2024-03-01"), "player_id"])
    pd.testing.assert_frame_equal(before.loc[early, told], after.loc[early, told])
    assert not before.loc[~early, told].equals(after.loc[~early, told])
