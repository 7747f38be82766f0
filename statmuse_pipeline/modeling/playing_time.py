"""How long a player plays: the distribution of whole minutes round those expected, and what kind of night it is.

The minutes expected are a mean given that he takes part. Round it the result spreads the wider the less settled the
player's role is, and not evenly: an early exit costs more minutes than an overtime gives. So a small model of trees
learns how far results lay from what was expected, and the shape is what remains of earlier games once that is divided
away, by expected minutes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
import xgboost as xgb
from scipy import special

from statmuse_pipeline.domain import COVERAGES, EXPECTED_MINUTES, InformationLevel, PipelineError
from statmuse_pipeline.modeling.distribution import CountDistribution

Floats = npt.NDArray[np.float64]

LONGEST = 53
"""Minutes of a game with one overtime; what lies above, in a game of several, is put there."""

LIMITED_SHARE = 0.6
"""Fewer than this share of his usual minutes is a limited night: an early exit, a restriction, or a benching."""

EXTENDED_MINUTES = 6
"""At least so many minutes (half a quarter) above the usual are an extended night: overtime, or a bigger part."""

USUAL = "min_ewm_10"
"""The usual minutes: exponentially weighted mean over his earlier games, newest 0.1."""

CLASSES = ("did_not_play", "limited", "normal", "extended")

UNSETTLED = (
    USUAL, "min_ewm_03", "min_std_10", "games_since_return", "starter_ewm_25", "games_with_team", "share_of_games_30d",
    "min_last", "games_before", "games_missed", "blowout_risk",
)  # fmt: skip
"""Pregame features that tell how far the result may lie from what is expected, beside the expected minutes."""

FIRST_ROWS = 100
CELLS, ROWS_A_CELL = 20, 150
"""Cells of expected minutes, as many rows in each; fewer where there are too few rows."""

GRID = np.linspace(-7.0, 7.0, 141)
"""Residuals in units of their expected size."""

BANDWIDTH = 0.7
"""Minutes over which each earlier residual is spread: minutes are whole, expectations are not."""

ROUNDS = 40
_PARAMETERS = {
    "objective": "reg:gamma", "tree_method": "hist", "max_bin": 48, "max_depth": 4, "eta": 0.15,
    "min_child_weight": 60, "subsample": 0.8, "colsample_bytree": 0.6, "lambda": 5.0, "nthread": 1, "verbosity": 0,
}  # fmt: skip
_SMALLEST_SIZE = 0.5

FILES = ("playing-time.ubj", "playing-time.json")


@dataclass(frozen=True)
class MinutesShape:
    """Distribution of whole minutes given that the player takes part.

    Attributes:
        level: of the expected minutes that it is put round.
        booster: expected size of the residual (mean absolute), in minutes.
        centres: [c] expected minutes of the cells, rising.
        cdf: [c, g] share of earlier residuals at or below each value of GRID.
    """

    level: InformationLevel
    booster: xgb.Booster
    centres: Floats
    cdf: Floats

    @classmethod
    def fit(cls, features: pd.DataFrame, level: InformationLevel, seed: int) -> MinutesShape:
        """Fit on rows with MIN > 0 and expected minutes that did not know them (walk-forward).

        Args:
            features: `min`, the expected minutes of the level and UNSETTLED.
            level: of the information.
            seed: of the draws of rows and columns.

        Raises:
            PipelineError: when fewer than FIRST_ROWS rows can be learned from.
        """
        rows = features[(features["min"] > 0) & features[EXPECTED_MINUTES[level]].notna()]
        if len(rows) < FIRST_ROWS:
            raise PipelineError(f"Only {len(rows)} player-games to learn minutes from: load at least {FIRST_ROWS}.")
        # Before the first fit of the expected minutes the moving average stands for them: its errors are wider.
        forecast = rows[EXPECTED_MINUTES[level]].to_numpy(np.float32) != rows[USUAL].to_numpy(np.float32)
        if forecast.sum() >= FIRST_ROWS:
            rows = rows[forecast]
        expected = rows[EXPECTED_MINUTES[level]].to_numpy(np.float64)
        residual = rows["min"].to_numpy(np.float64) - expected
        size = np.maximum(np.abs(residual), 0.3).astype(np.float32)
        data = xgb.QuantileDMatrix(_inputs(rows, level), label=size, max_bin=_PARAMETERS["max_bin"], nthread=1)
        booster = xgb.train({**_PARAMETERS, "seed": seed}, data, ROUNDS)
        return cls(level, booster, *_cells(expected, residual, _sizes(booster, rows, level)))

    def distribution(self, features: pd.DataFrame) -> CountDistribution:
        """Minutes 0..LONGEST of each row, given that he plays: 1 at least.

        Raises:
            PipelineError: when a row has no expected minutes.
        """
        # What the spread puts below one minute belongs to the shortest nights of those who play: shared out over all
        # longer ones it would make the nights of the bench too long.
        survival = np.clip(1.0 - self.held(features), 0.0, 1.0)
        survival[:, 0], survival[:, -1] = 1.0, 0.0
        return CountDistribution(np.minimum.accumulate(survival, axis=1))

    def held(self, features: pd.DataFrame) -> Floats:
        """[n, LONGEST + 1] probability of less than 0.5, 1.5 ... minutes, as earlier results spread round like means.

        Raises:
            PipelineError: when a row has no expected minutes.
        """
        expected = features[EXPECTED_MINUTES[self.level]].to_numpy(np.float64)
        if np.isnan(expected).any():
            raise PipelineError("A distribution of minutes needs expected minutes in every row.")
        if not len(features):
            return np.zeros((0, LONGEST + 1))
        step = (np.arange(LONGEST + 1)[None, :] + 0.5 - expected[:, None]) / _sizes(self.booster, features, self.level)[
            :, None
        ]
        place = np.clip((step - GRID[0]) / (GRID[1] - GRID[0]), 0.0, len(GRID) - 1.001)
        left = place.astype(np.int64)
        right_share = place - left
        cell = np.interp(expected, self.centres, np.arange(len(self.centres)))
        lower = np.floor(cell).astype(np.int64)
        upper = np.minimum(lower + 1, len(self.centres) - 1)
        upper_share = (cell - lower)[:, None]

        def read(cells: npt.NDArray[np.int64]) -> Floats:
            below, above = self.cdf[cells[:, None], left], self.cdf[cells[:, None], left + 1]
            return np.asarray(below + right_share * (above - below))

        return np.asarray((1 - upper_share) * read(lower) + upper_share * read(upper))

    def to_bytes(self) -> dict[str, bytes]:
        """Files that `from_bytes` reads: XGBoost's own format and JSON."""
        facts = {
            "level": self.level.value,
            "inputs": UNSETTLED,
            "centres": self.centres.round(4).tolist(),
            "cdf": self.cdf.round(6).tolist(),
        }
        return {FILES[0]: bytes(self.booster.save_raw("ubj")), FILES[1]: json.dumps(facts, sort_keys=True).encode()}

    @classmethod
    def from_bytes(cls, files: Mapping[str, bytes]) -> MinutesShape:
        """The shape that `to_bytes` wrote.

        Raises:
            PipelineError: when the content is not of that form, or was fitted on other inputs than this version's.
        """
        try:
            facts = json.loads(files[FILES[1]])
            level, centres, cdf = InformationLevel(facts["level"]), np.array(facts["centres"]), np.array(facts["cdf"])
            same = tuple(facts["inputs"]) == UNSETTLED and cdf.shape == (len(centres), len(GRID))
        except (KeyError, TypeError, ValueError) as error:
            raise PipelineError(f"This is no distribution of minutes: {error}.") from error
        if not same:
            raise PipelineError("The distribution of minutes was fitted by another version: fit it again.")
        booster = xgb.Booster({"nthread": 1})
        booster.load_model(bytearray(files[FILES[0]]))
        return cls(level, booster, centres, cdf)


