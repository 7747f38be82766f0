"""Training a player and all players: never below the prior on validation, failures as data, exact artefacts."""

from __future__ import annotations

import dataclasses
import time
import zlib

import numpy as np
import pandas as pd
import pytest

from statmuse_pipeline.domain import PipelineError, Stat
from statmuse_pipeline.modeling import train
from statmuse_pipeline.modeling.ensemble import Served
from statmuse_pipeline.modeling.members import FAMILIES
from statmuse_pipeline.modeling.player_model import MODEL_COLUMNS, PlayerModel
from statmuse_pipeline.modeling.residuals import settled_share
from statmuse_pipeline.modeling.train import TrainConfig, Trained, refit_player, train_player, train_players
from statmuse_pipeline_tests.modeling.player_rows import rows_of, simulated_rows

CONFIG = TrainConfig(seed=3)
BOLD = TrainConfig(seed=3, shrinkage=(0.0, 0.2, 0.5), strength=0.5)


@pytest.fixture(scope="module")
def noisy_rows() -> pd.DataFrame:
    """Players whose prior is right: there is nothing to learn."""
    return simulated_rows(players=5, games=120, signal=0.0)


@pytest.fixture(scope="module")
def telling_rows() -> pd.DataFrame:
    """Players with a home advantage that the prior does not know."""
    return simulated_rows(players=2, games=240, signal=0.6)


@pytest.fixture(scope="module")
def telling_model(telling_rows: pd.DataFrame) -> PlayerModel:
    return train_player(101, rows_of(telling_rows, 101, "train", "validation"), CONFIG)


def rmse(means: pd.Series, actual: pd.Series) -> float:
    return float(np.sqrt(((means - actual) ** 2).mean()))


def test_no_stat_of_any_player_is_served_worse_than_the_prior_on_validation(noisy_rows: pd.DataFrame) -> None:
    kinds = set()
    for player in noisy_rows["player_id"].unique():
        model = train_player(player, rows_of(noisy_rows, player, "train", "validation"), CONFIG)
        validation = rows_of(noisy_rows, player, "validation")
        for stat in Stat:
            prior = validation[f"prior_{stat.column}"].to_numpy()
            means = model.means(validation, stat, prior)
            kinds.add(model.stats[stat].served.ensemble)
            assert rmse(means["served"], validation[stat.column]) <= rmse(means["prior"], validation[stat.column])
            if model.stats[stat].served == Served("prior", 0.0):
                np.testing.assert_array_equal(means["served"], prior)
    assert "prior" in kinds


def test_a_signal_that_the_prior_misses_is_learned_and_helps_on_games_after_validation(
    telling_rows: pd.DataFrame, telling_model: PlayerModel
) -> None:
    after = rows_of(telling_rows, 101, "test")
    bold = train_player(101, rows_of(telling_rows, 101, "train", "validation"), BOLD)
    for stat in (Stat.PTS, Stat.REB, Stat.PRA):
        means = bold.means(after, stat, after[f"prior_{stat.column}"].to_numpy())
        assert bold.stats[stat].served.shrinkage == 0.5
        assert telling_model.stats[stat].served.shrinkage == CONFIG.strength
        assert rmse(means["served"], after[stat.column]) < 0.98 * rmse(means["prior"], after[stat.column])


def test_what_is_served_is_the_prior_plus_the_shrunken_ensemble(
    telling_rows: pd.DataFrame, telling_model: PlayerModel
) -> None:
    after = rows_of(telling_rows, 101, "test")
    pregame = after["prior_pra_pregame"].to_numpy()
    means = telling_model.means(after, Stat.PRA, pregame)
    assert tuple(means.columns) == MODEL_COLUMNS
    assert means.index.equals(after.index)
    served, strength = telling_model.stats[Stat.PRA].served, CONFIG.strength
    expected = pregame + served.shrinkage / strength * (means[served.ensemble] - pregame)
    np.testing.assert_allclose(means["served"], expected, atol=1e-9)
    vote = means[list(FAMILIES)].mean(axis=1)
    np.testing.assert_allclose(means["voting"], pregame + strength * (vote - pregame), atol=1e-9)
    assert 0 < served.shrinkage <= strength


def test_a_model_loaded_from_its_files_forecasts_the_same_and_loads_fast(
    telling_rows: pd.DataFrame, telling_model: PlayerModel
) -> None:
    files = telling_model.to_files()
    after = rows_of(telling_rows, 101, "test")
    seconds = []
    for _ in range(3):
        begin = time.perf_counter()
        loaded = PlayerModel.from_files(files)
        for stat in Stat:
            loaded.means(after.head(1), stat, np.array([10.0]))
        seconds.append(time.perf_counter() - begin)
    for stat in Stat:
        prior = after[f"prior_{stat.column}"].to_numpy()
        pd.testing.assert_frame_equal(
            loaded.means(after, stat, prior), telling_model.means(after, stat, prior), atol=1e-5
        )
    assert loaded.metrics() == telling_model.metrics()
    # 40 ms is the aim for loading alone; this includes a forecast of every stat on a shared machine.
    assert min(seconds) < 0.4
    # As stored; 500 players of this size are 50 MB.
    assert sum(len(zlib.compress(content)) for content in files.values()) < 100_000


