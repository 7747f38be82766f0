from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from statmuse_pipeline.domain import LADDER, PipelineError, Stat
from statmuse_pipeline.evaluation import scores
from statmuse_pipeline.evaluation.scores import LineSet
from statmuse_pipeline_tests.evaluation.small_league import SmallLeague, features_of
from statmuse_pipeline_tests.oracles import scores_plain as plain

probabilities = hnp.arrays(np.float64, st.integers(1, 60), elements=st.floats(0, 1))


@pytest.fixture(scope="module")
def happened(league: SmallLeague) -> pd.DataFrame:
    return scores.outcomes(league.features)


@pytest.fixture(scope="module")
def known(league: SmallLeague) -> dict:
    return plain.truth(league.logs.to_dict("records"))


def test_the_rows_that_count_are_those_of_the_plain_oracle(happened: pd.DataFrame, known: dict) -> None:
    rows = scores.counted(happened[list(scores.KEY)], happened)
    assert {(r.game_id, r.player_id, r.stat) for r in rows.itertuples()} == set(known)
    for row in rows.itertuples():
        assert row.baseline == pytest.approx(known[row.game_id, row.player_id, row.stat]["baseline"])


def test_the_baseline_errs_on_the_real_archive_as_the_design_measured(archive: Path) -> None:
    seasons = [
        pd.read_parquet(path).assign(SEASON=path.stem) for path in sorted((archive / "game_logs").glob("*.parquet"))
    ]
    logs = pd.concat(seasons, ignore_index=True).assign(GAME_DATE=lambda d: pd.to_datetime(d["GAME_DATE"]))
    features = features_of(logs.drop(columns=["SEASON_ID"]))
    happened = scores.outcomes(features[features["game_date"] >= "2025-01-01"])
    table = scores.score_means(happened.assign(mean=happened["baseline"]), happened, intervals=False).set_index("stat")
    assert set(table["rows"]) == {15476}
    assert (table["rmse_ratio"] == 1).all()
    measured = {"PTS": 4.679, "REB": 1.965, "AST": 1.369, "FG3M": 0.901, "PRA": 6.219}
    assert table["mae"].loc[list(measured)].round(3).to_dict() == measured


def test_outcomes_leave_out_games_still_to_be_played(league: SmallLeague) -> None:
    ahead = league.features.assign(**{s.column: league.features[s.column].astype(float) for s in Stat})
    ahead.loc[ahead.index[-5:], [s.column for s in Stat]] = np.nan
    assert len(scores.outcomes(ahead)) == len(Stat) * (len(ahead) - 5)


def test_mean_scores_agree_with_the_plain_oracle(league: SmallLeague, happened: pd.DataFrame, known: dict) -> None:
    table = scores.score_means(league.forecasts, happened).set_index("stat")
    assert list(table.index) == [stat.value for stat in Stat]
    for stat in Stat:
        rows = league.forecasts[league.forecasts["stat"] == stat].to_dict("records")
        for name, value in plain.forecast_scores(plain.met(rows, known)).items():
            assert table.loc[stat, name] == pytest.approx(value), (stat, name)
        assert table.loc[stat, "coverage"] == 1.0


def test_coverage_tells_which_share_of_the_outcomes_has_a_forecast(league: SmallLeague, happened: pd.DataFrame) -> None:
    half = league.forecasts[league.forecasts["player_id"] < 106]
    rows = scores.counted(happened[list(scores.KEY)], happened)
    expected = (rows["player_id"] < 106).mean()
    assert scores.score_means(half, happened)["coverage"].iloc[0] == pytest.approx(expected)


def test_the_rmse_ratio_interval_agrees_with_a_plain_bootstrap(
    league: SmallLeague, happened: pd.DataFrame, known: dict
) -> None:
    row = scores.score_means(league.forecasts, happened).set_index("stat").loc["PTS"]
    points = league.forecasts[league.forecasts["stat"] == "PTS"].to_dict("records")
    rows = plain.met(points, known)
    low, high = plain.ratio_interval(
        [(r["mean"] - r["y"]) ** 2 for r in rows],
        [(r["baseline"] - r["y"]) ** 2 for r in rows],
        [r["date"] for r in rows],
    )
    assert row["rmse_ratio_lo"] == pytest.approx(low**0.5, abs=0.004)
    assert row["rmse_ratio_hi"] == pytest.approx(high**0.5, abs=0.004)
    assert row["rmse_ratio_lo"] < row["rmse_ratio"] < row["rmse_ratio_hi"]


