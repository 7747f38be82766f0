"""Scores of means, probabilities and whole distributions against what happened.

Only rows that count are scored: the player played (`min` > 0) and had at least `MINIMUM_HISTORY`
earlier games. The baseline of every ratio is the exponentially weighted mean of the player's earlier
games (alpha 0.1) on the same rows. A mean is judged by RMSE and bias, a median by MAE: lowering every
mean on purpose gains MAE on skewed counts and means nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from enum import StrEnum
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from statmuse_pipeline.domain import COVERAGES, LADDER, MINIMUM_HISTORY, InformationLevel, PipelineError, Stat

KEY = ("game_id", "player_id", "stat")
EVERY_STAT = "all"
"""The value of `stat` in rows that pool all stats."""

BINS = 10
DRAWS = 2000

Floats = npt.NDArray[np.float64]


class LineSet(StrEnum):
    """Which lines a Brier score was computed on; scores on different sets do not compare."""

    LADDER = "ladder"
    """The fixed lines of `domain.LADDER`."""
    SEASON = "season line"
    """floor(season average before the game) + 0.5."""
    MARKET = "market"
    """The lines of real two-sided quotes, pushes left out."""


def outcomes(features: pd.DataFrame) -> pd.DataFrame:
    """What happened, one row a played player-game and stat.

    Args:
        features: the feature table; rows of games still to be played (target NaN) are left out.

    Returns:
        game_id, game_date, season, player_id, player_name, stat, actual, baseline (`{s}_ewm_10`),
        season_average (before the game, NaN in the first), games_before, min.
    """
    keys = ["game_id", "game_date", "season", "player_id", "player_name"]
    parts = []
    for stat in Stat:
        s = stat.column
        part = features[keys].assign(
            stat=stat.value,
            actual=features[s].astype("float64"),
            baseline=features[f"{s}_ewm_10"].astype("float64"),
            season_average=features[f"{s}_season"].astype("float64"),
            games_before=features["games_before"],
            min=features["min"].astype("float64"),
        )
        parts.append(part[part["actual"].notna()])
    return pd.concat(parts, ignore_index=True)


def counted(frame: pd.DataFrame, outcomes: pd.DataFrame) -> pd.DataFrame:
    """The rows of `frame` that count, with their outcome.

    Args:
        frame: any frame with game_id, player_id, stat; columns that `outcomes` also has are replaced.
        outcomes: of `outcomes()`.
    """
    valid = outcomes[(outcomes["min"] > 0) & (outcomes["games_before"] >= MINIMUM_HISTORY)]
    own = frame.drop(columns=[name for name in outcomes.columns if name not in KEY], errors="ignore")
    return own.merge(valid, on=list(KEY), how="inner", validate="many_to_one")


def interval_by_date(
    numerator: npt.ArrayLike,
    denominator: npt.ArrayLike,
    dates: npt.ArrayLike | pd.Series,
    *,
    draws: int = DRAWS,
    seed: int = 0,
    level: float = 0.95,
) -> tuple[float, float]:
    """Bootstrap interval of sum(numerator) / sum(denominator) with whole dates drawn with replacement.

    Rows of one evening share injuries, blowouts and quotes, so dates are the unit that is independent
    (the cluster bootstrap; Cameron, Gelbach and Miller 2008).

    Returns:
        The lower and upper end; NaN, NaN without rows.
    """
    rows = pd.DataFrame({"n": np.asarray(numerator), "d": np.asarray(denominator), "date": np.asarray(dates)})
    day = rows.groupby("date")[["n", "d"]].sum().to_numpy(dtype="float64")
    if not len(day):
        return float("nan"), float("nan")
    sums = day[np.random.default_rng(seed).integers(0, len(day), (draws, len(day)))].sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        low, high = np.quantile(sums[:, 0] / sums[:, 1], [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def brier(p: npt.ArrayLike, y: npt.ArrayLike) -> float:
    """Mean of (p - y)^2 (Brier 1950); p probabilities, y 0 or 1, both of shape [n]."""
    return float(np.mean((np.asarray(p, dtype="float64") - np.asarray(y, dtype="float64")) ** 2))


def log_loss(p: npt.ArrayLike, y: npt.ArrayLike) -> float:
    """Mean of -log of the probability given to what happened, in nats; p is clipped to [1e-12, 1 - 1e-12]."""
    probability = np.clip(np.asarray(p, dtype="float64"), 1e-12, 1 - 1e-12)
    happened = np.asarray(y, dtype="float64")
    return float(-np.mean(happened * np.log(probability) + (1 - happened) * np.log1p(-probability)))


def ece(p: npt.ArrayLike, y: npt.ArrayLike, bins: int = BINS) -> float:
    """Expected calibration error: count-weighted |mean probability - frequency| over equal-width bins.

    Naeini, Cooper and Hauskrecht (2015). p probabilities, y 0 or 1, both of shape [n].
    """
    probability, happened = np.asarray(p, dtype="float64"), np.asarray(y, dtype="float64")
    if not len(probability):
        return float("nan")
    which = probability_bin(probability, bins)
    gap = np.bincount(which, probability - happened, minlength=bins)
    return float(np.abs(gap).sum() / len(probability))


def probability_bin(p: npt.ArrayLike, bins: int = BINS) -> npt.NDArray[np.int64]:
    """The equal-width bin of every probability; 1.0 belongs to the last one."""
    return np.minimum((np.asarray(p, dtype="float64") * bins).astype("int64"), bins - 1)


def crps(survival: npt.NDArray[np.floating[Any]], y: npt.ArrayLike) -> Floats:
    """Continuous ranked probability score of count forecasts, in units of the stat.

    sum over k of (P(Y > k) - 1[y > k])^2, the integral of Gneiting and Raftery (2007) for counts.

    Args:
        survival: [n, K + 1], P(Y > k) for k = 0..K.
        y: [n] counts, at most K + 1.
    """
    actual = np.asarray(y, dtype="float64")
    above = actual[:, None] > np.arange(survival.shape[1])[None, :]
    return ((survival - above) ** 2).sum(axis=1).astype("float64")


def season_line_queries(outcomes: pd.DataFrame, level: InformationLevel = InformationLevel.TIPOFF) -> pd.DataFrame:
    """The season line of every outcome that has one: game_id, player_id, stat, level, line."""
    known = outcomes[outcomes["season_average"].notna()]
    return (
        known[list(KEY)].assign(level=level.value, line=np.floor(known["season_average"]) + 0.5).reset_index(drop=True)
    )


def score_means(
    forecasts: pd.DataFrame, outcomes: pd.DataFrame, *, by: Sequence[str] = ("stat",), intervals: bool = True
) -> pd.DataFrame:
    """Accuracy of forecast means (and medians and intervals, where given), one row a group.

    Args:
        forecasts: game_id, player_id, stat, mean [median, lo50, hi50, lo80, hi80, lo95, hi95] and the
            columns of `by`; one row a player-game, stat and group.
        outcomes: of `outcomes()`, restricted to the window to judge.
        by: the grouping, such as ("stat",) or ("stat", "model").
        intervals: add the 95% interval of the RMSE ratio (dates drawn with replacement).

    Returns:
        by..., rows, coverage (share of the outcomes that count), rmse, rmse_ratio [rmse_ratio_lo,
        rmse_ratio_hi], bias (forecast - actual), mae, mae_ratio, rmse_ewm, mae_ewm [median_mae_ratio,
        cover50, cover80, cover95].

    Raises:
        PipelineError: on duplicate rows, or when no forecast meets an outcome.
    """
    rows = counted(forecasts, outcomes)
    groups = [*dict.fromkeys([*KEY, *by])]
    if rows.duplicated(groups).any():
        raise PipelineError(f"The forecasts have duplicate rows by {', '.join(groups)}: score one level at a time.")
    if rows.empty:
        raise PipelineError("No forecast meets an outcome that counts: check the window, the players and the stats.")
    per_stat = counted(outcomes[list(KEY)], outcomes)["stat"].value_counts()
    table = []
    for names, group in _groups(rows, by):
        line: dict[str, Any] = {**names, **_mean_scores(group)}
        in_window = per_stat.get(names["stat"], 0) if "stat" in names else per_stat.sum()
        line["coverage"] = len(group) / in_window
        if intervals:
            squared = (group["mean"] - group["actual"]) ** 2, (group["baseline"] - group["actual"]) ** 2
            low, high = interval_by_date(*squared, group["game_date"])
            line |= {"rmse_ratio_lo": low**0.5, "rmse_ratio_hi": high**0.5}
        table.append(line)
    return pd.DataFrame(table)


def _mean_scores(group: pd.DataFrame) -> dict[str, float]:
    actual = group["actual"].to_numpy()
    error, base = group["mean"].to_numpy() - actual, group["baseline"].to_numpy() - actual
    rmse, rmse_ewm = float(np.sqrt(np.mean(error**2))), float(np.sqrt(np.mean(base**2)))
    mae, mae_ewm = float(np.abs(error).mean()), float(np.abs(base).mean())
    scores = {
        "rows": len(group), "rmse": rmse, "rmse_ratio": rmse / rmse_ewm if rmse_ewm else float("nan"),
        "bias": float(error.mean()), "mae": mae, "mae_ratio": mae / mae_ewm if mae_ewm else float("nan"),
        "rmse_ewm": rmse_ewm, "mae_ewm": mae_ewm,
    }  # fmt: skip
    if "median" in group and mae_ewm:
        scores["median_mae_ratio"] = float(np.abs(group["median"].to_numpy() - actual).mean()) / mae_ewm
    for share in COVERAGES:
        if f"lo{share}" in group:
            inside = (actual >= group[f"lo{share}"].to_numpy()) & (actual <= group[f"hi{share}"].to_numpy())
            scores[f"cover{share}"] = float(inside.mean())
    return scores


def score_families(means: pd.DataFrame, outcomes: pd.DataFrame) -> pd.DataFrame:
    """Every member, ensemble and baseline on the same rows, so that they compare.

    Args:
        means: game_id, player_id, stat and one column of means a model (`prior`, `random_forest`, ...,
            `served`, baselines). A model that is NaN on all rows of a stat is left out there; rows where
            any remaining one is NaN are left out for all.
        outcomes: of `outcomes()`.

    Returns:
        The columns of `score_means`, one row a stat and model, in the order of the columns of `means`.
    """
    models = [name for name in means.columns if name not in {*KEY, *outcomes.columns, "level", "split"}]
    parts = []
    for _, group in means.groupby("stat", sort=False, observed=True):
        present = [name for name in models if group[name].notna().any()]
        common = group.dropna(subset=present)
        parts.append(common.melt(id_vars=list(KEY), value_vars=present, var_name="model", value_name="mean"))
    scores = score_means(pd.concat(parts, ignore_index=True), outcomes, by=("stat", "model"))
    order = scores["model"].map({name: place for place, name in enumerate(models)})
    places = scores["stat"].map({stat.value: place for place, stat in enumerate(Stat)})
    return (
        scores.assign(_o=order, _s=places).sort_values(["_s", "_o"]).drop(columns=["_o", "_s"]).reset_index(drop=True)
    )


def score_probabilities(
    probabilities: pd.DataFrame, outcomes: pd.DataFrame, *, line_set: LineSet, by: Sequence[str] = ("stat",)
) -> pd.DataFrame:
    """Brier score, ECE and log loss of P(stat > line), one row a group and rows that pool all stats.

    Args:
        probabilities: game_id, player_id, stat, line, p_over and the columns of `by`.
        outcomes: of `outcomes()`.
        line_set: what the lines are; for the ladder other lines are left out.
        by: the grouping; with "stat" in it, rows with stat "all" pool the stats.

    Returns:
        by..., line_set, rows, brier, ece, log_loss. Pushes are left out.

    Raises:
        PipelineError: when a probability is missing or outside [0, 1].
    """
    rows = counted(probabilities, outcomes)
    if not rows["p_over"].between(0, 1).all():
        bad = rows[~rows["p_over"].between(0, 1)].iloc[0]
        raise PipelineError(
            f"P(over {bad['line']}) of player {bad['player_id']} in game {bad['game_id']} is {bad['p_over']}: "
            "every probability must lie in [0, 1]."
        )
    if line_set is LineSet.LADDER:
        rows = rows[on_ladder(rows)]
    rows = rows[rows["actual"] != rows["line"]]
    rows = rows.assign(over=(rows["actual"] > rows["line"]).astype("float64"))
    pooled = [rows, rows.assign(stat=EVERY_STAT)] if "stat" in by else [rows]
    table = []
    for part in pooled:
        for names, group in _groups(part, by):
            p, y = group["p_over"].to_numpy(), group["over"].to_numpy()
            scores = {"rows": len(group), "brier": brier(p, y), "ece": ece(p, y), "log_loss": log_loss(p, y)}
            table.append({**names, "line_set": line_set.value, **scores})
    return pd.DataFrame(table)


def on_ladder(frame: pd.DataFrame) -> pd.Series:
    """Whether a row's line is one of the ladder lines of its stat."""
    lines = {(stat.value, line) for stat, ladder in LADDER.items() for line in ladder}
    here = pd.MultiIndex.from_arrays([frame["stat"].astype(str), frame["line"].astype("float64")])
    return pd.Series(here.isin(lines), index=frame.index)