def test_training_twice_gives_the_same_bytes(telling_rows: pd.DataFrame, telling_model: PlayerModel) -> None:
    rows = rows_of(telling_rows, 101, "train", "validation").sample(frac=1, random_state=1)
    assert train_player(101, rows, CONFIG).to_files() == telling_model.to_files()


def test_games_after_validation_play_no_part_in_training(
    telling_rows: pd.DataFrame, telling_model: PlayerModel
) -> None:
    with_test = rows_of(telling_rows, 101, "train", "validation", "test")
    assert train_player(101, with_test, CONFIG).to_files() == telling_model.to_files()


def test_validation_outcomes_choose_the_shrinkage_and_nothing_else(
    telling_rows: pd.DataFrame, telling_model: PlayerModel
) -> None:
    rows = rows_of(telling_rows, 101, "train", "validation").copy()
    late = rows["split"] == "validation"
    rows.loc[late, [stat.column for stat in Stat]] = 0.0
    model = train_player(101, rows, CONFIG)
    columns = [*FAMILIES, "voting", "stacking"]
    after = rows_of(telling_rows, 101, "test")
    prior = after["prior_pts"].to_numpy()
    pd.testing.assert_frame_equal(
        model.means(after, Stat.PTS, prior)[columns], telling_model.means(after, Stat.PTS, prior)[columns]
    )


def test_members_learn_from_validation_once_it_has_chosen_and_every_choice_stays(
    telling_rows: pd.DataFrame, telling_model: PlayerModel
) -> None:
    rows = rows_of(telling_rows, 101, "train", "validation")
    refitted = refit_player(telling_model, rows, CONFIG)
    assert refitted.metrics() == telling_model.metrics()
    as_train = rows.assign(split="train")
    after = rows_of(telling_rows, 101, "test")
    prior = after["prior_pts"].to_numpy()
    told = refitted.means(after, Stat.PTS, prior)
    members = list(FAMILIES)
    pd.testing.assert_frame_equal(
        told[members], train_player(101, as_train, CONFIG).means(after, Stat.PTS, prior)[members]
    )
    assert (told[members] != telling_model.means(after, Stat.PTS, prior)[members]).any().all()
    assert PlayerModel.from_files(refitted.to_files()).metrics() == refitted.metrics()


def test_games_after_validation_play_no_part_in_the_refit(
    telling_rows: pd.DataFrame, telling_model: PlayerModel
) -> None:
    rows = rows_of(telling_rows, 101, "train", "validation")
    with_test = rows_of(telling_rows, 101, "train", "validation", "test")
    assert (
        refit_player(telling_model, with_test, CONFIG).to_files()
        == refit_player(telling_model, rows, CONFIG).to_files()
    )


def test_a_player_without_models_has_none_after_the_refit(noisy_rows: pd.DataFrame) -> None:
    rows = rows_of(noisy_rows, 101, "train", "validation")
    few = train_player(101, rows[(rows["split"] == "validation") | (rows["game_date"] < "2023-11-10")], CONFIG)
    assert refit_player(few, rows, CONFIG) is few


def test_what_was_learned_of_a_player_fades_in_over_the_first_games_of_a_season(
    telling_rows: pd.DataFrame, telling_model: PlayerModel
) -> None:
    after = rows_of(telling_rows, 101, "test").assign(season_games_before=40.0)
    settled = telling_model.members(after, (Stat.PTS,))[Stat.PTS]
    opening = telling_model.members(after.assign(season_games_before=0.0), (Stat.PTS,))[Stat.PTS]
    np.testing.assert_array_equal(opening, 0.0)
    known = after["season_games_before"].where(after.index != after.index[0])
    np.testing.assert_array_equal(telling_model.members(after.assign(season_games_before=known))[Stat.PTS][0], 0.0)
    assert (settled != 0).all()
    games = pd.DataFrame({"season_games_before": [0.0, 5.0, 10.0, 20.0, 60.0, np.nan]})
    np.testing.assert_array_equal(settled_share(games), [0.0, 0.25, 0.5, 1.0, 1.0, 0.0])


def test_a_player_with_few_games_in_train_is_recorded_and_served_by_the_prior(noisy_rows: pd.DataFrame) -> None:
    rows = rows_of(noisy_rows, 101, "train", "validation")
    model = train_player(101, rows[(rows["split"] == "validation") | (rows["game_date"] < "2023-11-10")], CONFIG)
    assert set(model.failures) == set(Stat)
    assert model.failures[Stat.PTS] == "17 games in train, at least 30 are needed"
    means = PlayerModel.from_files(model.to_files()).means(rows, Stat.PTS, rows["prior_pts"].to_numpy())
    np.testing.assert_array_equal(means["served"], rows["prior_pts"])
    assert model.metrics()["PTS"]["failure"].startswith("17 games")


