"""P(plays): learned from those who did not, calibrated on later games, and moved by an injury report."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from statmuse_pipeline.domain import PipelineError
from statmuse_pipeline.evaluation.scores import brier, ece
from statmuse_pipeline.features.roster import ROSTER_COLUMNS, roster_features
from statmuse_pipeline.modeling.absence import FILES, AbsenceModel
from statmuse_pipeline_tests.features.leagues import real_season

COLUMNS = ("missed", "usual_min")


def members(rows: int = 3000, seed: int = 7) -> pd.DataFrame:
    """Who plays 0 to 40 minutes and missed 0 to 3 games: plays with 0.95, 0.5, 0.3 or 0.2."""
    rng = np.random.default_rng(seed)
    missed = rng.integers(0, 4, rows)
    table = pd.DataFrame({"missed": missed, "usual_min": rng.uniform(1, 40, rows)}, dtype="float32")
    return table.assign(played=(rng.random(rows) < np.array([0.95, 0.5, 0.3, 0.2])[missed]).astype("float32"))


@pytest.fixture(scope="module")
def model() -> AbsenceModel:
    return AbsenceModel.fit(members(), COLUMNS, seed=1)


def test_it_learns_how_often_one_plays_who_missed_so_many_games(model: AbsenceModel) -> None:
    later = members(seed=8)
    said = model.p_plays(later)
    for missed, share in enumerate((0.95, 0.5, 0.3, 0.2)):
        assert said[later["missed"] == missed].mean() == pytest.approx(share, abs=0.05)


def test_what_was_stored_says_the_same_and_the_same_rows_give_the_same_bytes(model: AbsenceModel) -> None:
    files = model.to_bytes()
    again = AbsenceModel.from_bytes(files)
    np.testing.assert_array_equal(again.p_plays(members()), model.p_plays(members()))
    assert (again.fit_minutes, again.fit_plays) == (model.fit_minutes, model.fit_plays)
    assert AbsenceModel.fit(members(), COLUMNS, seed=1).to_bytes() == files


def test_a_file_that_is_no_model_is_refused(model: AbsenceModel) -> None:
    with pytest.raises(PipelineError, match="no model of absences"):
        AbsenceModel.from_bytes({**model.to_bytes(), FILES[1]: b"{}"})


def test_too_few_members_teach_nothing() -> None:
    with pytest.raises(PipelineError, match="Only 99 members"):
        AbsenceModel.fit(members(99), COLUMNS, seed=1)


def test_nothing_is_said_of_a_player_who_never_played(model: AbsenceModel) -> None:
    new = members(2).assign(usual_min=[np.nan, 20.0])
    assert np.isnan(model.p_plays(new)).tolist() == [True, False]
    assert model.with_reports(model.p_plays(new), ["Out", "Unknown"], new["usual_min"])[0] == 0.0


def test_a_report_has_the_last_word(model: AbsenceModel) -> None:
    usual = np.full(6, 30.0)
    words = ["Out", "Doubtful", "Questionable", "Probable", "Available", "Unknown"]
    said = model.with_reports(np.full(6, 0.2), words, usual)
    fit = np.interp(30.0, model.fit_minutes, model.fit_plays)
    assert fit > 0.9
    np.testing.assert_allclose(said, [0.0, 0.25 * fit, 0.5 * fit, 0.75 * fit, fit, 0.2])


def test_a_reserve_who_is_available_may_still_sit(model: AbsenceModel) -> None:
    assert model.with_reports([0.2], ["Available"], [6.0])[0] == 0.2


def test_on_a_real_season_it_beats_the_last_game_and_is_calibrated(archive: Path) -> None:
    league = real_season(archive)
    table = roster_features(league.player_games, league.players).dropna(subset=["usual_min"])
    cut = pd.Timestamp("2024-02-01")
    early, late = table[table["game_date"] < cut], table[table["game_date"] >= cut]
    said = 1 - AbsenceModel.fit(early, ROSTER_COLUMNS, seed=1).p_plays(late)
    absent = 1 - late["played"].to_numpy(float)
    gone = late["missed"].to_numpy() > 0
    rates = [1 - early.loc[(early["missed"] > 0) == kind, "played"].mean() for kind in (False, True)]
    assert brier(said, absent) < 0.9 * brier(np.where(gone, rates[1], rates[0]), absent)
    assert brier(said, absent) < 0.6 * absent.mean() * (1 - absent.mean())
    assert ece(said, absent) < 0.025