def test_ladder_scores_agree_with_the_plain_oracle(league: SmallLeague, happened: pd.DataFrame, known: dict) -> None:
    extra = league.ladder.assign(line=league.ladder["line"] + 1)
    both = pd.concat([league.ladder, extra], ignore_index=True)
    table = scores.score_probabilities(both, happened, line_set=LineSet.LADDER).set_index("stat")
    # Shifted FG3M, STL, BLK and TOV lines fall on rungs again and count twice; the others are no rungs.
    rows = plain.on_ladder(plain.met(both.to_dict("records"), known))
    for stat in [*Stat, "all"]:
        expected = plain.probability_scores([r for r in rows if stat in (r["stat"], "all")])
        for name, value in expected.items():
            assert table.loc[stat, name] == pytest.approx(value), (stat, name)
    assert set(table["line_set"]) == {"ladder"}


def test_a_distribution_scores_the_same_as_its_probabilities(league: SmallLeague, happened: pd.DataFrame) -> None:
    table = scores.score_probabilities(league.ladder, happened, line_set=LineSet.LADDER).set_index("stat")
    for stat in Stat:
        keys = league.forecasts[league.forecasts["stat"] == stat][["game_id", "player_id"]]
        whole = scores.score_distribution(keys, league.survival[stat], stat, happened)
        assert whole["rows"] * len(LADDER[stat]) == table.loc[stat, "rows"]
        for name in ("brier", "ece", "log_loss"):
            assert whole[f"ladder_{name}"] == pytest.approx(table.loc[stat, name])


def test_the_pairs_for_a_diagram_are_those_of_the_plain_oracle(
    league: SmallLeague, happened: pd.DataFrame, known: dict
) -> None:
    keys = league.forecasts[league.forecasts["stat"] == "AST"][["game_id", "player_id"]]
    p, y = scores.ladder_pairs(keys, league.survival[Stat.AST], Stat.AST, happened)
    rows = plain.met(league.ladder[league.ladder["stat"] == "AST"].to_dict("records"), known)
    expected = sorted((r["p_over"], float(r["y"] > r["line"])) for r in rows)
    assert sorted(zip(p.tolist(), y.tolist(), strict=True)) == expected


def test_a_distribution_that_meets_no_outcome_has_no_score(league: SmallLeague, happened: pd.DataFrame) -> None:
    keys = pd.DataFrame({"game_id": ["0099900001"], "player_id": [1]})
    whole = scores.score_distribution(keys, league.survival[Stat.PTS][:1], Stat.PTS, happened)
    assert whole["rows"] == 0
    assert np.isnan(whole["ladder_brier"])


def test_the_headline_weighs_every_stat_the_same_and_pools_the_lines(
    league: SmallLeague, happened: pd.DataFrame
) -> None:
    means = scores.score_means(league.forecasts, happened)
    ladder = scores.score_probabilities(league.ladder, happened, line_set=LineSet.LADDER)
    headline = scores.overall_scores(means, ladder)
    assert headline["rmse_ratio"] == pytest.approx(means["rmse_ratio"].sum() / len(Stat))
    stats = ladder[ladder["stat"] != "all"]
    assert headline["ladder_brier"] == pytest.approx(np.average(stats["brier"], weights=stats["rows"]))


def test_season_lines_are_the_floor_of_the_average_before_the_game_and_a_half(
    league: SmallLeague, happened: pd.DataFrame
) -> None:
    queries = scores.season_line_queries(happened)
    game = league.features[(league.features["player_id"] == 103) & (league.features["min"] > 0)].sort_values(
        ["game_date", "game_id"]
    )
    asked = queries[(queries["player_id"] == 103) & (queries["stat"] == "PTS")].set_index("game_id")["line"]
    averages = [game["pts"].to_numpy()[:k].mean() for k in range(1, len(game))]
    assert game["game_id"].iloc[0] not in asked.index
    for game_id, average in zip(game["game_id"].iloc[1:], averages, strict=True):
        assert asked[game_id] == int(average) + 0.5


def test_the_season_line_brier_of_a_distribution_is_that_of_its_queries(
    league: SmallLeague, happened: pd.DataFrame, known: dict
) -> None:
    forecast = league.forecasts[league.forecasts["stat"] == "REB"].reset_index(drop=True)
    place = {(r.game_id, r.player_id): i for i, r in enumerate(forecast.itertuples())}
    queries = scores.season_line_queries(happened[happened["stat"] == "REB"])
    asked = [
        {**q, "p_over": league.survival[Stat.REB][place[q["game_id"], q["player_id"]], int(q["line"])]}
        for q in queries.to_dict("records")
    ]
    expected = plain.probability_scores(plain.met(asked, known))["brier"]
    whole = scores.score_distribution(forecast, league.survival[Stat.REB], Stat.REB, happened)
    assert whole["season_brier"] == pytest.approx(expected)
    table = scores.score_probabilities(pd.DataFrame(asked), happened, line_set=LineSet.SEASON)
    assert table.set_index("stat").loc["REB", "brier"] == pytest.approx(expected)
    assert set(table["line_set"]) == {"season line"}


