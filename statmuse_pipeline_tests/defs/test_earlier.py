"""Seasons that are only learned from: they lie in the archive, never in the warehouse."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from pathlib import Path

import dagster as dg
import numpy as np
import pandas as pd
import pytest

from statmuse_pipeline.defs.earlier import earlier_models, earlier_sums
from statmuse_pipeline.defs.pipeline import materialize, sync
from statmuse_pipeline.defs.resources import Workspace
from statmuse_pipeline.defs.upcoming import Matchup, forecast_matchup, served_models
from statmuse_pipeline.domain import InformationLevel, PipelineError
from statmuse_pipeline.features import attended
from statmuse_pipeline.features.minutes import catalog
from statmuse_pipeline.settings import load_settings
from statmuse_pipeline.warehouse.read import player_games
from statmuse_pipeline_tests.defs.nights import small_league

EARLIER, SEASON = "2021-22", "2022-23"


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """An archive of two seasons, the first of them to learn from only."""
    for folder, payload in zip(("game_logs_earlier", "game_logs"), small_league(), strict=True):
        (tmp_path / "archive" / folder).mkdir(parents=True)
        payload.game_logs.to_parquet(tmp_path / "archive" / folder / f"{payload.season}.parquet", index=False)
    return at(tmp_path, STATMUSE_SOURCE="archive")


def at(folder: Path, **changes: str) -> Workspace:
    variables = {
        "STATMUSE_ARCHIVE": str(folder / "archive"), "STATMUSE_DATA": str(folder / "data"), "SEASONS": SEASON,
        "DATABASE_URL": "", **changes,
    }  # fmt: skip
    return Workspace(settings=load_settings(**variables))


def features(workspace: Workspace, instance: dg.DagsterInstance) -> pd.DataFrame:
    materialize(("player_features",), instance, workspace, (SEASON, SEASON))
    return pd.read_parquet(workspace.shelf.folder(f"features/{SEASON}") / "features.parquet")


def test_minutes_learn_from_seasons_that_are_not_loaded(workspace: Workspace) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        sync(instance, workspace)
        alone = features(workspace, instance)
        assert materialize(("earlier_seasons",), instance, workspace)
        receipt = workspace.shelf.receipt("earlier")
        assert receipt is not None
        assert receipt.facts["seasons"] == [EARLIER]
        assert set(earlier_sums(workspace)) == set(InformationLevel)
        helped = features(workspace, instance)
        assert set(player_games(workspace.engine)["season"]) == {SEASON}
        known = helped["games_before"] > 0
        assert (helped.loc[known, "tip_exp_min"] != alone.loc[known, "tip_exp_min"]).mean() > 0.9
        unchanged = [feature.name for feature in catalog()]
        pd.testing.assert_frame_equal(helped.drop(columns=unchanged), alone.drop(columns=unchanged))
        assert materialize(("earlier_seasons",), instance, workspace)
        assert workspace.shelf.receipt("earlier") == receipt


def test_a_network_that_learned_from_them_has_its_say_in_games_to_come(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attended, "ROWS", 100)
    monkeypatch.setattr(attended, "BEGINS", (11, 1))
    with dg.DagsterInstance.ephemeral() as instance:
        sync(instance, workspace)
        assert materialize(("earlier_seasons",), instance, workspace)
        table = features(workspace, instance)
        attends = (table["game_date"] >= "2022-11-01") & (table["games_before"] > 0)
        differs = table["tip_exp_min"] != table["tip_exp_min_columns"]
        assert differs[attends].mean() > 0.9
        assert not differs[~attends & table["tip_exp_min"].notna()].any()
        assert materialize(("training_dataset", "pooled_models"), instance, workspace)
    last = table[table["game_date"] == table["game_date"].max()].iloc[0]
    player = int(last["player_id"])
    tipoff = served_models(workspace, [player]).minutes[InformationLevel.TIPOFF]
    assert tipoff.attention is not None
    kept = workspace.shelf.folder("minutes/attention-2022-11-01") / attended.FILE
    assert tipoff.attention.to_bytes() == kept.read_bytes()
    day = last["game_date"].date() + dt.timedelta(days=2)
    told = Matchup(day, int(last["team_id"]), int(last["opponent_team_id"]), out=[])
    assert told.level is InformationLevel.TIPOFF
    mean = forecast_matchup(workspace, told, player).frame.set_index("stat")["mean"]
    monkeypatch.setattr(attended, "SHARE", 0.0)
    without = forecast_matchup(workspace, told, player).frame.set_index("stat")["mean"]
    assert np.isfinite(mean).all()
    assert (mean != without).all()


def test_what_a_version_without_sums_learned_is_refused_in_words(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        sync(instance, workspace)
        materialize(("earlier_seasons",), instance, workspace)
    receipt = workspace.shelf.receipt("earlier")
    assert receipt is not None
    outputs = {name: content for name, content in receipt.outputs.items() if "ridge" not in name}
    monkeypatch.setattr(type(workspace.shelf), "receipt", lambda shelf, name: replace(receipt, outputs=outputs))
    with pytest.raises(PipelineError, match="another version"):
        earlier_sums(workspace)


def test_the_simulated_league_has_no_earlier_seasons(workspace: Workspace) -> None:
    folder = workspace.settings.data.parent
    demo = at(folder, STATMUSE_SOURCE="demo", STATMUSE_DATA=str(folder / "demo"))
    with dg.DagsterInstance.ephemeral() as instance:
        assert materialize(("earlier_seasons",), instance, demo)
        assert earlier_models(demo) == earlier_sums(demo) == {}
        assert set(earlier_models(workspace)) in (set(), set(InformationLevel))