def ladder_pairs(
    keys: pd.DataFrame, survival: npt.NDArray[np.floating[Any]], stat: Stat, outcomes: pd.DataFrame
) -> tuple[Floats, Floats]:
    """P(stat > line) and whether it came true, over all ladder lines of the rows that count, for diagrams.

    Arguments as of `score_distribution`.
    """
    rows = _met(keys, stat, outcomes)
    return _on_rungs(survival[rows["place"].to_numpy()], rows["actual"].to_numpy(), stat)


def score_distribution(
    keys: pd.DataFrame, survival: npt.NDArray[np.floating[Any]], stat: Stat, outcomes: pd.DataFrame
) -> dict[str, float]:
    """All scores of one stat's predictive distributions, for example one model family's.

    Args:
        keys: game_id, player_id of the n rows of `survival`, in the same order.
        survival: [n, K + 1], P(Y > k).
        stat: the stat.
        outcomes: of `outcomes()`.

    Returns:
        rows, ladder_brier, ladder_ece, ladder_log_loss, season_brier, crps. NaN without rows.
    """
    rows = _met(keys, stat, outcomes)
    if rows.empty:
        scores = dict.fromkeys(["ladder_brier", "ladder_ece", "ladder_log_loss", "season_brier", "crps"], float("nan"))
        return {"rows": 0, **scores}
    sure = survival[rows["place"].to_numpy()]
    actual, season = rows["actual"].to_numpy(), rows["season_average"].to_numpy()
    p, y = _on_rungs(sure, actual, stat)
    known = np.isfinite(season)
    floor = np.floor(season[known]).astype(int)
    season_p, season_y = sure[np.flatnonzero(known), floor], actual[known] > floor
    return {
        "rows": len(rows), "ladder_brier": brier(p, y), "ladder_ece": ece(p, y), "ladder_log_loss": log_loss(p, y),
        "season_brier": brier(season_p, season_y) if known.any() else float("nan"),
        "crps": float(crps(sure, actual).mean()),
    }  # fmt: skip


