"""The forecast of minutes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from statmuse_pipeline.domain import InformationLevel, PipelineError
from statmuse_pipeline.features.minutes import INPUTS, MinutesModel
from statmuse_pipeline.features.table import columns_at
from statmuse_pipeline_tests.features.leagues import DAY


@pytest.mark.parametrize("level", list(InformationLevel))
def test_a_model_reads_only_columns_of_its_level(level: InformationLevel) -> None:
    assert set(INPUTS[level]) <= set(columns_at(level))


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


def test_a_model_of_another_version_is_refused(features: pd.DataFrame) -> None:
    files = MinutesModel.fit(features, InformationLevel.PREGAME, seed=1).to_bytes()
    files["minutes.json"] = files["minutes.json"].replace(b"min_last", b"min_other")
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
