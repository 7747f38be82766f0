"""Playing time in the finished project: fitted once, scored beside the rest, and shown in the report."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from statmuse_pipeline.defs.evaluation import read_metrics
from statmuse_pipeline.defs.playing import PLAYING, fit_playing_time, read_playing_models
from statmuse_pipeline.defs.resources import Workspace
from statmuse_pipeline.defs.training import dataset_facts
from statmuse_pipeline.domain import InformationLevel
from statmuse_pipeline.evaluation.playing_time import LAST_GAME_RATE, OURS
from statmuse_pipeline.settings import load_settings


@pytest.fixture(scope="module")
def workspace(finished) -> Workspace:
    environment = finished[0].environment
    names = {name: value for name, value in environment.items() if name.isupper() and "STATMUSE" in name}
    return Workspace(settings=load_settings(**{**names, "SEASONS": environment["SEASONS"]}))


def test_nothing_is_fitted_again_while_nothing_changed(workspace):
    def no_rows() -> pd.DataFrame:
        raise AssertionError("The dataset was read again.")

    before = workspace.shelf.receipt(PLAYING)
    assert fit_playing_time(workspace, dataset_facts(workspace), no_rows) == before


def test_the_models_of_tonight_can_be_read_and_know_no_transactions_where_there_are_none(workspace):
    models = read_playing_models(workspace)
    assert models.listed is None
    assert set(models.shapes) == set(InformationLevel)


def test_validation_and_test_are_scored_each_by_name(workspace):
    absences = read_metrics(workspace, "absences")
    assert set(absences["split"]) == {"validation", "test"}
    brier = absences.pivot_table(index="split", columns="model", values="brier")
    assert (brier[OURS] < brier[LAST_GAME_RATE]).all()
    assert absences["ece"].notna().all()
    minutes = read_metrics(workspace, "minutes")
    everyone = minutes[minutes["role"] == "everyone"]
    assert len(everyone) == 4
    for held in (50, 80, 95):
        np.testing.assert_allclose(everyone[f"cover{held}"], held / 100, atol=0.08)
    assert set(minutes["role"]) >= {"everyone", "starter", "rotation"}


def test_the_report_shows_both_tables(workspace):
    page = (workspace.reports / "index.html").read_text()
    assert "Probability of not playing" in page
    assert "Minutes of those who play" in page
