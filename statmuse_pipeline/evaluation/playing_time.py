"""How good the probabilities of not playing are, and the distributions of minutes."""

from __future__ import annotations

import numpy as np
import pandas as pd

from statmuse_pipeline.domain import COVERAGES, ROLES, role_of
from statmuse_pipeline.evaluation.scores import brier, ece, log_loss
from statmuse_pipeline.evaluation.slices import EVERY_ROLE

BASE_RATE = "share of all members"
LAST_GAME = "as in the team's last game"
LAST_GAME_RATE = "share of those who played it, or missed it"
OURS = "trees"
OURS_LISTED = "trees, with injury transactions"

NIGHTS = ("limited", "extended")

ABSENCE_COLUMNS = ("split", "model", "rows", "absent", "brier", "ece", "log_loss")


def score_absences(members: pd.DataFrame) -> pd.DataFrame:
    """Forecasts that a member of a team does not play, next to what anybody could have said.

    Args:
        members: split ("train" among them, of which the shares are taken), played (1 or 0), missed (team games since
            his last), p_plays, and p_plays_listed where injury transactions were known; the last two are looked at
            outside train alone.

    Returns:
        ABSENCE_COLUMNS, `absent` the share that did not play; nothing is scored on train.
    """
    train = members[members["split"] == "train"]
    absent = 1.0 - train["played"].astype("float64")
    by_last = absent.groupby(train["missed"] > 0).mean().reindex([False, True]).fillna(absent.mean())
    table = []
    for split, rows in members[members["split"] != "train"].groupby("split", sort=False):
        came = 1.0 - rows["played"].to_numpy(np.float64)
        gone = (rows["missed"] > 0).to_numpy()
        forecasts = {
            BASE_RATE: np.full(len(rows), absent.mean()),
            LAST_GAME: gone.astype(np.float64),
            LAST_GAME_RATE: np.where(gone, by_last[True], by_last[False]),
            OURS: 1.0 - rows["p_plays"].to_numpy(np.float64),
        }
        if "p_plays_listed" in rows:
            forecasts[OURS_LISTED] = 1.0 - rows["p_plays_listed"].to_numpy(np.float64)
        for model, p in forecasts.items():
            scores = {"brier": brier(p, came), "ece": ece(p, came), "log_loss": log_loss(p, came)}
            table.append({"split": split, "model": model, "rows": len(rows), "absent": came.mean(), **scores})
    return pd.DataFrame(table, columns=list(ABSENCE_COLUMNS))


def score_minutes(forecasts: pd.DataFrame) -> pd.DataFrame:
    """Distributions of minutes of those who played, overall and by role.

    Args:
        forecasts: split, level, expected (minutes, a mean), min (those played), mean, crps, log_score, lo50 ... hi95,
            night (which kind it was), and limited and extended, probabilities given that he plays.

    Returns:
        split, level, role ("everyone" and `ROLES`), rows, bias (of the mean), crps (minutes), log_score (nats),
        cover50, cover80, cover95, and of limited and extended nights the share that came and the mean probability
        (`_said`).
    """
    actual = forecasts["min"]
    measures = {
        "bias": forecasts["mean"] - actual,
        "crps": forecasts["crps"],
        "log_score": forecasts["log_score"],
        **{f"cover{share}": actual.between(forecasts[f"lo{share}"], forecasts[f"hi{share}"]) for share in COVERAGES},
        **{night: forecasts["night"] == night for night in NIGHTS},
        **{f"{night}_said": forecasts[night] for night in NIGHTS},
    }
    scored = pd.DataFrame({name: values.astype("float64") for name, values in measures.items()})
    scored = scored.assign(split=forecasts["split"], level=forecasts["level"], own_role=role_of(forecasts["expected"]))
    parts = []
    for role in (EVERY_ROLE, *ROLES):
        own = scored if role == EVERY_ROLE else scored[scored["own_role"] == role]
        groups = own.groupby(["split", "level"], sort=False)
        parts.append(groups[list(measures)].mean().assign(rows=groups.size(), role=role).reset_index())
    columns = ["split", "level", "role", "rows", *measures]
    whole = pd.concat(parts, ignore_index=True)[columns]
    return whole.sort_values(["split", "level"], ascending=False, kind="stable", ignore_index=True)
