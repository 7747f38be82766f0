"""What the error is made of, on simulated games whose true split is known."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from statmuse_pipeline.domain import PipelineError, Stat
from statmuse_pipeline.evaluation.error_split import PARTS, KnownMinutes, event_variance, split_error

GAMES = 60_000
MAKES = {"ftm": (1, 0.12), "twos": (2, 0.18), "fg3m": (3, 0.07)}
"""What a make is worth, and how many a minute."""


def simulated(stat: Stat, *, form: float, seed: int = 0, games: int = GAMES) -> tuple[pd.DataFrame, dict[str, float]]:
    """Games forecast with the expected minutes, and the true parts of their mean squared error.

    `form` is the variance of what a player makes of his minutes on a night (gamma, mean 1), known to nobody before.
    """
    rng = np.random.default_rng(seed)
    skill = rng.uniform(0.5, 1.8, games)
    expected = rng.uniform(14, 36, games)
    played = np.clip(expected + rng.normal(0, 5.5, games), 1, 48)
    night = rng.gamma(1 / form, form, games) if form else np.ones(games)
    rates = dict(MAKES) if stat in (Stat.PTS, Stat.PRA) else {}
    rates |= {part.column: (1, 0.15) for part in stat.parts if part is not Stat.PTS}
    box = {name: rng.poisson(rate * skill * played * night) for name, (_, rate) in rates.items()}
    value = {name: worth for name, (worth, _) in rates.items()}
    per_minute = sum(value[name] * rate for name, (_, rate) in rates.items())
    noise = sum(value[name] ** 2 * rate for name, (_, rate) in rates.items()) * skill * played
    frame = pd.DataFrame(box)
    if "twos" in frame:
        frame["fgm"] = frame["twos"] + frame["fg3m"]
    frame = frame.assign(
        game_date=pd.Timestamp("2025-01-01") + pd.to_timedelta(rng.integers(0, 150, games), unit="D"),
        mean=per_minute * skill * expected,
        expected=expected,
        played=played,
        actual=sum(value[name] * frame[name] for name in rates),
    )
    parts = {
        "minutes": float(np.mean((per_minute * skill * (played - expected)) ** 2)),
        "noise": float(np.mean(noise)),
        "rest": float(np.mean((per_minute * skill * played) ** 2) * form),
    }
    return frame.assign(variance=event_variance(frame, stat)), parts


@pytest.mark.parametrize("form", [0.0, 0.08])
@pytest.mark.parametrize("stat", [Stat.PTS, Stat.REB, Stat.PRA])
def test_the_shares_are_those_the_games_were_simulated_with(stat, form):
    learned, _ = simulated(stat, form=form, seed=1)
    games, parts = simulated(stat, form=form, seed=2)
    known = KnownMinutes.fit(learned["mean"], learned["expected"], learned["played"], learned["actual"])
    told, whole = split_error(games, known), sum(parts.values())
    assert told["rows"] == GAMES
    assert told["mse"] == pytest.approx(whole, rel=0.02)
    for name in PARTS:
        assert told[name] == pytest.approx(parts[name] / whole, abs=0.012)
        assert told[f"{name}_lo"] < told[name] < told[f"{name}_hi"]
    assert sum(told[name] for name in PARTS) == pytest.approx(1)


def test_points_that_came_as_single_counts_would_have_another_floor():
    games, parts = simulated(Stat.PTS, form=0.0)
    assert games["variance"].mean() == pytest.approx(parts["noise"], rel=0.02)
    assert games["variance"].mean() > 1.5 * games["actual"].mean()


def test_of_a_box_score_every_make_counts_by_its_square():
    box = pd.DataFrame({"fgm": [9], "fg3m": [4], "ftm": [3], "reb": [7], "ast": [2], "tov": [5]})
    assert event_variance(box, Stat.PTS) == pytest.approx([3 + 4 * 5 + 9 * 4])
    assert event_variance(box, Stat.PRA) == pytest.approx([59 + 7 + 2])
    assert event_variance(box, Stat.TOV) == pytest.approx([5])


def test_games_in_which_the_expected_minutes_were_played_have_no_error_by_minutes():
    learned, _ = simulated(Stat.REB, form=0.05)
    known = KnownMinutes.fit(learned["mean"], learned["expected"], learned["played"], learned["actual"])
    games = learned.assign(expected=learned["played"], mean=learned["mean"] / learned["expected"] * learned["played"])
    assert split_error(games, known)["minutes"] == pytest.approx(0, abs=0.002)


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 10_000), form=st.just(0.0) | st.floats(0.001, 0.3), games=st.integers(60, 400))
def test_the_shares_add_to_one_whatever_came(seed, form, games):
    frame, _ = simulated(Stat.PTS, form=form, seed=seed, games=games)
    known = KnownMinutes.fit(frame["mean"], frame["expected"], frame["played"], frame["actual"])
    told = split_error(frame, known)
    assert sum(told[name] for name in PARTS) == pytest.approx(1)
    # Learned on these very games, the correction can only help.
    assert told["minutes"] >= -1e-9


def test_a_handful_of_games_tells_nothing_about_minutes():
    frame, _ = simulated(Stat.REB, form=0.0, games=20)
    with pytest.raises(PipelineError, match="50 games or more"):
        KnownMinutes.fit(frame["mean"], frame["expected"], frame["played"], frame["actual"])


def test_in_real_games_most_of_the_error_in_points_is_noise_and_a_quarter_or_more_is_minutes(archive):
    logs = pd.read_parquet(archive / "game_logs" / "2023-24.parquet").rename(columns=str.lower)
    logs = logs.sort_values(["player_id", "game_date", "game_id"], ignore_index=True)
    before = logs.groupby("player_id")[["pts", "min"]].transform(lambda own: own.ewm(alpha=0.1).mean().shift(1))
    games = logs.assign(
        mean=before["pts"],
        expected=before["min"],
        played=logs["min"],
        actual=logs["pts"],
        variance=event_variance(logs, Stat.PTS),
        game_date=pd.to_datetime(logs["game_date"]),
    )
    games = games[(games["min"] > 0) & (games.groupby("player_id").cumcount() >= 10)].dropna(subset=["mean"])
    half = games["game_date"] < "2024-01-15"
    first, second = games[half], games[~half]
    known = KnownMinutes.fit(first["mean"], first["expected"], first["played"], first["actual"])
    told = split_error(second, known)
    assert told["rows"] > 10_000
    assert 0.55 < told["noise"] < 0.75
    assert 0.25 < told["minutes"] < 0.45
    assert sum(told[name] for name in PARTS) == pytest.approx(1)
