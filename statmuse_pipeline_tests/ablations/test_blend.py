"""Ways to blend are scored beside what is released, each on the same decided quotes."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from statmuse_pipeline.ablations.blend import NO_VIG, WAYS, measure_blend
from statmuse_pipeline.ablations.table import by_stat, overview
from statmuse_pipeline_tests.betting.conftest import simulated_market


@pytest.fixture(scope="module")
def quotes() -> pd.DataFrame:
    return simulated_market(days=200, market_noise=0.35, our_noise=0.05)


@pytest.fixture(scope="module")
def table(quotes) -> pd.DataFrame:
    return pd.DataFrame(measure_blend(quotes, draws=100))


def test_every_way_has_a_row_of_all_quotes_and_one_a_stat(table):
    names = table.groupby("stat")["name"].apply(set).to_dict()
    assert names == {stat: {*WAYS, NO_VIG} for stat in ("all", "FG3M")}
    assert set(table["rows"]) == {table["rows"].iloc[0]}
    assert (table.loc[table["name"] == "released", "crps_diff"] == 0).all()
    assert not table.isna().to_numpy().any()


def test_where_our_forecast_is_sharper_than_the_market_leaving_it_out_costs(table):
    own = table[table["stat"] == "all"].set_index("name")
    for worse in ("consensus alone", NO_VIG):
        assert own.loc[worse, "crps_diff_lo"] > 0
    assert own.loc["tighter priors", "crps"] > own.loc["released", "crps"] > own.loc["wider priors", "crps"]


def test_where_it_is_noise_leaving_it_out_costs_nothing(quotes):
    noise = quotes.assign(p_over=np.random.default_rng(1).uniform(0.2, 0.8, len(quotes)))
    own = pd.DataFrame(measure_blend(noise, draws=100)).query("stat == 'all'").set_index("name")
    assert own.loc["consensus alone", "crps_diff"] < 0.0005


def test_the_tables_for_people_have_them(table):
    assert set(overview(table)["name"]) == {*WAYS, NO_VIG}
    assert set(by_stat(table)["stat"]) == {"FG3M"}


def test_too_few_quotes_are_not_scored(quotes):
    assert measure_blend(quotes.head(300), draws=100) == []
