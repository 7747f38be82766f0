"""The leagues of `leagues.py` and their feature tables, computed once."""

from __future__ import annotations

import pandas as pd
import pytest

from statmuse_pipeline.features.minutes import add_minutes_forecasts
from statmuse_pipeline.features.table import build_features
from statmuse_pipeline_tests.features.leagues import League, made_up_league, real_season


@pytest.fixture(scope="session", params=["made up", "real"])
def league(request: pytest.FixtureRequest) -> League:
    if request.param == "made up":
        return made_up_league()
    return real_season(request.getfixturevalue("archive"))


@pytest.fixture(scope="session")
def small_league() -> League:
    return made_up_league()


@pytest.fixture(scope="session")
def features(league: League) -> pd.DataFrame:
    return add_minutes_forecasts(build_features(*league), seed=3)