def _inputs(features: pd.DataFrame, level: InformationLevel) -> npt.NDArray[np.float32]:
    return features[[EXPECTED_MINUTES[level], *UNSETTLED]].to_numpy(np.float32)


def _sizes(booster: xgb.Booster, features: pd.DataFrame, level: InformationLevel) -> Floats:
    size = booster.inplace_predict(_inputs(features, level)).astype(np.float64)
    return np.asarray(np.maximum(size, _SMALLEST_SIZE))


def _cells(expected: Floats, residual: Floats, size: Floats) -> tuple[Floats, Floats]:
    """Centres and distribution functions of the residuals in units of their size, by expected minutes."""
    count = max(1, min(CELLS, len(expected) // ROWS_A_CELL))
    order = np.argsort(expected, kind="stable")
    parts = np.array_split(order, count)
    scaled = np.clip(residual / size, GRID[0], GRID[-1])
    cdf = np.array(
        [special.ndtr((GRID[:, None] - scaled[part]) * (size[part] / BANDWIDTH)).mean(axis=1) for part in parts]
    )
    return np.array([expected[part].mean() for part in parts]), np.maximum.accumulate(cdf, axis=1)


def class_probabilities(minutes: CountDistribution, usual: npt.ArrayLike, p_plays: npt.ArrayLike) -> pd.DataFrame:
    """P of each of CLASSES, adding up to 1; NaN where P(plays) is.

    A player without usual minutes has no limited or extended night: every one of his is normal.

    Args:
        minutes: [n], given that he plays.
        usual: [n] usual minutes, NaN for a player without an earlier game.
        p_plays: [n].
    """
    at, plays = np.asarray(usual, dtype=np.float64), np.asarray(p_plays, dtype=np.float64)
    limited = np.where(np.isnan(at), 0.0, minutes.under(np.nan_to_num(at) * LIMITED_SHARE))
    # At least `usual + EXTENDED_MINUTES` whole minutes.
    least = np.ceil(np.nan_to_num(at) + EXTENDED_MINUTES) - 0.5
    extended = np.where(np.isnan(at), 0.0, minutes.over(least))
    shares = {"limited": limited * plays, "extended": extended * plays}
    normal = np.maximum(plays - shares["limited"] - shares["extended"], 0.0)
    table = pd.DataFrame({"did_not_play": 1.0 - plays, **shares, "normal": normal})
    return table[list(CLASSES)]


def class_of(minutes: npt.ArrayLike, usual: npt.ArrayLike) -> npt.NDArray[np.str_]:
    """Which of CLASSES came: [n] minutes (0 or NaN: he did not play) and [n] usual minutes."""
    played, at = np.nan_to_num(np.asarray(minutes, dtype=np.float64)), np.asarray(usual, dtype=np.float64)
    return np.select(
        [played <= 0, played < LIMITED_SHARE * at, played >= np.ceil(at + EXTENDED_MINUTES)],
        ["did_not_play", "limited", "extended"],
        default="normal",
    )


def minutes_forecasts(minutes: CountDistribution, usual: npt.ArrayLike, p_plays: npt.ArrayLike) -> pd.DataFrame:
    """What is told of each player's night.

    Args:
        minutes: [n], given that he plays.
        usual: [n] usual minutes.
        p_plays: [n].

    Returns:
        mean, lo50 ... hi95 (minutes, given that he plays) and CLASSES (probabilities, adding up to 1).
    """
    ends = zip(COVERAGES, minutes.intervals([share / 100 for share in COVERAGES]), strict=True)
    table = class_probabilities(minutes, usual, p_plays).assign(mean=minutes.mean())
    return table.assign(**{f"{end}{share}": run[i] for share, run in ends for i, end in enumerate(("lo", "hi"))})
