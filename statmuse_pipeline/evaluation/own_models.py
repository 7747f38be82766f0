"""Whether a player's own models add anything to the pooled prior: squared error gained, with an interval."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from statmuse_pipeline.evaluation.scores import Floats, counted, interval_by_date

MODELS = ("voting", "stacking", "served")
DRAWS = 1000
_NOTHING = 1e-9
"""A gain within this of 0 means that the prior was served."""


def gains_by_player(
    families: pd.DataFrame, outcomes: pd.DataFrame, *, models: Sequence[str] = MODELS, draws: int = DRAWS, seed: int = 0
) -> pd.DataFrame:
    """What each player's ensembles gain on the prior over all stats, worst first.

    A gain is (prior - y)^2 - (model - y)^2 in units of the prior's mean squared error of that stat over all players, so
    that stats weigh alike; it is averaged over a player's games and stats. 0.01 stands for 1% less squared error.

    Args:
        families: game_id, player_id, stat, prior and a column of means a model; players with own models alone.
        outcomes: of `scores.outcomes()`.
        models: which columns.
        draws: bootstrap samples; a player's games are drawn with replacement, all their stats together.
        seed: of the draws.

    Returns:
        player_id, player_name, games, stats_on (stats in which not the prior is served, where `served` is among the
        models), and for each model gain_{model}, gain_{model}_lo, gain_{model}_hi (95%).
    """
    rows = _gains(families, outcomes, models)
    table = []
    for player, own in rows.groupby("player_id", sort=True):
        games = own.groupby("game_id", sort=True)[[*models, "one"]].sum().to_numpy()
        sample = np.random.default_rng((seed, int(str(player)))).integers(0, len(games), (draws, len(games)))
        sums = games[sample].sum(axis=1)
        gain = games[:, :-1].sum(axis=0) / games[:, -1].sum()
        low, high = np.quantile(sums[:, :-1] / sums[:, -1:], [0.025, 0.975], axis=0)
        numbers = {
            f"gain_{model}{end}": float(values[place])
            for place, model in enumerate(models)
            for end, values in (("", gain), ("_lo", low), ("_hi", high))
        }
        told = {"player_id": player, "player_name": own["player_name"].iloc[-1], "games": len(games)}
        if "served" in models:
            told["stats_on"] = int((own["served"].abs() > _NOTHING).groupby(own["stat"]).any().sum())
        table.append({**told, **numbers})
    found = pd.DataFrame(table)
    return found.sort_values([f"gain_{models[-1]}", "player_id"], ignore_index=True) if len(found) else found


def gains_by_stat(families: pd.DataFrame, outcomes: pd.DataFrame, *, models: Sequence[str] = MODELS) -> pd.DataFrame:
    """The same over all players, one row a model and stat and one for all stats.

    Arguments as of `gains_by_player`.

    Returns:
        model, stat ("all" and each), rows, gain, gain_lo, gain_hi (95%, dates drawn with replacement), players, better
        and worse (shares of the players with a gain above and below 0) and turned_off (share to whom the prior is
        served in that stat, or in all of them; for `served` alone, else NaN).
    """
    rows = _gains(families, outcomes, models)
    table = []
    for model in models:
        for stat in ("all", *families["stat"].unique()):
            part = rows if stat == "all" else rows[rows["stat"] == stat]
            if part.empty:
                continue
            gain = part[model].to_numpy()
            low, high = interval_by_date(gain, np.ones(len(gain)), part["game_date"])
            by_player = part.groupby("player_id")[model]
            mean, off = by_player.mean(), by_player.agg(_is_off)
            table.append(
                {
                    "model": model, "stat": stat, "rows": len(part), "gain": float(gain.mean()), "gain_lo": low,
                    "gain_hi": high, "players": len(mean), "better": float(((mean > 0) & ~off).mean()),
                    "worse": float(((mean < 0) & ~off).mean()),
                    "turned_off": float(off.mean()) if model == "served" else float("nan"),
                }
            )  # fmt: skip
    return pd.DataFrame(table)


def _gains(families: pd.DataFrame, outcomes: pd.DataFrame, models: Sequence[str]) -> pd.DataFrame:
    """Rows that count with a column of scaled gains for each model."""
    rows = counted(families, outcomes)
    prior = (rows["prior"] - rows["actual"]) ** 2
    unit = prior.groupby(rows["stat"]).transform("mean")
    gains: dict[str, Floats] = {
        model: ((prior - (rows[model] - rows["actual"]) ** 2) / unit).to_numpy() for model in models
    }
    return rows.assign(**gains, one=1.0)


def _is_off(gains: pd.Series) -> bool:
    values: npt.NDArray[np.float64] = gains.to_numpy()
    return bool((np.abs(values) <= _NOTHING).all())
