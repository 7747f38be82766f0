"""Networks that attend, in the walk-forward forecast of minutes and in that of games to come."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest

from statmuse_pipeline.domain import InformationLevel, PipelineError
from statmuse_pipeline.features import attended
from statmuse_pipeline.features.attended import Attending, lesson_of
from statmuse_pipeline.features.minutes import NETWORK_INPUTS, MinutesModel, add_minutes_forecasts, forecast_minutes
from statmuse_pipeline.features.squads import build_squads
from statmuse_pipeline.features.table import build_features
from statmuse_pipeline_tests.features.leagues import League
from statmuse_pipeline_tests.shelved import Shelved

BETWEEN = pd.Timestamp("2024-01-01")
"""What the made-up league played before it stands for earlier seasons."""

FIRST = pd.Timestamp("2024-02-01")
"""From here on a network attends."""


class Season(NamedTuple):
    """The later half without forecasts and with them, what networks see in it, and the fits that were made."""

    table: pd.DataFrame
    found: pd.DataFrame
    attending: Attending
    shelf: Shelved

    def again(self, table: pd.DataFrame) -> pd.DataFrame:
        return add_minutes_forecasts(table, 1, remember=self.shelf, attending=self.attending)


@pytest.fixture(scope="module")
def season(small_league: League) -> Iterator[Season]:
    games, players = small_league.player_games, small_league.players
    early = games["game_date"] < BETWEEN
    before, table = (build_features(games[rows], small_league.games, players) for rows in (early, ~early))
    columns = NETWORK_INPUTS[InformationLevel.TIPOFF]
    lesson = lesson_of(add_minutes_forecasts(before, seed=1), build_squads(games[early], players), columns)
    attending = Attending(build_squads(games[~early], players), lambda: lesson, "a version", rows=200)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(attended, "BEGINS", (FIRST.month, FIRST.day))
        made = Season(table, table, attending, Shelved())
        yield made._replace(found=made.again(table))


def test_a_network_has_half_of_the_say_from_its_day_on(season: Season) -> None:
    assert season.shelf.made.count("attention-2024-02-01") == 1
    assert attended.begins(season.table, 200) == [np.datetime64("2024-02-01")]
    assert attended.begins(season.table, 10**6) == []
    plain, found = add_minutes_forecasts(season.table, 1), season.found
    for name in ("exp_min_pregame", "tip_mates_exp_min", "tip_exp_min_columns"):
        np.testing.assert_array_equal(found[name], plain[name])
    np.testing.assert_array_equal(plain["tip_exp_min"], plain["tip_exp_min_columns"])
    later = found["game_date"] >= FIRST
    np.testing.assert_array_equal(found.loc[~later, "tip_exp_min"], plain.loc[~later, "tip_exp_min"])
    step = (found["tip_exp_min"] - plain["tip_exp_min"])[later & (found["games_before"] > 0)].abs()
    assert (step > 0).mean() > 0.9
    assert step.max() < 12
    assert found["tip_exp_min"].isna().equals(found["games_before"] == 0)


def test_a_network_learns_from_what_came_before_its_day_alone(season: Season) -> None:
    upside_down = 48 - season.table["min"]
    after = season.table.assign(min=season.table["min"].where(season.table["game_date"] < "2024-02-20", upside_down))
    made = len(season.shelf.made)
    np.testing.assert_array_equal(season.again(after)["tip_exp_min"], season.found["tip_exp_min"])
    assert len(season.shelf.made) == made
    later = season.table["game_date"] >= FIRST
    day = season.table.loc[~later, "game_date"].max()
    before = season.table.assign(min=season.table["min"].where(season.table["game_date"] != day, upside_down))
    again = season.again(before)
    assert season.shelf.made[made:].count("attention-2024-02-01") == 1
    assert (again["tip_exp_min"] != season.found["tip_exp_min"])[later].any()


def test_games_to_come_are_forecast_as_the_table_is(season: Season) -> None:
    models = {level: MinutesModel.fit(season.found, level, seed=1) for level in InformationLevel}
    [kept] = [files for (name, _), files in list(season.shelf.kept.items()) if name == "attention-2024-02-01"][:1]
    files = {**models[InformationLevel.TIPOFF].to_bytes(), **kept}
    without, models[InformationLevel.TIPOFF] = models[InformationLevel.TIPOFF], MinutesModel.from_bytes(files)
    assert models[InformationLevel.TIPOFF].to_bytes() == files
    night = season.table[season.table["game_date"] == season.table["game_date"].max()]
    told = forecast_minutes(night, models, season.attending.squads)
    network = models[InformationLevel.TIPOFF].attention
    assert network is not None
    step = network.predict(told[list(network.columns)].to_numpy(np.float32), season.attending.squads.of(night))
    half = (without.predict(told) + np.clip(told["min_ewm_10"] + step, 0, 53)) / 2
    np.testing.assert_allclose(told["tip_exp_min"], half, rtol=1e-5)
    with pytest.raises(PipelineError, match="give it the rows' squads"):
        forecast_minutes(night, models)