def _met(keys: pd.DataFrame, stat: Stat, outcomes: pd.DataFrame) -> pd.DataFrame:
    """Outcomes of the rows of `keys` that count, with their `place` in it."""
    places = keys[["game_id", "player_id"]].assign(stat=stat.value, place=np.arange(len(keys)))
    return counted(places, outcomes[outcomes["stat"] == stat.value])


def _on_rungs(survival: npt.NDArray[np.floating[Any]], actual: Floats, stat: Stat) -> tuple[Floats, Floats]:
    lines = np.asarray(LADDER[stat])
    p = survival[:, np.floor(lines).astype(int)].astype("float64").ravel()
    return p, (actual[:, None] > lines[None, :]).astype("float64").ravel()


def overall_scores(means: pd.DataFrame, ladder: pd.DataFrame) -> dict[str, float]:
    """The headline of a run: means over the stats of the ratios, pooled ladder scores.

    Args:
        means: of `score_means`, one row a stat.
        ladder: of `score_probabilities` on the ladder, with the row "all".

    Returns:
        rmse_ratio, mae_ratio (unweighted means over stats: every stat matters the same), ladder_brier,
        ladder_ece, ladder_log_loss (all lines of all stats pooled).
    """
    pooled = ladder[ladder["stat"] == EVERY_STAT].iloc[0]
    return {
        **{name: float(means[name].mean()) for name in ("rmse_ratio", "mae_ratio")},
        **{f"ladder_{name}": float(pooled[name]) for name in ("brier", "ece", "log_loss")},
    }


def _groups(rows: pd.DataFrame, by: Sequence[str]) -> Iterator[tuple[dict[str, Any], pd.DataFrame]]:
    """Groups with their names, stats in the order of the vocabulary, the rest sorted."""
    order: dict[Any, int] = {stat.value: place for place, stat in enumerate(Stat)}
    found: list[tuple[Any, pd.DataFrame]] = list(rows.groupby(list(by), sort=True, observed=True))
    found.sort(key=lambda pair: tuple((order.get(name, 0), str(name)) for name in pair[0]))
    for names, group in found:
        yield dict(zip(by, names, strict=True)), group
