import datetime as dt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from statmuse_pipeline.domain import (
    LADDER,
    LARGEST_COUNT,
    Combination,
    InformationLevel,
    PipelineError,
    Season,
    Stat,
    player_id_of,
    player_key,
    role_of,
    stat_or_sum,
)


def test_roles_go_by_expected_minutes():
    assert role_of([34.0, 28.0, 27.9, 15.0, 14.9, np.nan]).tolist() == [
        "starter", "starter", "rotation", "rotation", "bench", "bench",
    ]  # fmt: skip


def test_the_ladder_has_the_lines_of_the_design():
    assert LADDER[Stat.PTS] == (4.5, 9.5, 14.5, 19.5, 24.5, 29.5, 34.5, 39.5)
    assert LADDER[Stat.REB] == (1.5, 3.5, 5.5, 7.5, 9.5, 11.5, 13.5, 15.5)
    assert LADDER[Stat.AST] == (0.5, 2.5, 4.5, 6.5, 8.5, 10.5, 12.5)
    assert LADDER[Stat.FG3M] == (0.5, 1.5, 2.5, 3.5, 4.5, 5.5)
    assert LADDER[Stat.STL] == LADDER[Stat.BLK] == (0.5, 1.5, 2.5)
    assert LADDER[Stat.TOV] == (0.5, 1.5, 2.5, 3.5, 4.5)
    assert LADDER[Stat.PRA] == tuple(float(line) + 0.5 for line in range(9, 60, 5))


def test_every_ladder_line_lies_below_the_largest_count():
    assert all(max(LADDER[stat]) < LARGEST_COUNT[stat] for stat in Stat)


@given(st.integers(1946, 2098))
def test_a_season_reads_back_from_its_label(year):
    season = Season(year)
    assert Season.parse(season.label) == season
    assert season.season_id == f"2{year}"


@pytest.mark.parametrize("label", ["2023", "2023-25", "23-24", "2023/24", "", "2023-2024"])
def test_a_label_of_another_form_is_refused_with_the_right_form(label):
    with pytest.raises(PipelineError, match="write it like 2023-24"):
        Season.parse(label)


def test_a_season_turns_over_in_august():
    assert Season.of_date(dt.date(2024, 4, 14)).label == "2023-24"
    assert Season.of_date(dt.date(2024, 10, 22)).label == "2024-25"


def test_a_player_key_is_plain_and_gives_the_id_back():
    assert player_key(1629029, "Luka Dončić") == "luka-doncic-1629029"
    assert player_key(1630559, "P.J. Washington Jr.") == "p-j-washington-jr-1630559"
    assert player_id_of("luka-doncic-1629029") == 1629029
    with pytest.raises(PipelineError, match="must end in the player's NBA id"):
        player_id_of("luka-doncic")


def test_a_pregame_forecast_may_not_touch_what_is_known_at_tip_off():
    assert not InformationLevel.PREGAME.may_use(InformationLevel.TIPOFF)
    assert InformationLevel.TIPOFF.may_use(InformationLevel.PREGAME)
    assert InformationLevel.PREGAME.may_use(InformationLevel.PREGAME)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("pts", Stat.PTS), ("PRA", Stat.PRA), ("PTS+REB", Combination.PTS_REB), ("reb + pts", Combination.PTS_REB),
        ("AST+REB", Combination.REB_AST), ("AST+PTS+REB", Stat.PRA),
    ],
)  # fmt: skip
def test_a_sum_may_be_written_in_any_order(text, meant):
    assert stat_or_sum(text) is meant


@pytest.mark.parametrize("text", ["PTS+STL", "PTS+PTS", "DUNKS", "PTS+", ""])
def test_what_is_no_stat_and_no_quoted_sum_is_refused_with_what_is(text):
    with pytest.raises(PipelineError, match=r"choose from PTS, .*PTS\+REB"):
        stat_or_sum(text)