@given(st.floats(0.05, 0.95), st.integers(0, 12))
def test_crps_is_the_integral_of_the_squared_gap_to_the_step(rate: float, y: int) -> None:
    survival = rate ** np.arange(1, 14)
    assert scores.crps(survival[None, :], [y])[0] == pytest.approx(plain.crps_by_integral(survival, y, 20), abs=1e-9)


def test_crps_of_a_certain_forecast_is_its_absolute_error() -> None:
    certain_of_four = (np.arange(20) < 4).astype(float)[None, :].repeat(3, axis=0)
    assert scores.crps(certain_of_four, [4, 1, 9]).tolist() == [0, 3, 5]


@given(probabilities, st.integers(0, 2**31))
def test_ece_agrees_with_the_plain_oracle_and_stays_in_the_unit_interval(p: np.ndarray, seed: int) -> None:
    y = (np.random.default_rng(seed).random(len(p)) < 0.4).astype(float)
    value = scores.ece(p, y)
    assert value == pytest.approx(plain.calibration_error(list(zip(p, y, strict=True))))
    assert 0 <= value <= 1


@given(probabilities)
def test_perfect_certainty_scores_zero(p: np.ndarray) -> None:
    y = (p > 0.5).astype(float)
    assert scores.brier(y, y) == 0
    assert scores.ece(y, y) == 0
    assert scores.log_loss(y, y) == pytest.approx(0, abs=1e-9)


def test_families_are_compared_on_rows_where_each_has_a_forecast(league: SmallLeague, happened: pd.DataFrame) -> None:
    means = league.forecasts[["game_id", "player_id", "stat"]].assign(
        prior=league.forecasts["mean"], xgboost=league.forecasts["mean"] + 1, stacking=np.nan
    )
    means.loc[means["player_id"] == 100, "xgboost"] = np.nan
    table = scores.score_families(means, happened)
    assert table["model"].tolist() == ["prior", "xgboost"] * len(Stat)
    assert (table.groupby("stat")["rows"].max() == table.groupby("stat")["rows"].min()).all()
    bias = table.pivot_table(index="stat", columns="model", values="bias")
    assert np.allclose(bias["xgboost"] - bias["prior"], 1)


def test_two_levels_at_once_are_refused(league: SmallLeague, happened: pd.DataFrame) -> None:
    both = pd.concat([league.forecasts, league.forecasts.assign(level="pregame")])
    with pytest.raises(PipelineError, match="one level at a time"):
        scores.score_means(both, happened)
    table = scores.score_means(both, happened, by=("stat", "level"))
    assert len(table) == 2 * len(Stat)


def test_a_missing_probability_is_refused_with_its_place(league: SmallLeague, happened: pd.DataFrame) -> None:
    broken = league.ladder.copy()
    last = broken[broken["game_id"] == broken["game_id"].max()].index[0]
    broken.loc[last, "p_over"] = np.nan
    with pytest.raises(PipelineError, match=broken.loc[last, "game_id"]):
        scores.score_probabilities(broken, happened, line_set=LineSet.LADDER)


def test_forecasts_that_meet_no_outcome_are_an_error(league: SmallLeague, happened: pd.DataFrame) -> None:
    with pytest.raises(PipelineError, match="No forecast meets an outcome"):
        scores.score_means(league.forecasts.assign(player_id=1), happened)


def test_the_interval_by_date_is_the_same_for_the_same_seed_and_moves_with_another() -> None:
    generator = np.random.default_rng(1)
    value, dates = generator.normal(size=400), np.repeat(np.arange(40), 10)
    first = scores.interval_by_date(value, np.ones(400), dates)
    assert first == scores.interval_by_date(value, np.ones(400), dates)
    assert first != scores.interval_by_date(value, np.ones(400), dates, seed=1)


def test_rows_of_one_date_do_not_make_the_interval_narrower() -> None:
    """Ten copies of every row on its own date say nothing new."""
    generator = np.random.default_rng(2)
    value, dates = generator.normal(size=60), np.arange(60)
    once = scores.interval_by_date(value, np.ones(60), dates)
    tenfold = scores.interval_by_date(np.repeat(value, 10), np.ones(600), np.repeat(dates, 10))
    assert tenfold == pytest.approx(once)