def test_a_player_without_validation_games_is_served_by_the_prior(noisy_rows: pd.DataFrame) -> None:
    model = train_player(101, rows_of(noisy_rows, 101, "train"), CONFIG)
    assert not model.failures
    assert {part.served for part in model.stats.values()} == {Served("prior", 0.0)}
    assert PlayerModel.from_files(model.to_files()).metrics() == model.metrics()


def test_one_stat_that_cannot_be_fitted_leaves_the_others(noisy_rows: pd.DataFrame) -> None:
    rows = rows_of(noisy_rows, 101, "train", "validation").copy()
    rows["blk"], rows["prior_blk"] = 0.0, 0.3
    model = train_player(101, rows, CONFIG)
    assert set(model.failures) == {Stat.BLK}
    assert "nothing to learn" in model.failures[Stat.BLK]
    assert set(model.stats) == set(Stat) - {Stat.BLK}


def test_rows_that_were_not_played_or_have_no_prior_are_left_out(noisy_rows: pd.DataFrame) -> None:
    rows = rows_of(noisy_rows, 101, "train", "validation").copy()
    rows.loc[rows.index[3], "min"] = 0.0
    rows.loc[rows.index[4], "prior_ast"] = np.nan
    assert train_player(101, rows, CONFIG).metrics()["PTS"]["train_games"] == 70


def test_rows_of_another_player_are_refused(noisy_rows: pd.DataFrame) -> None:
    with pytest.raises(PipelineError, match="hold games of other players"):
        train_player(101, noisy_rows, CONFIG)


def test_all_players_come_back_in_order_and_the_same_from_one_process_and_from_two(noisy_rows: pd.DataFrame) -> None:
    groups = [(player, rows_of(noisy_rows, player, "train", "validation")) for player in (105, 104, 103, 102, 101)]
    alone = list(train_players(groups, CONFIG, workers=1))
    assert [player for player, _ in alone] == [105, 104, 103, 102, 101]
    together = list(train_players(groups, CONFIG, workers=2))
    for (player, one), (other, two) in zip(alone, together, strict=True):
        assert player == other
        assert isinstance(one, Trained)
        assert isinstance(two, Trained)
        assert one.chosen.to_files() == two.chosen.to_files()
        assert one.refitted.to_files() == two.refitted.to_files()


def test_a_player_that_raises_is_a_reason_and_the_others_go_on(
    noisy_rows: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    groups = [(player, rows_of(noisy_rows, player, "train", "validation")) for player in (101, 102, 103)]
    groups[1] = (102, groups[1][1].drop(columns=["opp_pace_20"]))
    results = dict(train_players(groups, CONFIG, workers=1))
    assert isinstance(results[101], Trained)
    assert isinstance(results[103], Trained)
    assert "lack opp_pace_20" in str(results[102])


def test_a_forest_that_breaks_fails_every_stat_of_that_player_with_the_reason(
    noisy_rows: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> object:
        raise MemoryError("no room")

    monkeypatch.setattr(train, "fit_forest", broken)
    model = train_player(101, rows_of(noisy_rows, 101, "train", "validation"), CONFIG)
    assert set(model.failures.values()) == {"forest: MemoryError: no room"}


def test_every_stat_and_kind_has_a_record_for_the_registry(telling_model: PlayerModel) -> None:
    records = pd.DataFrame(telling_model.records())
    assert len(records) == len(Stat) * 6
    assert not records.duplicated(["stat", "kind"]).any()
    served = records[(records["kind"] == "served") & (records["stat"] == "PTS")].iloc[0]
    assert served["metrics"]["rmse"] <= served["metrics"]["prior_rmse"]
    assert served["failure"] is None


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"params": {"xgboost": {}}}, "exactly random_forest, xgboost, elastic_net"),
        ({"shrinkage": (0.1, 0.2)}, "hold 0"),
        ({"strength": 1.5}, "strength of the ensembles"),
        ({"folds": 0}, "at least 1 fold"),
    ],
)
def test_a_configuration_that_makes_no_sense_is_refused_at_once(change: dict[str, object], told: str) -> None:
    with pytest.raises(PipelineError, match=told):
        dataclasses.replace(CONFIG, **change)  # type: ignore[arg-type]


def test_a_damaged_model_description_is_refused(telling_model: PlayerModel) -> None:
    files = telling_model.to_files()
    with pytest.raises(PipelineError, match="cannot be read"):
        PlayerModel.from_files({**files, "model.json": b"{"})
    with pytest.raises(PipelineError, match="cannot be read"):
        PlayerModel.from_files({name: content for name, content in files.items() if name != "forest.onnx"})
    other = files["model.json"].replace(b"opp_pace_20", b"opp_pace_30")
    with pytest.raises(PipelineError, match="another version of the code"):
        PlayerModel.from_files({**files, "model.json": other})
