"""The metric gate: is a set of models good enough to use, and not too good to be true."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from statmuse_pipeline.domain import PipelineError
from statmuse_pipeline.evaluation.scores import EVERY_STAT, LineSet

STANDARD_BREAK_EVEN = 110 / 210
"""Share of bets one must win at -110 to come out even."""

CHECK_COLUMNS = ("check", "line_set", "value", "bound", "limit", "passed", "rows", "note")


@dataclass(frozen=True)
class GateThresholds:
    """Limits of the gate; a value on the limit passes."""

    ladder_brier: float = 0.20
    ladder_ece: float = 0.05
    rmse_ratio: float = 1.0
    line_mae_ratio: float = 0.93
    """Alarm: a forecast whose MAE is below this share of the market line's own MAE has seen the result."""
    win_rate: float = 0.58
    """Alarm: more wins than this share, at prices of -110, have not been earned honestly."""
    minimum_bets: int = 500
    """The win-rate alarm listens from this many decided bets of a strategy on."""
    minimum_line_rows: int = 500
    """The line-accuracy alarm listens from this many player-games on."""


@dataclass(frozen=True)
class GateResult:
    """The verdict, every check behind it, and the players who would fail on their own."""

    passed: bool
    checks: pd.DataFrame
    """check, line_set ("" without lines), value, bound ("at most", "at least"), limit, passed, rows, note."""
    failing_players: pd.DataFrame = field(default_factory=pd.DataFrame)
    """Rows of `players.score_players` beyond a limit, with `why`; they do not fail the gate."""

    @property
    def failures(self) -> list[str]:
        """One sentence a failed check."""
        bad = self.checks[~self.checks["passed"]]
        return [
            f"{row['check']}: {row['value']:.4f}, must be {row['bound']} {row['limit']:g}"
            for row in bad.to_dict("records")
        ]


def run_gate(
    *,
    means: pd.DataFrame,
    ladder: pd.DataFrame,
    players: pd.DataFrame | None = None,
    line_accuracy: pd.DataFrame | None = None,
    bets: pd.DataFrame | None = None,
    thresholds: GateThresholds | None = None,
) -> GateResult:
    """Judge the scores of the served forecasts.

    Args:
        means: of `scores.score_means`, one row a stat.
        ladder: of `scores.score_probabilities` on the ladder, with the row "all".
        players: of `players.score_players`; reported, never failing the gate.
        line_accuracy: of `market.line_accuracy`, or None where there are no quotes.
        bets: graded bets on real quotes (contracts.BETS; no placebos, no reference lines), or None.
        thresholds: the limits; the default ones of the design.

    Raises:
        PipelineError: when there is nothing to judge, or the Brier score is not one of the ladder.
    """
    limits = thresholds or GateThresholds()
    if means.empty or ladder.empty:
        raise PipelineError("The gate has nothing to judge: no forecast of the test split meets an outcome.")
    pooled = ladder[ladder["stat"] == EVERY_STAT]
    if len(pooled) != 1 or pooled["line_set"].iloc[0] != LineSet.LADDER.value:
        raise PipelineError("The gate judges the ladder: pass score_probabilities(..., line_set=LineSet.LADDER).")
    checks = pd.DataFrame(
        [
            *_ladder_checks(pooled.iloc[0], limits),
            *_mean_checks(means, limits),
            *_line_alarm(line_accuracy, limits),
            *_win_alarm(bets, limits),
        ],
        columns=list(CHECK_COLUMNS),
    )
    failing = _failing_players(players, limits) if players is not None else pd.DataFrame()
    return GateResult(bool(checks["passed"].all()), checks, failing)


def _check(
    name: str, value: float, limit: float, rows: int, *, least: bool = False, line_set: str = "", note: str = ""
) -> dict[str, Any]:
    # A limit is not kept by a score that could not be computed.
    known = bool(np.isfinite(value))
    passed = value >= limit if least else value <= limit
    return {
        "check": name, "line_set": line_set, "value": float(value), "bound": "at least" if least else "at most",
        "limit": float(limit), "passed": bool(passed and known), "rows": int(rows),
        "note": note if known else "not computable",
    }  # fmt: skip


def _ladder_checks(pooled: pd.Series, limits: GateThresholds) -> Iterator[dict[str, Any]]:
    for name, column, limit in (
        ("ladder Brier", "brier", limits.ladder_brier),
        ("ladder ECE", "ece", limits.ladder_ece),
    ):
        value = float(pooled[column])
        yield _check(f"{name}, all stats", value, limit, pooled["rows"], line_set=pooled["line_set"])


def _mean_checks(means: pd.DataFrame, limits: GateThresholds) -> Iterator[dict[str, Any]]:
    for row in means.to_dict("records"):
        yield _check(f"RMSE ratio, {row['stat']}", row["rmse_ratio"], limits.rmse_ratio, row["rows"])


def _line_alarm(line_accuracy: pd.DataFrame | None, limits: GateThresholds) -> Iterable[dict[str, Any]]:
    if line_accuracy is None:
        return
    for row in line_accuracy[line_accuracy["rows"] >= limits.minimum_line_rows].to_dict("records"):
        yield _check(
            f"not too good: MAE against the line's own, {row['stat']}", row["mae_ratio"], limits.line_mae_ratio,
            row["rows"], least=True, line_set=LineSet.MARKET.value,
            note=f"forecast {min(row['mean_mae'], row['median_mae']):.3f}, line {row['line_mae']:.3f}",
        )  # fmt: skip


def _win_alarm(bets: pd.DataFrame | None, limits: GateThresholds) -> Iterable[dict[str, Any]]:
    """Wins of each strategy, brought to -110.

    A strategy of favourites at -200 wins two bets of three and earns nothing, so the wins beyond the
    break-even of the prices taken are what counts; at -110 that is the plain win rate.
    """
    if bets is None or bets.empty:
        return
    decided = bets[bets["profit"] != 0]
    price = decided["price"].astype("float64")
    break_even = np.where(price > 0, 100 / (100 + price), price.abs() / (100 + price.abs()))
    decided = decided.assign(won=decided["profit"] > 0, break_even=break_even)
    for strategy, group in decided.groupby("strategy", sort=True):
        if len(group) < limits.minimum_bets:
            continue
        won, even = float(group["won"].mean()), float(group["break_even"].mean())
        yield _check(
            f"not too good: wins at -110, {strategy}", won - even + STANDARD_BREAK_EVEN, limits.win_rate, len(group),
            line_set=LineSet.MARKET.value, note=f"won {won:.1%}, break-even at the prices taken {even:.1%}",
        )  # fmt: skip


def _failing_players(players: pd.DataFrame, limits: GateThresholds) -> pd.DataFrame:
    bounds = {
        "rmse_ratio": ("RMSE ratio", limits.rmse_ratio),
        "ladder_brier": ("ladder Brier", limits.ladder_brier),
        "ladder_ece": ("ladder ECE", limits.ladder_ece),
    }
    why = pd.Series("", index=players.index, dtype="str")
    for column, (name, limit) in bounds.items():
        if column in players:
            beyond = players[column] > limit
            why = why.where(~beyond, why + f"; {name} above {limit:g}")
    failing = players.assign(why=why.str.removeprefix("; "))
    return failing[failing["why"] != ""].reset_index(drop=True)
