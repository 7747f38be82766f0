"""Who plays and how long, as it was said before tip-off, against what happened.

Probabilities of not playing are judged by Brier score, minutes of those who played by bias and by how often their 80%
interval held them, and the kinds of night by the share that was said beside the share that came.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from statmuse_pipeline.domain import ROLES, role_of
from statmuse_pipeline.evaluation.playing_time import NIGHTS
from statmuse_pipeline.evaluation.slices import EVERY_ROLE
from statmuse_pipeline.modeling.absence import OUT
from statmuse_pipeline.modeling.playing_time import class_of
from statmuse_pipeline.participation import PARTICIPATION

TOLD_OUT = "told to be out"
GROUPS = (EVERY_ROLE, *ROLES, TOLD_OUT)
"""Everyone, and what everyone is made of: roles by expected minutes, and those whom a report had out."""

PLAYING_SUMS = (
    "asked", "absent", "expected", "kinds", "brier", "error", "inside80", "limited", "limited_said", "extended",
    "extended_said",
)  # fmt: skip
"""Columns of `PlayingGrades.sums`: players with a P(plays), those of them who did not play, those who played and had
expected minutes, and players of whom the kinds of night were told; then sums over the first, third and fourth."""

_KEYS = ("game_id", "player_id")


@dataclass(frozen=True)
class PlayingGrades:
    """One night's playing time, graded.

    Attributes:
        players: game_id, player_id, role (of GROUPS but the first), PARTICIPATION as it was said, min (0 for who did
            not play), played, brier (NaN where nothing was said), error (expected - actual minutes) and inside80 (both
            NaN for who did not play), and `night`, which kind it was.
        sums: one row each of GROUPS: `group` and PLAYING_SUMS, so that nights add up.
    """

    players: pd.DataFrame
    sums: pd.DataFrame


def grade_playing(players: pd.DataFrame, player_games: pd.DataFrame) -> PlayingGrades:
    """Grade what was said of the players of games that are over.

    Args:
        players: of `slate.players.slate_players`, made before tip-off, of games that were played and no others; what
            an earlier version did not tell counts as not said.
        player_games: contracts.PLAYER_GAMES with every row of these games.
    """
    told = players.reindex(columns=[*_KEYS, "status", *PARTICIPATION])
    table = told.merge(player_games[[*_KEYS, "min"]], on=list(_KEYS), how="left", validate="one_to_one")
    minutes = table["min"].astype("float64").fillna(0.0)
    played = minutes > 0
    inside = ((minutes >= table["min_lo80"]) & (minutes <= table["min_hi80"])).astype("float64")
    graded = played & table["exp_min"].notna()
    role = np.where(table["status"] == OUT, TOLD_OUT, role_of(table["exp_min"]))
    return _with_sums(
        table.assign(
            role=role,
            min=minutes,
            played=played,
            brier=(table["p_plays"] - played) ** 2,
            error=(table["exp_min"] - minutes).where(graded),
            inside80=inside.where(graded),
            night=class_of(minutes, table["usual_min"]),
        ).drop(columns="status")
    )


def playing_totals(nights: pd.DataFrame) -> pd.DataFrame:
    """Scores over nights: one row a group of `sums` put together.

    Returns:
        group, nights, asked, absent (share that did not play), brier, brier_base (of that share itself, said of
        everyone of the group: the best that one number could have done), expected (how many played whose minutes were
        expected), bias (minutes), cover80, and of limited and extended nights the share that came and the mean
        probability (`_said`), of all of whom they were told; NaN where there was nothing, and no group that nobody was
        in.
    """
    sums = nights.groupby("group")[list(PLAYING_SUMS)].sum()
    count = nights.groupby("group").size()
    sums = sums[sums["asked"] > 0]
    sums = sums.reindex([group for group in GROUPS if group in sums.index])
    asked, expected, kinds = (sums[name].replace(0, np.nan) for name in ("asked", "expected", "kinds"))
    absent = sums["absent"] / asked
    scores = pd.DataFrame(
        {
            "nights": count.reindex(sums.index),
            "asked": sums["asked"].astype("int64"),
            "absent": absent,
            "brier": sums["brier"] / asked,
            "brier_base": absent * (1 - absent),
            "expected": sums["expected"].astype("int64"),
            "bias": sums["error"] / expected,
            "cover80": sums["inside80"] / expected,
            **{f"{name}{end}": sums[f"{name}{end}"] / kinds for name in NIGHTS for end in ("", "_said")},
        }
    )
    return scores.rename_axis("group").reset_index()


def _with_sums(table: pd.DataFrame) -> PlayingGrades:
    parts = [(group, table if group == EVERY_ROLE else table[table["role"] == group]) for group in GROUPS]
    sums = pd.DataFrame([{"group": group, **_sums(own)} for group, own in parts], columns=["group", *PLAYING_SUMS])
    return PlayingGrades(table, sums)


def _sums(own: pd.DataFrame) -> dict[str, float]:
    asked = own[own["p_plays"].notna()]
    told = [f"p_{name}" for name in NIGHTS]
    kinds = own[own[["usual_min", *told]].notna().all(axis=1)]
    return {
        "asked": len(asked),
        "absent": int((~asked["played"]).sum()),
        "expected": int(own["error"].notna().sum()),
        "kinds": len(kinds),
        "brier": float(asked["brier"].sum()),
        "error": float(own["error"].sum()),
        "inside80": float(own["inside80"].sum()),
        **{name: int((kinds["night"] == name).sum()) for name in NIGHTS},
        **{f"{name}_said": float(kinds[f"p_{name}"].sum()) for name in NIGHTS},
    }
