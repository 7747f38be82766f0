"""What the market's lines would add to our means."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from statmuse_pipeline.ablations.market_lines import EVERY_GAME, LEAST_GAMES, QUOTED, measure_market_lines
from statmuse_pipeline.ablations.study import Study
from statmuse_pipeline.ablations.table import by_stat, overview
from statmuse_pipeline.datasets.split import split_by_date
from statmuse_pipeline.domain import InformationLevel, Stat
from statmuse_pipeline.features.minutes import add_minutes_forecasts
from statmuse_pipeline.features.table import build_features
from statmuse_pipeline_tests.features.leagues import made_up_league

PREGAME, TIPOFF = InformationLevel


@pytest.fixture(scope="module")
def study() -> Study:
    parts = split_by_date(add_minutes_forecasts(build_features(*made_up_league(teams=8)), seed=3)).parts()
    rows = pd.concat([parts[name].assign(split=name) for name in ("train", "validation")], ignore_index=True)
    return Study(rows, (Stat.PTS, Stat.REB), seed=3, quick=True, first_fit_rows=2500)


def lines(study: Study, knows: float, level: InformationLevel = PREGAME, hours: float = -3.0) -> pd.DataFrame:
    """Points lines of every game: a share of what is to come, the rest the weighted mean of the player's games."""
    rows = study.rows
    usual = rows["pts_ewm_10"].fillna(rows["pts"].mean())
    tipoff = (rows["game_date"] + pd.Timedelta(hours=24)).dt.tz_localize("UTC")
    line = np.floor(knows * rows["pts"] + (1 - knows) * usual) + 0.5
    return rows[["game_id", "player_id"]].assign(
        stat="PTS", line=line, p_consensus=0.5, sound=True, main_line=True, bookmaker="a", level=level.value,
        moment=tipoff + pd.Timedelta(hours=hours), tipoff_utc=tipoff,
    )  # fmt: skip


def told(study: Study, quotes: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame(measure_market_lines(study, quotes))


def test_lines_that_know_more_than_we_lower_the_error_by_more_where_there_are_some(study: Study) -> None:
    quotes = lines(study, knows=0.3)
    table = told(study, quotes[quotes.index % 2 == 0])
    assert set(table["stat"]) == {"PTS"}
    assert set(table["level"]) == {PREGAME.value, TIPOFF.value}
    for _, own in table.groupby("level"):
        whole, quoted = (own[own["name"] == name].iloc[0] for name in (EVERY_GAME, QUOTED))
        assert quoted["rmse_diff_hi"] < 0
        assert quoted["rmse_diff"] < whole["rmse_diff"] < 0
        assert quoted["rows"] == pytest.approx(whole["rows"] / 2, rel=0.1)
        assert quoted["ladder_brier_diff"] < 0
    assert set(overview(table)["name"]) == set(by_stat(table)["name"]) == {EVERY_GAME, QUOTED}


def test_lines_that_know_nothing_change_nothing(study: Study) -> None:
    noise = lines(study, knows=0.0).assign(line=np.random.default_rng(5).integers(2, 30, len(study.rows)) + 0.5)
    table = told(study, noise)
    assert (table["rmse_diff"].abs() < 0.01 * table["rmse"]).all()


def test_lines_of_after_tipoff_or_of_unsound_books_are_not_looked_at(study: Study) -> None:
    assert told(study, lines(study, knows=1.0, hours=0.5)).empty
    assert told(study, lines(study, knows=1.0).assign(sound=False)).empty


def test_a_forecast_of_before_the_day_is_not_moved_by_lines_of_tipoff(study: Study) -> None:
    table = told(study, lines(study, knows=0.3, level=TIPOFF))
    assert set(table["level"]) == {TIPOFF.value}


def test_the_last_line_counts_and_too_few_are_not_measured(study: Study) -> None:
    early, late = lines(study, knows=0.0, hours=-9), lines(study, knows=0.3, hours=-1)
    both = told(study, pd.concat([late, early], ignore_index=True))
    pd.testing.assert_frame_equal(both, told(study, late))
    assert told(study, late.head(LEAST_GAMES)).empty
