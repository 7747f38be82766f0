"""Splitting a feature table by date."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from statmuse_pipeline.datasets.split import split_by_date, split_by_player
from statmuse_pipeline.domain import PipelineError


def table(games_a_day: list[int]) -> pd.DataFrame:
    days = np.repeat(pd.date_range("2024-01-01", periods=len(games_a_day)), games_a_day)
    return pd.DataFrame(
        {
            "game_date": days.astype("datetime64[ns]"),
            "game_id": [f"{number:010d}" for number in range(len(days))],
            "player_id": np.arange(len(days)) % 7,
        }
    )


@given(st.lists(st.integers(1, 30), min_size=3, max_size=60), st.randoms())
def test_every_row_is_in_exactly_one_part_and_no_date_is_in_two(games_a_day, random):
    rows = table(games_a_day)
    shuffled = rows.iloc[random.sample(range(len(rows)), len(rows))]
    split = split_by_date(shuffled)
    parts = list(split.parts().values())
    pd.testing.assert_frame_equal(pd.concat(parts, ignore_index=True), rows)
    assert all(len(part) for part in parts)
    assert split.train["game_date"].max() < pd.Timestamp(split.validation_from) == split.validation["game_date"].min()
    assert split.validation["game_date"].max() < pd.Timestamp(split.test_from) == split.test["game_date"].min()


@given(st.lists(st.integers(1, 12), min_size=40, max_size=80))
def test_shares_are_as_near_to_seventy_and_eighty_five_percent_as_whole_days_allow(games_a_day):
    rows = table(games_a_day)
    split = split_by_date(rows)
    ends = np.cumsum(games_a_day)
    for rows_before, share in ((len(split.train), 0.70), (len(split.train) + len(split.validation), 0.85)):
        assert abs(rows_before - share * len(rows)) == pytest.approx(np.abs(ends - share * len(rows)).min())


def test_the_cut_dates_are_plain_days():
    split = split_by_date(table([1] * 20))
    assert (split.validation_from, split.test_from) == (dt.date(2024, 1, 15), dt.date(2024, 1, 18))


def test_two_dates_cannot_be_split():
    with pytest.raises(PipelineError, match="2 dates"):
        split_by_date(table([5, 5]))


@pytest.mark.parametrize("fractions", [(0.7, 0.3, 0.0), (0.5, 0.2, 0.2)])
def test_fractions_that_are_no_split_are_refused(fractions):
    with pytest.raises(PipelineError, match="three positive shares"):
        split_by_date(table([1] * 9), fractions)


def test_each_player_s_own_newest_games_are_his_validation() -> None:
    games = pd.DataFrame(
        {
            "player_id": [1] * 17 + [2] * 34,
            "game_id": [f"{number:010d}" for number in range(51)],
            "game_date": pd.date_range("2024-01-01", periods=51),
        }
    ).sample(frac=1, random_state=3)
    parts = split_by_player(games)
    assert parts.index.equals(games.index)
    for player, newest in ((1, 3), (2, 6)):
        own = games.assign(part=parts)[games["player_id"] == player].sort_values("game_date")
        assert own["part"].tolist() == ["train"] * (len(own) - newest) + ["validation"] * newest
    more = pd.concat([games[games["player_id"] == 1], games[games["player_id"] == 2].head(1)])
    assert split_by_player(more)[games["player_id"] == 1].equals(parts[games["player_id"] == 1])
