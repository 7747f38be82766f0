"""Whether a member of a team takes part in its next game: boosted trees on what was known before the day."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
import xgboost as xgb

from statmuse_pipeline.domain import ROTATION_MINUTES, PipelineError

Floats = npt.NDArray[np.float64]

LEAST_ROWS = 100
ROUNDS = 80
_PARAMETERS = {
    "objective": "binary:logistic", "tree_method": "hist", "max_bin": 32, "max_depth": 5, "eta": 0.15,
    "min_child_weight": 12, "subsample": 0.8, "colsample_bytree": 0.5, "lambda": 5.0, "nthread": 1, "verbosity": 0,
}  # fmt: skip

OUT = "Out"
AVAILABLE = "Available"

STATUS_PLAYS: Mapping[str, float] = {OUT: 0.0, "Doubtful": 0.25, "Questionable": 0.5, "Probable": 0.75}
"""How likely a player of that status is to play, by the league's own definition of the word."""

_FIT_BINS = (0.0, 3.0, 6.0, 9.0, 12.0, 15.0, 18.0, 21.0, 25.0, 30.0, 60.0)
"""Usual minutes between which players who are fit are counted."""

FILES = ("absence.ubj", "absence.json")


@dataclass(frozen=True)
class AbsenceModel:
    """P(plays) of a member of a team, from columns that are known before the day.

    Attributes:
        columns: what it reads.
        booster: the trees; their target is that he does not play.
        fit_minutes, fit_plays: usual minutes, and how often one with as many plays who played the team's last game:
            what is left of coach's decisions and of the unforeseen when nothing is the matter.
    """

    columns: tuple[str, ...]
    booster: xgb.Booster
    fit_minutes: tuple[float, ...]
    fit_plays: tuple[float, ...]

    @classmethod
    def fit(cls, roster: pd.DataFrame, columns: Sequence[str], seed: int) -> AbsenceModel:
        """Fit on members of teams in games that were played.

        Args:
            roster: `columns`, `played` (1 or 0), `missed` and `usual_min`.
            columns: what the model may read.
            seed: of the draws of rows and columns.

        Raises:
            PipelineError: when fewer than LEAST_ROWS rows can be learned from.
        """
        rows = roster[roster["played"].notna()]
        if len(rows) < LEAST_ROWS:
            raise PipelineError(f"Only {len(rows)} members of teams to learn absences from: load at least a few weeks.")
        absent = 1.0 - rows["played"].to_numpy(np.float32)
        inputs = rows[list(columns)].to_numpy(np.float32)
        data = xgb.QuantileDMatrix(inputs, label=absent, max_bin=_PARAMETERS["max_bin"], nthread=1)
        booster = xgb.train({**_PARAMETERS, "seed": seed}, data, ROUNDS)
        return cls(tuple(columns), booster, *_when_fit(rows))

    def p_plays(self, roster: pd.DataFrame) -> Floats:
        """P(plays) of each row; NaN for a player without an earlier game."""
        if not len(roster):
            return np.array([])
        absent = self.booster.inplace_predict(roster[list(self.columns)].to_numpy(np.float32))
        known = roster["usual_min"].notna().to_numpy()
        return np.where(known, 1.0 - absent.astype(np.float64), np.nan)

    def with_reports(self, p_plays: npt.ArrayLike, status: Sequence[str], usual: npt.ArrayLike) -> Floats:
        """P(plays) once an injury report of the day is known; NaN only where nothing at all is known.

        Out is out. Who is doubtful, questionable or probable plays as often as the league says of the word, times how
        often one of his minutes plays who is fit, for a reserve may sit for no injury. Who is available in spite of
        games missed is back if he belongs to the rotation: then he plays as one who is fit. Of everyone else, and of
        reserves who are available, the report says nothing that the model did not know.

        Args:
            p_plays: [n], of `p_plays`.
            status: [n], of `contracts.INJURY_STATUSES`, or anything else where there is none.
            usual: [n] usual minutes.
        """
        own, minutes = np.asarray(p_plays, dtype=np.float64), np.asarray(usual, dtype=np.float64)
        told = np.asarray(status, dtype=object)
        fit = np.where(np.isnan(minutes), np.nan, np.interp(np.nan_to_num(minutes), self.fit_minutes, self.fit_plays))
        back = (told == AVAILABLE) & (minutes >= ROTATION_MINUTES)
        found = np.where(back, np.maximum(own, fit), own)
        for word, share in STATUS_PLAYS.items():
            found = np.where(told == word, share * (fit if share else 1.0), found)
        return found

    def to_bytes(self) -> dict[str, bytes]:
        """Files that `from_bytes` reads: XGBoost's own format and JSON."""
        facts = {"columns": self.columns, "fit_minutes": self.fit_minutes, "fit_plays": self.fit_plays}
        return {
            FILES[0]: bytes(self.booster.save_raw("ubj")),
            FILES[1]: json.dumps(facts, sort_keys=True).encode(),
        }

    @classmethod
    def from_bytes(cls, files: Mapping[str, bytes]) -> AbsenceModel:
        """The model that `to_bytes` wrote.

        Raises:
            PipelineError: when the content is not of that form.
        """
        try:
            facts = json.loads(files[FILES[1]])
            parts = [tuple(facts[name]) for name in ("columns", "fit_minutes", "fit_plays")]
        except (KeyError, TypeError, ValueError) as error:
            raise PipelineError(f"This is no model of absences: {error}.") from error
        booster = xgb.Booster({"nthread": 1})
        booster.load_model(bytearray(files[FILES[0]]))
        return cls(parts[0], booster, parts[1], parts[2])


def _when_fit(rows: pd.DataFrame) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean usual minutes of each bin, and how often its players play who played the last game; never falling."""
    fit = rows[(rows["missed"] == 0) & rows["usual_min"].notna()]
    if fit.empty:
        return (0.0,), (float(rows["played"].mean()),)
    groups = fit.groupby(pd.cut(fit["usual_min"], _FIT_BINS, include_lowest=True), observed=True)
    minutes, plays = groups["usual_min"].mean(), groups["played"].mean()
    rising = np.maximum.accumulate(plays.to_numpy(np.float64))
    return tuple(float(x) for x in minutes), tuple(float(x) for x in rising)
