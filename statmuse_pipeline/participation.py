"""Who will play in the games to come, for how long, and what kind of night it may be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from statmuse_pipeline.domain import EXPECTED_MINUTES, InformationLevel
from statmuse_pipeline.features.roster import LISTED, LISTED_CODES
from statmuse_pipeline.modeling.absence import OUT, AbsenceModel
from statmuse_pipeline.modeling.playing_time import USUAL, MinutesShape, minutes_forecasts

PARTICIPATION = ("p_plays", "usual_min", "exp_min", "min_lo80", "min_hi80", "p_limited", "p_normal", "p_extended")
"""Columns of `forecast_participation`."""

_NAMES = {
    "mean": "exp_min", "lo80": "min_lo80", "hi80": "min_hi80",
    "limited": "p_limited", "normal": "p_normal", "extended": "p_extended",
}  # fmt: skip


@dataclass(frozen=True)
class ParticipationModels:
    """What a night is asked with.

    Attributes:
        plain: P(plays) from box scores alone.
        listed: the same that also knows under which status a list of transactions has a player; None where there was
            no such list to learn from.
        shapes: minutes given that he plays, at each level.
    """

    plain: AbsenceModel
    listed: AbsenceModel | None
    shapes: Mapping[InformationLevel, MinutesShape]


def chances_before(
    models: ParticipationModels,
    roster: pd.DataFrame,
    rows: pd.DataFrame,
    levels: Mapping[str, InformationLevel],
    transactions: pd.Series | None = None,
) -> pd.DataFrame:
    """How likely everyone in the games of a night is to play, for `features.table.build_features`.

    In a game at pregame level an official report counts as far as it goes. At tip-off level the columns of the tip-off
    know what it says, and those from before the day are what they would have been without it: forecasts have learned
    what absences add to them. A list of transactions is of the days before, and counts at both.

    Arguments as of `forecast_participation`.

    Returns:
        game_id, player_id, p_plays; NaN of a player without an earlier game.
    """
    known = roster.set_index("player_id").reindex(rows["player_id"])
    own = _by_model(models, known, rows, transactions)
    told = own if transactions is not None else models.plain.with_reports(own, list(rows["status"]), known["usual_min"])
    before = (rows["game_id"].map(levels) == InformationLevel.PREGAME).to_numpy()
    return rows[["game_id", "player_id"]].assign(p_plays=np.where(before, told, own))


def _by_model(
    models: ParticipationModels, known: pd.DataFrame, rows: pd.DataFrame, transactions: pd.Series | None
) -> np.ndarray:
    """P(plays) from box scores, and from transactions of the days before."""
    if transactions is None or models.listed is None:
        return models.plain.p_plays(known)
    codes = rows["player_id"].map(transactions).map(LISTED_CODES).fillna(0.0)
    return models.listed.p_plays(known.assign(**{LISTED: codes.to_numpy()}))


def forecast_participation(
    models: ParticipationModels,
    roster: pd.DataFrame,
    rows: pd.DataFrame,
    features: pd.DataFrame,
    levels: Mapping[str, InformationLevel],
    transactions: pd.Series | None = None,
) -> pd.DataFrame:
    """P(plays), minutes and kind of night of everyone in the games of a night.

    Args:
        models: fitted on games before.
        roster: of `features.roster.roster_features` for the rows.
        rows: game_id, player_id, status: an official report's word where there is one; out is out whoever says so.
        features: of those who are not out, with expected minutes.
        levels: game_id -> information level.
        transactions: player_id -> status, where statuses come from a list of transactions and not from an official
            report: then the model that has learned what they are worth is asked.

    Returns:
        PARTICIPATION, indexed by player_id in the order of the rows. P(plays) is 0 of who is out and NaN of a player
        without an earlier game; usual minutes are those that a limited or extended night is measured by, and NaN of him
        too; expected minutes and their 80% interval are given that he plays, NaN where nothing is
        expected; p_limited + p_normal + p_extended = p_plays.
    """
    known = roster.set_index("player_id").reindex(rows["player_id"])
    own, status = _by_model(models, known, rows, transactions), rows["status"].to_numpy(dtype=object)
    if transactions is not None and models.listed is not None:
        # The model knows what the other words of a list are worth.
        status = np.where(status == OUT, status, "")
    plays = pd.Series(models.plain.with_reports(own, list(status), known["usual_min"]), index=known.index)
    parts = []
    for level in InformationLevel:
        here = (features["game_id"].map(levels) == level) & features[EXPECTED_MINUTES[level]].notna()
        mine = features[here]
        minutes = models.shapes[level].distribution(mine)
        told = minutes_forecasts(minutes, mine[USUAL], plays.reindex(mine["player_id"]))
        parts.append(told.set_axis(pd.Index(mine["player_id"])))
    table = pd.concat(parts)[list(_NAMES)].rename(columns=_NAMES).reindex(known.index)
    table = table.assign(p_plays=plays, usual_min=known["usual_min"].astype("float64"))
    table.loc[table["p_plays"] == 0, ["p_limited", "p_normal", "p_extended"]] = 0.0
    return table[list(PARTICIPATION)]
