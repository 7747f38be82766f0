"""The forecast of minutes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from statmuse_pipeline.domain import InformationLevel, PipelineError
from statmuse_pipeline.features.minutes import (
    INPUTS,
    NETWORK_INPUTS,
    MinutesModel,
    add_minutes_forecasts,
    learn_earlier,
    newest_error,
)
from statmuse_pipeline.features.running_error import KNOTS, RunningError, without_running_error
from statmuse_pipeline.features.table import build_features, columns_at, feature_catalog
from statmuse_pipeline_tests.features.leagues import DAY, League, real_season
from statmuse_pipeline_tests.shelved import Shelved


@pytest.mark.parametrize("level", list(InformationLevel))
def test_a_model_reads_only_columns_of_its_level(level: InformationLevel) -> None:
    own = {"exp_min_pregame"} if level is InformationLevel.PREGAME else {"tip_exp_min", "tip_exp_min_columns"}
    assert set(INPUTS[level]) <= set(columns_at(level)) - own
    assert set(INPUTS[level]) < set(NETWORK_INPUTS[level]) <= set(columns_at(level)) - own
    assert len(NETWORK_INPUTS[level]) < 0.8 * len(columns_at(level))
    group = feature_catalog().set_index("name")["group"]
    added = {group[name] for name in NETWORK_INPUTS[level] if name not in INPUTS[level]}
    assert added >= {"absences", "own team", "profile", "opponent", "efficiency"}


@pytest.mark.parametrize("level", list(InformationLevel))
def test_a_model_comes_back_from_its_files_and_forecasts_the_same(
    level: InformationLevel, features: pd.DataFrame
) -> None:
    model = MinutesModel.fit(features[features["game_date"] < DAY], level, seed=1)
    files = model.to_bytes()
    assert not [name for name in files if name.endswith((".pkl", ".joblib"))]
    tonight = features[features["game_date"] == DAY]
    again = MinutesModel.from_bytes(files)
    np.testing.assert_array_equal(again.predict(tonight), model.predict(tonight))
    assert again.level is level
    assert files == MinutesModel.fit(features[features["game_date"] < DAY], level, seed=1).to_bytes()


def test_what_forecasts_were_off_by_lately_is_taken_off_from_the_first_fit_on(features: pd.DataFrame) -> None:
    moving = (features["exp_min_fitted"] == features["min_ewm_10"]) | features["exp_min_fitted"].isna()
    first = features.loc[~moving, "game_date"].min()
    before, after = features[features["game_date"] < first], features[features["game_date"] >= first]
    assert before["exp_min_pregame"].equals(before["exp_min_fitted"])
    played = after["min"].where(after["games_before"] >= 10)
    day = (after["game_date"] - first).dt.days
    wanted = without_running_error(after["exp_min_fitted"], played, day)
    np.testing.assert_allclose(after["exp_min_pregame"], wanted, rtol=1e-6)
    late = after[after["game_date"] > first + pd.Timedelta(days=10)]
    assert (late["exp_min_pregame"] != late["exp_min_fitted"]).mean() > 0.9


def test_a_model_takes_off_what_it_was_told_and_keeps_it_in_its_files(features: pd.DataFrame) -> None:
    plain = MinutesModel.fit(features[features["game_date"] < DAY], InformationLevel.PREGAME, seed=1)
    told = replace(plain, lately=newest_error(features[features["game_date"] < DAY]))
    again, tonight = MinutesModel.from_bytes(told.to_bytes()), features[features["game_date"] == DAY]
    off = np.interp(plain.predict(tonight), KNOTS, newest_error(features[features["game_date"] < DAY]).minutes)
    assert abs(off).max() > 0.005
    np.testing.assert_allclose(again.predict(tonight), np.clip(plain.predict(tonight) - off, 0, 53), atol=1e-9)
    shifted = replace(plain, lately=RunningError((-60.0, 60.0, 60.0, 60.0)))
    assert shifted.predict(tonight).min() == 0
    assert shifted.predict(tonight).max() <= 53


def test_a_model_of_another_version_is_refused(features: pd.DataFrame) -> None:
    files = MinutesModel.fit(features, InformationLevel.PREGAME, seed=1).to_bytes()
    files["minutes.json"] = files["minutes.json"].replace(b"min_last", b"min_other")
    with pytest.raises(PipelineError, match="fit it again"):
        MinutesModel.from_bytes(files)


def test_networks_of_another_version_are_refused(features: pd.DataFrame) -> None:
    files = MinutesModel.fit(features.head(3000), InformationLevel.PREGAME, seed=1).to_bytes()
    tipoff = MinutesModel.fit(features.head(3000), InformationLevel.TIPOFF, seed=1).to_bytes()
    with pytest.raises(PipelineError, match="fit it again"):
        MinutesModel.from_bytes({**files, "networks.npz": tipoff["networks.npz"]})


def test_a_model_of_before_there_were_networks_is_refused(features: pd.DataFrame) -> None:
    files = MinutesModel.fit(features.head(3000), InformationLevel.PREGAME, seed=1).to_bytes()
    del files["networks.npz"]
    with pytest.raises(PipelineError, match="fit it again"):
        MinutesModel.from_bytes(files)


def test_too_few_player_games_to_learn_from_is_an_error(features: pd.DataFrame) -> None:
    with pytest.raises(PipelineError, match="at least 100"):
        MinutesModel.fit(features.head(50), InformationLevel.PREGAME, seed=1)


def test_forecasts_are_minutes_and_missing_only_in_a_first_game(features: pd.DataFrame) -> None:
    for name in ("exp_min_pregame", "tip_exp_min"):
        assert features[name].isna().equals(features["games_before"] == 0)
        assert features[name].dropna().between(0, 53).all()


def test_on_real_games_trees_beat_the_moving_average_and_absences_help_further(
    archive: Path, features: pd.DataFrame
) -> None:
    if len(features) < 20_000:
        pytest.skip("this row of the test is for the real season")
    later = features[(features["game_date"] >= "2023-12-15") & (features["games_before"] >= 10) & (features["min"] > 0)]
    error = {
        name: (later[name] - later["min"]).abs().mean() for name in ("min_ewm_10", "exp_min_pregame", "tip_exp_min")
    }
    assert error["exp_min_pregame"] < 0.975 * error["min_ewm_10"]
    assert error["tip_exp_min"] < 0.95 * error["exp_min_pregame"]


@pytest.mark.parametrize("level", list(InformationLevel))
def test_on_real_games_trees_and_networks_together_beat_either(
    archive: Path, features: pd.DataFrame, level: InformationLevel
) -> None:
    if len(features) < 20_000:
        pytest.skip("this row of the test is for the real season")
    model = MinutesModel.fit(features[features["game_date"] < "2024-02-10"], level, seed=1)
    later = features[(features["game_date"] >= "2024-02-10") & (features["games_before"] >= 10) & (features["min"] > 0)]
    step = (later["min"] - later["min_ewm_10"]).to_numpy()
    trees = model.booster.inplace_predict(later[list(INPUTS[level])].to_numpy(np.float32))
    networks = model.networks.predict(later[list(NETWORK_INPUTS[level])].to_numpy(np.float32))
    together = model.predict(later) - later["min_ewm_10"].to_numpy()
    errors = [float(np.mean((step - forecast) ** 2)) for forecast in (trees, networks, together)]
    assert errors[2] < 0.995 * min(errors[:2])


BETWEEN = pd.Timestamp("2024-01-01")
"""What the made-up league played before it stands for earlier seasons."""


@pytest.fixture(scope="module")
def halves(small_league: League) -> tuple[pd.DataFrame, pd.DataFrame]:
    games, others = small_league.player_games, small_league[1:]
    early = games["game_date"] < BETWEEN
    return build_features(games[early], *others), build_features(games[~early], *others)


def test_earlier_seasons_serve_from_the_first_day_and_every_fit_starts_from_them(
    halves: tuple[pd.DataFrame, pd.DataFrame],
) -> None:
    earlier = learn_earlier(add_minutes_forecasts(halves[0], seed=1), seed=1)
    alone = add_minutes_forecasts(halves[1], seed=1)
    helped = add_minutes_forecasts(halves[1], seed=1, earlier=earlier)
    first = helped[(helped["game_date"] < "2024-01-20") & (helped["games_before"] > 0)]
    np.testing.assert_array_equal(alone.loc[first.index, "exp_min_pregame"], first["min_ewm_10"])
    expected = earlier[InformationLevel.PREGAME].predict(first).astype(np.float32)
    np.testing.assert_array_equal(first["exp_min_pregame"], expected)
    fitted = MinutesModel.fit(helped, InformationLevel.TIPOFF, 1, start=earlier[InformationLevel.TIPOFF])
    grown = fitted.booster.num_boosted_rounds() - earlier[InformationLevel.TIPOFF].booster.num_boosted_rounds()
    assert 0 < grown < earlier[InformationLevel.TIPOFF].booster.num_boosted_rounds()
    error = {name: (model.predict(helped) - helped["min"]).abs().mean() for name, model in
             (("earlier", earlier[InformationLevel.TIPOFF]), ("fitted", fitted))}  # fmt: skip
    assert error["fitted"] < error["earlier"]


def test_what_happens_on_a_day_moves_no_forecast_up_to_it_whatever_was_learned_earlier(
    halves: tuple[pd.DataFrame, pd.DataFrame], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("statmuse_pipeline.features.minutes.FIRST_FIT_ROWS", 1000)
    earlier, played = learn_earlier(add_minutes_forecasts(halves[0], seed=1), seed=1), halves[1]
    changed = played.assign(min=played["min"].where(played["game_date"] < DAY, 48 - played["min"]))
    before, after = (add_minutes_forecasts(table, 1, earlier) for table in (played, changed))
    up_to, later = played["game_date"] <= DAY, played["game_date"] > DAY
    for name in ("exp_min_pregame", "tip_exp_min"):
        np.testing.assert_array_equal(before.loc[up_to, name], after.loc[up_to, name])
        assert later.any()


def test_on_real_games_the_season_before_helps_above_all_before_the_first_fit(
    archive: Path, features: pd.DataFrame
) -> None:
    if len(features) < 20_000:
        pytest.skip("this row of the test is for the real season")
    earlier = learn_earlier(add_minutes_forecasts(build_features(*real_season(archive, "2022-23")), seed=3), seed=3)
    own = [
        name
        for name in features
        if name not in ("exp_min_pregame", "tip_mates_exp_min", "tip_exp_min_columns", "tip_exp_min")
    ]
    helped = add_minutes_forecasts(features[own], seed=3, earlier=earlier)
    counted = (features["games_before"] >= 10) & (features["min"] > 0)

    def error(table: pd.DataFrame, rows: pd.Series) -> float:
        return float(((table["tip_exp_min"] - table["min"])[counted & rows] ** 2).mean() ** 0.5)

    autumn = features["game_date"] < "2023-12-15"
    assert error(helped, autumn) < 0.96 * error(features, autumn)
    assert error(helped, ~autumn) < error(features, ~autumn)


def test_fits_are_remembered_until_what_they_learn_from_changes(small_league: League) -> None:
    table = build_features(*small_league)
    shelf = Shelved()
    first = add_minutes_forecasts(table, 3, remember=shelf)
    assert shelf.made
    pd.testing.assert_frame_equal(first, add_minutes_forecasts(table, 3), check_exact=True)
    shelf.made.clear()
    pd.testing.assert_frame_equal(first, add_minutes_forecasts(table, 3, remember=shelf), check_exact=True)
    assert shelf.made == []
    # One minute more in the first game with a history: every fit has learned from it.
    row = table.index[(table["games_before"] > 0) & (table["min"] > 0)][0]
    corrected = table.assign(min=table["min"] + (table.index == row))
    again = add_minutes_forecasts(corrected, 3, remember=shelf)
    assert sorted(shelf.made) == sorted({name for name, _ in shelf.kept})
    pd.testing.assert_frame_equal(again, add_minutes_forecasts(corrected, 3), check_exact=True)
