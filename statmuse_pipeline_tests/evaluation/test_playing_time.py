"""Scores of playing time, by hand."""

from __future__ import annotations

import pandas as pd
import pytest

from statmuse_pipeline.evaluation.playing_time import (
    BASE_RATE,
    LAST_GAME,
    LAST_GAME_RATE,
    OURS,
    OURS_LISTED,
    score_absences,
    score_minutes,
)


def members() -> pd.DataFrame:
    train = pd.DataFrame({"played": [1, 1, 1, 0, 1, 0, 0, 0], "missed": [0, 0, 0, 0, 2, 1, 3, 4]})
    later = pd.DataFrame({"played": [1, 0], "missed": [0, 1], "p_plays": [0.9, 0.2], "split": "validation"})
    return pd.concat([train.assign(p_plays=0.5, split="train"), later], ignore_index=True)


def test_shares_come_from_train_and_only_what_comes_after_is_scored():
    scores = score_absences(members()).set_index("model")
    assert set(scores["split"]) == {"validation"}
    assert (scores["rows"] == 2).all()
    assert (scores["absent"] == 0.5).all()
    assert scores.loc[BASE_RATE, "brier"] == pytest.approx(0.25)
    assert scores.loc[LAST_GAME, "brier"] == 0.0
    assert scores.loc[LAST_GAME_RATE, "brier"] == pytest.approx(0.25**2)
    assert scores.loc[OURS, "brier"] == pytest.approx((0.1**2 + 0.2**2) / 2)
    assert scores.loc[OURS, "ece"] == pytest.approx((0.1 + 0.2) / 2)
    assert OURS_LISTED not in scores.index


def test_a_second_forecast_is_scored_where_there_is_one():
    scores = score_absences(members().assign(p_plays_listed=[0.5] * 8 + [1.0, 0.0])).set_index("model")
    assert scores.loc[OURS_LISTED, "brier"] == 0.0


def minutes(**changes: object) -> pd.DataFrame:
    rows = pd.DataFrame(
        {
            "split": "test", "level": "tipoff", "expected": [30.0, 20.0, 10.0, 12.0], "min": [32, 10, 12, 3],
            "mean": [31.0, 20.0, 10.0, 12.0], "crps": [1.0, 5.0, 1.0, 4.0], "log_score": [2.0, 4.0, 2.0, 3.0],
            "night": ["normal", "limited", "normal", "limited"], "limited": [0.0, 0.2, 0.2, 0.4], "extended": 0.1,
            **{f"{end}{share}": [x + move for x in (30, 20, 10, 12)]
               for share, width in ((50, 2), (80, 5), (95, 10)) for end, move in (("lo", -width), ("hi", width))},
        }
    )  # fmt: skip
    return rows.assign(**changes)


def test_minutes_are_scored_overall_and_by_role():
    scores = score_minutes(minutes()).set_index("role")
    everyone = scores.loc["everyone"]
    assert everyone["rows"] == 4
    assert everyone["crps"] == pytest.approx(2.75)
    assert everyone["bias"] == pytest.approx((-1 + 10 - 2 + 9) / 4)
    assert [everyone[f"cover{share}"] for share in (50, 80, 95)] == [0.5, 0.5, 1.0]
    assert everyone["limited"] == 0.5
    assert everyone["limited_said"] == pytest.approx(0.2)
    assert everyone["extended"] == 0.0
    assert scores.loc["starter", "crps"] == 1.0
    assert scores.loc["bench", "rows"] == 2


def test_a_role_that_nobody_has_is_left_out():
    assert score_minutes(minutes(expected=30.0))["role"].tolist() == ["everyone", "starter"]
