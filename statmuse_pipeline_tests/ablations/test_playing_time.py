"""Choices about playing time on a small made-up league: every way is scored against what is released."""

from __future__ import annotations

import pandas as pd
import pytest

from statmuse_pipeline.ablations.playing_time import BLOCKS, measure_absences, measure_minutes
from statmuse_pipeline.ablations.table import by_stat, overview
from statmuse_pipeline.datasets.split import split_by_date
from statmuse_pipeline.features.minutes import add_minutes_forecasts
from statmuse_pipeline.features.roster import ROSTER_COLUMNS, roster_features
from statmuse_pipeline.features.table import build_features
from statmuse_pipeline_tests.features.leagues import made_up_league


@pytest.fixture(scope="module")
def minutes() -> pd.DataFrame:
    parts = split_by_date(add_minutes_forecasts(build_features(*made_up_league(teams=8)), seed=3)).parts()
    rows = pd.concat([parts[name].assign(split=name) for name in ("train", "validation")], ignore_index=True)
    return pd.DataFrame(measure_minutes(rows, seed=3, draws=100))


@pytest.fixture(scope="module")
def members() -> pd.DataFrame:
    league = made_up_league(teams=8)
    table = roster_features(league.player_games, league.players).dropna(subset=["usual_min"])
    days = table["game_date"]
    late = days > days.quantile(0.8)
    # Who does not play is listed, but for one in ten, and so are a few who do: worth more than anything else.
    known = (table["played"] == 0) ^ (table.index % 10 == 0)
    return table.assign(split=late.map({True: "validation", False: "train"}), listed=known.astype("float32"))


@pytest.mark.parametrize("quick", [True, False])
def test_every_way_to_tell_absences_is_compared_with_the_released_one(members, quick):
    table = pd.DataFrame(measure_absences(members, ROSTER_COLUMNS, "listed", seed=3, draws=100, quick=quick))
    rows = table.set_index("name")
    assert set(rows.index) == {
        "released", "no injury transactions", "last game", *BLOCKS, *([] if quick else ["logistic regression"])
    }  # fmt: skip
    assert rows.loc["released", ["crps_diff", "crps_diff_lo", "crps_diff_hi"]].tolist() == [0, 0, 0]
    for worse in ("no injury transactions", "last game"):
        assert rows.loc[worse, "crps_diff_lo"] > 0
    assert (rows["crps"] == rows["ladder_brier"]).all()
    assert not table.isna().to_numpy().any()


def test_every_shape_of_minutes_is_compared_at_both_levels(minutes):
    assert minutes.groupby("level")["name"].nunique().to_dict() == {"pregame": 5, "tipoff": 5}
    released = minutes[minutes["name"] == "released"]
    assert (released["crps_diff"] == 0).all()
    # The league's minutes are normal by construction: none of the ways may be far off.
    assert (minutes["crps_diff"].abs() < 0.1 * minutes["crps"]).all()
    assert not minutes.isna().to_numpy().any()


def test_the_tables_for_people_have_them(minutes):
    assert len(overview(minutes)) == 10
    assert set(by_stat(minutes)["stat"]) == {"MIN"}
