"""Choices about who plays and how long, scored on validation against what is released."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import xgboost as xgb
from scipy import stats

from statmuse_pipeline.domain import EXPECTED_MINUTES, MINIMUM_HISTORY, InformationLevel
from statmuse_pipeline.evaluation.paired import DateBootstrap, GameScores
from statmuse_pipeline.modeling.absence import AbsenceModel
from statmuse_pipeline.modeling.distribution import CountDistribution
from statmuse_pipeline.modeling.playing_time import LONGEST, UNSETTLED, MinutesShape

MINUTES, ABSENT = "MIN", "did not play"
"""What stands in the column `stat`."""

MINUTE_LINES = tuple(np.arange(4.5, 45.0, 5.0).tolist())
"""Lines on which minutes are scored."""

BLOCKS: Mapping[str, tuple[str, ...]] = {
    "no share of absences": ("share_30d", "absent_30", "absent_10", "absent_03", "games_on_roster"),
    "no second nights": ("second_night", "second_night_habit", "rest_days", "games_4d"),
    "no last minutes": ("quick_min", "slow_min", "last_min", "longest_5"),
    "no team mates": ("rank", "rank_healthy", "healthy", "healthy_min"),
    "no season phase": ("season_game", "opening", "late", "late_losing", "strength"),
}
"""Columns that a forecast of absences is left without."""

_KNOTS = (0.025, 0.1, 0.25, 0.4, 0.5, 0.6, 0.75, 0.9, 0.975)

Floats = npt.NDArray[np.float64]
Rows = list[dict[str, Any]]
Forecaster = Callable[[pd.DataFrame], CountDistribution]


def measure_minutes(rows: pd.DataFrame, seed: int, draws: int) -> Rows:
    """Ways to spread minutes round those expected, learned on train.

    Args:
        rows: `min`, games_before, game_date, split (train and validation), expected minutes and UNSETTLED.
        seed: of the fits.
        draws: of dates.

    Returns:
        Rows of the ablation table, stat MINUTES; those of each level are compared with that level's.
    """
    counted = (rows["min"] > 0) & (rows["games_before"] >= MINIMUM_HISTORY)
    judged = rows[counted & (rows["split"] == "validation")]
    train = rows[rows["split"] == "train"]
    bootstrap = DateBootstrap(judged["game_date"], draws=draws)
    table: Rows = []
    for level in InformationLevel:
        learn = train[(train["min"] > 0) & train[EXPECTED_MINUTES[level]].notna()]
        shape = MinutesShape.fit(learn, level, seed)
        ways: dict[str, tuple[str, Forecaster]] = {
            "released": ("nothing", shape.distribution),
            "short nights shared out": ("what lies below one minute is shared out over all longer nights",
                                        _shared_out(shape)),
            "one width by expected minutes": ("no trees on how settled he is", _one_width(learn, level, seed)),
            "normal": ("a normal distribution, its width by expected minutes", _normal(learn, level)),
            "quantile trees": ("quantiles of the residual by trees, straight between them",
                               _quantile_trees(learn, level, seed)),
        }  # fmt: skip
        actual = judged["min"].to_numpy(np.float64)
        scores: dict[str, GameScores] = {}
        for name, (changed, forecaster) in ways.items():
            minutes = forecaster(judged)
            scores[name] = GameScores.of(minutes.mean(), minutes.survival, actual, MINUTE_LINES)
            told = {"group": "minutes' shape", "name": name, "changed": changed, "level": level.value}
            table.append(_row(told, MINUTES, scores[name], scores["released"], bootstrap))
    return table


def measure_absences(
    members: pd.DataFrame, columns: Sequence[str], listed: str | None, seed: int, draws: int, *, quick: bool
) -> Rows:
    """Ways to tell who does not play, learned on train.

    Args:
        members: `columns`, played, missed, usual_min, game_date and split, of members who have played before.
        columns: what the released model reads.
        listed: the column of injury transactions, which the released model reads too; None where there are none.
        seed: of the fits.
        draws: of dates.
        quick: without the logistic regression, which takes long.

    Returns:
        Rows of the ablation table, stat ABSENT: `crps` and `ladder_brier` are both the Brier score.
    """
    train, judged = (members[members["split"] == split] for split in ("train", "validation"))
    bootstrap = DateBootstrap(judged["game_date"], draws=draws)
    known = [*columns, listed] if listed else list(columns)

    def trees(names: Sequence[str]) -> Floats:
        return 1.0 - AbsenceModel.fit(train, names, seed).p_plays(judged)

    ways: dict[str, tuple[str, Callable[[], Floats]]] = {"released": ("nothing", lambda: trees(known))}
    if listed:
        ways["no injury transactions"] = ("box scores alone", lambda: trees(columns))
    for name, block in BLOCKS.items():
        kept = [column for column in known if column not in block]
        ways[name] = (f"without {', '.join(block)}", lambda kept=kept: trees(kept))  # type: ignore[misc]
    ways["last game"] = ("the share of those who played or missed the team's last game", lambda: _last(train, judged))
    if not quick:
        ways["logistic regression"] = ("on linear splines of the columns", lambda: _logistic(train, judged, known))
    absent = 1.0 - judged["played"].to_numpy(np.float64)
    scores: dict[str, GameScores] = {}
    table: Rows = []
    for name, (changed, forecast) in ways.items():
        p = forecast()
        scores[name] = GameScores.of(p, p[:, None], absent, [0.5])
        told = {"group": "who plays", "name": name, "changed": changed, "level": InformationLevel.PREGAME.value}
        table.append(_row(told, ABSENT, scores[name], scores["released"], bootstrap))
    return table


def _row(
    told: Mapping[str, str], stat: str, one: GameScores, base: GameScores, bootstrap: DateBootstrap
) -> dict[str, Any]:
    return {**told, "stat": stat, **one.summary(), **bootstrap.differences(one, base)}


def _shared_out(shape: MinutesShape) -> Forecaster:
    return lambda frame: _given_he_plays(shape.held(frame))


def _one_width(learn: pd.DataFrame, level: InformationLevel, seed: int) -> Forecaster:
    nothing = dict.fromkeys(UNSETTLED, 0.0)
    shape = MinutesShape.fit(learn.assign(**nothing), level, seed)
    return lambda frame: shape.distribution(frame.assign(**nothing))


def _normal(learn: pd.DataFrame, level: InformationLevel) -> Forecaster:
    """Mean squared residuals of twelve cells of expected minutes, straight between them."""
    expected = learn[EXPECTED_MINUTES[level]].to_numpy(np.float64)
    squared = (learn["min"].to_numpy(np.float64) - expected) ** 2
    parts = np.array_split(np.argsort(expected, kind="stable"), 12)
    centres, widths = ([values[part].mean() for part in parts] for values in (expected, squared))

    def forecast(frame: pd.DataFrame) -> CountDistribution:
        mean = frame[EXPECTED_MINUTES[level]].to_numpy(np.float64)
        width = np.sqrt(np.interp(mean, centres, widths))
        return _given_he_plays(stats.norm.cdf((_upper_ends() - mean[:, None]) / width[:, None]))

    return forecast


def _quantile_trees(learn: pd.DataFrame, level: InformationLevel, seed: int) -> Forecaster:
    names = [EXPECTED_MINUTES[level], *UNSETTLED]
    residual = (learn["min"] - learn[EXPECTED_MINUTES[level]]).to_numpy(np.float32)
    data = xgb.QuantileDMatrix(learn[names].to_numpy(np.float32), label=residual, max_bin=48, nthread=1)
    parameters = {
        "objective": "reg:quantileerror", "quantile_alpha": np.array(_KNOTS), "tree_method": "hist", "max_bin": 48,
        "max_depth": 4, "eta": 0.1, "min_child_weight": 60, "subsample": 0.8, "colsample_bytree": 0.6, "lambda": 5.0,
        "nthread": 1, "seed": seed, "verbosity": 0,
    }  # fmt: skip
    booster = xgb.train(parameters, data, 60)
    shares = np.r_[0.0005, _KNOTS, 0.9999]

    def forecast(frame: pd.DataFrame) -> CountDistribution:
        mean = frame[EXPECTED_MINUTES[level]].to_numpy(np.float64)[:, None]
        inside = np.sort(booster.inplace_predict(frame[names].to_numpy(np.float32)).astype(np.float64), axis=1) + mean
        ends = np.minimum(inside[:, :1] - 12, 0.4), np.maximum(inside[:, -1:] + 8, LONGEST + 0.6)
        places = np.hstack([ends[0], inside, ends[1]])
        return _given_he_plays(np.array([np.interp(_upper_ends(), own, shares) for own in places]))

    return forecast


def _upper_ends() -> Floats:
    return np.arange(0.5, LONGEST + 1)


def _given_he_plays(held: Floats) -> CountDistribution:
    survival = np.clip((1.0 - held) / (1.0 - np.minimum(held[:, :1], 0.99)), 0.0, 1.0)
    survival[:, -1] = 0.0
    return CountDistribution(np.minimum.accumulate(survival, axis=1))


def _last(train: pd.DataFrame, judged: pd.DataFrame) -> Floats:
    absent = 1.0 - train["played"].astype("float64")
    share = absent.groupby(train["missed"] > 0).mean()
    rates = share.reindex([False, True]).fillna(absent.mean()).to_numpy(np.float64)
    return np.where(judged["missed"] > 0, rates[1], rates[0])


def _logistic(train: pd.DataFrame, judged: pd.DataFrame, columns: Sequence[str]) -> Floats:
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import SplineTransformer

    model = make_pipeline(
        SimpleImputer(strategy="median"), SplineTransformer(4, degree=1, knots="quantile"),
        LogisticRegression(C=1.0, max_iter=200),
    )  # fmt: skip
    names = list(columns)
    model.fit(train[names].to_numpy(np.float64), 1 - train["played"].to_numpy(np.int64))
    return np.asarray(model.predict_proba(judged[names].to_numpy(np.float64))[:, 1])
