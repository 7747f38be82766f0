"""From means to forecasts, and the questions that forecasts answer."""

from __future__ import annotations

import time
from collections.abc import Mapping

import numpy as np
import pandas as pd
import pytest

from statmuse_pipeline.calibration.isotonic import IsotonicCalibrator
from statmuse_pipeline.domain import LADDER, InformationLevel, PipelineError, Stat
from statmuse_pipeline.forecasting import Forecasts, make_forecasts
from statmuse_pipeline.modeling.dispersion import DispersionModel

PREGAME, TIPOFF = InformationLevel.PREGAME, InformationLevel.TIPOFF
STATS = (Stat.PTS, Stat.FG3M, Stat.PRA)
WIDTHS: Mapping[Stat, DispersionModel] = {stat: DispersionModel((-2.0, 0.0, 0.0), (0.0, 4.0)) for stat in STATS}
GAMES, PLAYERS = 12, 9


def player_games(games: int = GAMES, players: int = PLAYERS) -> pd.DataFrame:
    number = np.arange(games * players)
    days = pd.Timestamp("2024-11-01") + pd.to_timedelta(number // players, unit="D")
    return pd.DataFrame(
        {
            "season": pd.Series("2024-25", index=number, dtype="str"),
            "game_id": pd.Series([f"00224{game:05d}" for game in number // players], dtype="str"),
            "game_date": days.astype("datetime64[ns]"),
            "player_id": 200 + number % players,
            "split": pd.Series(np.where(number < len(number) // 2, "validation", "test"), dtype="str"),
        }
    )


def means_of(rows: pd.DataFrame, seed: int = 0) -> dict[Stat, np.ndarray]:
    rng = np.random.default_rng(seed)
    return {stat: rng.gamma(4, level / 4, len(rows)) for stat, level in zip(STATS, (14, 1.6, 24), strict=True)}


def both_levels(rows: pd.DataFrame) -> Forecasts:
    parts = [
        make_forecasts(rows, means_of(rows, seed), WIDTHS, level=level) for seed, level in enumerate((TIPOFF, PREGAME))
    ]
    return Forecasts.concat(parts)


@pytest.fixture(scope="module")
def forecasts() -> Forecasts:
    return both_levels(player_games())


def queries_of(forecasts: Forecasts, lines: list[float], seed: int = 4) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    queries = forecasts.frame[["game_id", "player_id", "stat", "level"]].sample(frac=1, random_state=seed)
    return queries.assign(line=rng.choice(lines, len(queries))).reset_index(drop=True)


def test_every_forecast_has_the_models_mean_and_numbers_of_its_distribution(forecasts):
    rows = player_games()
    expected = means_of(rows)
    for stat in STATS:
        frame, distribution = (
            forecasts.select(level=TIPOFF).keys(stat),
            forecasts.select(level=TIPOFF).distributions[stat],
        )
        np.testing.assert_array_equal(frame["mean"], expected[stat])
        np.testing.assert_array_equal(frame["median"], distribution.median())
        for share in (50, 80, 95):
            low, high = distribution.interval(share / 100)
            np.testing.assert_array_equal(frame[[f"lo{share}", f"hi{share}"]], np.column_stack([low, high]))


def test_over_answers_each_query_from_the_distribution_of_its_own_row(forecasts):
    queries = queries_of(forecasts, [-0.5, 0.5, 9, 12.5, 24, 300.5])
    answers, pushes = forecasts.over(queries), forecasts.push(queries)
    for place in range(0, len(queries), 7):
        query = queries.iloc[place]
        one = forecasts.select(level=InformationLevel(query["level"]), stats=[Stat(query["stat"])])
        frame = one.keys(Stat(query["stat"]))
        row = frame.index[(frame["game_id"] == query["game_id"]) & (frame["player_id"] == query["player_id"])]
        distribution = one.distributions[Stat(query["stat"])].take(row)
        assert answers[place] == distribution.over(query["line"])[0]
        assert pushes[place] == distribution.push(query["line"])[0]
        assert forecasts.medians(queries.iloc[[place]])[0] == distribution.median()[0]


@pytest.mark.parametrize(
    "change",
    [{"game_id": "0029999999"}, {"player_id": 999}, {"stat": "REB"}, {"level": "later"}, {"line": np.nan}],
)
def test_a_query_without_forecast_or_line_is_answered_with_nan(forecasts, change):
    queries = queries_of(forecasts, [9.5]).head(5)
    strange = pd.concat([queries.assign(**change), queries], ignore_index=True)
    answers = forecasts.over(strange)
    assert np.isnan(answers[:5]).all()
    np.testing.assert_array_equal(answers[5:], forecasts.over(queries))


def test_a_query_without_its_columns_is_refused(forecasts):
    for name in ("game_id", "level", "line"):
        with pytest.raises(PipelineError, match=name):
            forecasts.over(queries_of(forecasts, [9.5]).drop(columns=name))


def test_a_million_queries_take_less_than_three_seconds():
    large = both_levels(player_games(games=400, players=20))
    queries = large.frame[["game_id", "player_id", "stat", "level"]].sample(1_000_000, replace=True, random_state=0)
    queries = queries.assign(line=np.random.default_rng(0).integers(0, 60, len(queries)) / 2)
    started = time.process_time()
    answers = large.over(queries)
    assert time.process_time() - started < 3
    assert np.isfinite(answers).all()


def test_the_ladder_has_every_fixed_line_and_falls_along_it(forecasts):
    ladder = forecasts.ladder()
    for stat in STATS:
        part = ladder[ladder["stat"] == stat.value]
        assert len(part) == 2 * GAMES * PLAYERS * len(LADDER[stat])
        p = part["p_over"].to_numpy().reshape(-1, len(LADDER[stat]))
        assert tuple(part["line"].iloc[: len(LADDER[stat])]) == LADDER[stat]
        assert (np.diff(p, axis=1) <= 0).all()
    np.testing.assert_array_equal(forecasts.over(ladder), ladder["p_over"])


def test_saved_and_loaded_forecasts_give_the_same_answers(forecasts, tmp_path):
    again = Forecasts.load(forecasts.save(tmp_path / "forecasts.parquet"))
    pd.testing.assert_frame_equal(again.frame, forecasts.frame)
    queries = queries_of(forecasts, [0.5, 9, 12.5, 24, 60.5])
    np.testing.assert_array_equal(again.over(queries), forecasts.over(queries))
    np.testing.assert_array_equal(again.push(queries), forecasts.push(queries))


def test_the_same_forecasts_are_the_same_bytes_and_leave_no_other_file(forecasts, tmp_path):
    one, two = forecasts.save(tmp_path / "a.parquet"), both_levels(player_games()).save(tmp_path / "b.parquet")
    assert one.read_bytes() == two.read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.parquet", "b.parquet"]


def test_what_is_no_forecasts_file_is_refused(forecasts, tmp_path):
    with pytest.raises(PipelineError, match="holds no forecasts"):
        Forecasts.load(tmp_path / "missing.parquet")
    path = forecasts.save(tmp_path / "forecasts.parquet")
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(PipelineError, match="holds no forecasts"):
        Forecasts.load(path)
    forecasts.frame.to_parquet(path)
    with pytest.raises(PipelineError, match="holds no forecasts"):
        Forecasts.load(path)


def test_selecting_and_putting_together_again_changes_no_answer(forecasts):
    parts = [
        forecasts.select(level=level, split=split) for level in (PREGAME, TIPOFF) for split in ("test", "validation")
    ]
    assert [len(part.frame) for part in parts] == [GAMES * PLAYERS * len(STATS) // 2] * 4
    queries = queries_of(forecasts, [0.5, 9.5, 20.5])
    np.testing.assert_array_equal(Forecasts.concat(parts).over(queries), forecasts.over(queries))


def test_a_player_game_cannot_be_forecast_twice_at_one_level(forecasts):
    with pytest.raises(PipelineError, match="breaks its contract"):
        Forecasts.concat([forecasts, forecasts.select(level=TIPOFF, stats=[Stat.PTS])])


def test_a_missing_mean_gives_no_forecast(tmp_path):
    rows = player_games()
    means = means_of(rows)
    means[Stat.PTS][3] = np.nan
    forecasts = make_forecasts(rows, means, WIDTHS, level=TIPOFF)
    assert forecasts.frame["stat"].value_counts().to_dict() == {"FG3M": 108, "PRA": 108, "PTS": 107}
    query = rows.iloc[[3]].assign(level="tipoff", line=4.5)
    assert np.isnan(forecasts.over(query.assign(stat="PTS")))[0]
    assert np.isfinite(forecasts.over(query.assign(stat="PRA")))[0]


def test_the_pooled_calibrator_is_applied_to_all_and_the_players_own_after_it():
    rows = player_games()
    doubtful = IsotonicCalibrator([0, 0.5, 1], [0, 0.4, 1])
    sure = IsotonicCalibrator([0, 0.5, 1], [0, 0.7, 1])
    means = means_of(rows)
    plain = make_forecasts(rows, means, WIDTHS, level=TIPOFF)
    both = make_forecasts(
        rows, means, WIDTHS, level=TIPOFF,
        calibrators={Stat.PTS: doubtful}, player_calibrators={(203, Stat.PTS): sure, (999, Stat.PTS): sure},
    )  # fmt: skip
    queries = plain.frame[["game_id", "player_id", "stat", "level"]].assign(line=14.5)
    before, after = plain.over(queries), both.over(queries)
    points = (queries["stat"] == "PTS").to_numpy()
    own = points & (queries["player_id"] == 203).to_numpy()
    np.testing.assert_allclose(after[points & ~own], doubtful(before[points & ~own]), atol=1e-6)
    np.testing.assert_allclose(after[own], sure(doubtful(before[own])), atol=1e-6)
    np.testing.assert_array_equal(after[~points], before[~points])
    np.testing.assert_array_equal(plain.frame["mean"], both.frame["mean"])


def test_model_and_split_are_taken_from_the_rows_or_given_for_all():
    rows = player_games()
    model = pd.Series(np.where(rows["player_id"] == 200, "player", "prior"), index=rows.index, dtype="str")
    shuffled = rows.sample(frac=1, random_state=0)
    made = make_forecasts(shuffled, means_of(shuffled), WIDTHS, level=PREGAME, model=model[shuffled.index])
    assert set(made.frame.loc[made.frame["model"] == "player", "player_id"]) == {200}
    pd.testing.assert_series_equal(made.keys(Stat.PRA)["split"], shuffled["split"].reset_index(drop=True))
    tonight = make_forecasts(rows.drop(columns="split"), means_of(rows), WIDTHS, level=PREGAME, split="slate")
    assert set(tonight.frame["split"]) == {"slate"}


def test_means_of_another_length_or_without_a_width_are_refused():
    rows = player_games()
    with pytest.raises(PipelineError, match="means have the shape"):
        make_forecasts(rows, {Stat.PTS: np.ones(3)}, WIDTHS, level=TIPOFF)
    with pytest.raises(PipelineError, match="no dispersion for STL"):
        make_forecasts(rows, {Stat.STL: np.ones(len(rows))}, WIDTHS, level=TIPOFF)
    with pytest.raises(PipelineError, match="at least one stat"):
        make_forecasts(rows, {}, WIDTHS, level=TIPOFF)
