"""Studies: bounded, stored, resumed, repeatable, and never worse than the configured parameters."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import optuna
import pandas as pd
import pytest
from optuna.trial import TrialState

from statmuse_pipeline.domain import PipelineError, Stat
from statmuse_pipeline.modeling import tuning
from statmuse_pipeline.modeling.members import DEFAULT_PARAMS, FAMILIES
from statmuse_pipeline.modeling.train import TrainConfig
from statmuse_pipeline.modeling.tuning import tune_family
from statmuse_pipeline_tests.modeling.player_rows import rows_of, simulated_rows

CONFIG = TrainConfig(seed=5)


@pytest.fixture(scope="module")
def rows() -> pd.DataFrame:
    return simulated_rows(players=4, games=100, signal=0.3)


@pytest.fixture
def storage(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'optuna.db'}"


def study_of(storage: str) -> optuna.Study:
    (name,) = optuna.get_all_study_names(storage)
    return optuna.load_study(study_name=name, storage=storage)


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_is_tuned_within_its_bound_and_not_below_the_configured_parameters(
    family: str, rows: pd.DataFrame, storage: str
) -> None:
    tuned = tune_family(family, rows, CONFIG, trials=3, seconds=60, storage_url=storage)
    assert tuned.trials == 3
    assert set(tuned.params) == set(DEFAULT_PARAMS[family])
    first = study_of(storage).trials[0]
    assert first.params.items() <= dict(DEFAULT_PARAMS[family]).items()
    assert first.value is not None
    assert tuned.value <= first.value <= 1.0
    assert CONFIG.with_params(family, tuned.params).params[family] == tuned.params


def test_an_interrupted_study_goes_on_and_ends_like_one_that_ran_through(rows: pd.DataFrame, tmp_path: Path) -> None:
    urls = [f"sqlite:///{tmp_path / name}.db" for name in ("through", "twice")]
    through = tune_family("elastic_net", rows, CONFIG, trials=8, seconds=60, storage_url=urls[0])
    part = tune_family("elastic_net", rows, CONFIG, trials=3, seconds=60, storage_url=urls[1])
    assert part.trials == 3
    study_of(urls[1]).ask()  # a trial that a killed process left running
    resumed = tune_family("elastic_net", rows, CONFIG, trials=8, seconds=60, storage_url=urls[1])
    assert resumed == through
    states = [trial.state for trial in study_of(urls[1]).trials]
    assert states.count(TrialState.FAIL) == 1
    assert TrialState.RUNNING not in states


def test_a_finished_study_costs_nothing_when_asked_again(
    rows: pd.DataFrame, storage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    tuned = tune_family("elastic_net", rows, CONFIG, trials=2, seconds=60, storage_url=storage)

    def fitted(*_: object) -> np.ndarray:
        raise AssertionError("something was fitted again")

    monkeypatch.setattr(tuning, "fit_predict", fitted)
    assert tune_family("elastic_net", rows, CONFIG, trials=2, seconds=60, storage_url=storage) == tuned


def test_no_trial_starts_after_the_seconds_are_over(rows: pd.DataFrame, storage: str) -> None:
    tuned = tune_family("xgboost", rows, CONFIG, trials=1000, seconds=0.0, storage_url=storage)
    assert tuned.trials == 0
    assert tuned.params == DEFAULT_PARAMS["xgboost"]


def test_other_rows_start_a_study_of_their_own(rows: pd.DataFrame, storage: str) -> None:
    tune_family("elastic_net", rows, CONFIG, trials=1, seconds=60, storage_url=storage)
    one = tune_family("elastic_net", rows_of(rows, 101, "train"), CONFIG, trials=1, seconds=60, storage_url=storage)
    assert one.trials == 1
    assert len(optuna.get_all_study_names(storage)) == 2


def test_validation_and_test_games_play_no_part(rows: pd.DataFrame, tmp_path: Path) -> None:
    changed = rows.copy()
    changed.loc[changed["split"] != "train", [stat.column for stat in Stat]] = 0.0
    results = [
        tune_family("elastic_net", frame, CONFIG, trials=3, seconds=60, storage_url=f"sqlite:///{tmp_path / name}.db")
        for name, frame in (("as_is", rows), ("changed", changed))
    ]
    assert results[0] == results[1]


def test_a_hopeless_trial_is_pruned_after_a_chunk_of_players(storage: str, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = simulated_rows(players=6, games=100, signal=0.5)
    monkeypatch.setattr(tuning, "CHUNK", 2)
    tune_family("elastic_net", rows, CONFIG, trials=12, seconds=60, storage_url=storage)
    states = [trial.state for trial in study_of(storage).trials]
    assert states.count(TrialState.PRUNED) >= 1
    assert states.count(TrialState.PRUNED) + states.count(TrialState.COMPLETE) == 12


def test_no_trials_means_the_configured_parameters(rows: pd.DataFrame) -> None:
    assert tune_family("xgboost", rows, CONFIG, 0, 60, "sqlite:///nowhere").params == DEFAULT_PARAMS["xgboost"]


def test_errors_say_what_is_wrong(rows: pd.DataFrame, storage: str, tmp_path: Path) -> None:
    with pytest.raises(PipelineError, match="no model family"):
        tune_family("lightgbm", rows, CONFIG, 1, 60, storage)
    with pytest.raises(PipelineError, match="No player has 30 games"):
        tune_family("xgboost", rows[rows["game_date"] < "2023-11-01"], CONFIG, 1, 60, storage)
    with pytest.raises(PipelineError, match="storage"):
        tune_family("xgboost", rows, CONFIG, 1, 60, f"sqlite:///{tmp_path / 'no' / 'such' / 'folder'}/x.db")
