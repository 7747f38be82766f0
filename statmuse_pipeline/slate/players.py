"""The players of a night with everything a reader must know about their forecasts."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any

import pandas as pd

from statmuse_pipeline.domain import MINIMUM_HISTORY, InformationLevel
from statmuse_pipeline.forecasting import Forecasts
from statmuse_pipeline.participation import PARTICIPATION
from statmuse_pipeline.slate.inputs import MODEL_LAG
from statmuse_pipeline.slate.roster import OUT, REPORT_AGE, ROSTER_DAYS, UNDECIDED, UNKNOWN

TOUCHES_FORECASTS = ("games", "features", "pooled models")
"""Inputs whose age every forecast shares."""

COLUMNS = (
    "game_id", "game_date", "player_id", "player_name", "team_id", "opponent_team_id", "is_home", "status",
    "reported_at", "level", "forecast", "model", "games_before", "last_played", "made_at", "flags",
)  # fmt: skip


def slate_players(
    rows: pd.DataFrame,
    features: pd.DataFrame,
    forecasts: Forecasts | None,
    levels: dict[str, InformationLevel],
    recorded_at: pd.Series,
    inputs: pd.DataFrame,
    now: dt.datetime,
    playing: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """One row a player, those who are out among them.

    Args:
        rows: of `roster.with_statuses`.
        features: the feature table's rows of those who are not out.
        forecasts: of the night, None where there are none.
        levels: game_id -> information level.
        recorded_at: player_id -> when his own models were recorded; players without models are missing.
        inputs: of `inputs.input_ages`.
        now: the present moment.
        playing: PARTICIPATION, indexed by player_id; None where that is not known.

    Returns:
        `COLUMNS` and `PARTICIPATION`: `forecast` whether there is one, `model` "player", "prior" or "" and `flags` what
        is out of the ordinary, separated by "; ", "" where nothing is.
    """
    known = features.set_index("player_id")["games_before"]
    served = pd.Series(dtype="str") if forecasts is None else _model_of(forecasts.frame)
    table = rows.assign(
        level=rows["game_id"].map({game: level.value for game, level in levels.items()}),
        games_before=rows["player_id"].map(known),
        forecast=rows["player_id"].isin(served.index),
        model=rows["player_id"].map(served).fillna("").astype("str"),
        recorded_at=recorded_at.reindex(rows["player_id"]).set_axis(rows.index),
        made_at=pd.Timestamp(now),
    )
    stale = [name for name in inputs.loc[inputs["stale"], "input"] if name in TOUCHES_FORECASTS]
    shared = f"stale {', '.join(stale)}" if stale else ""
    flags = ["; ".join(part for part in [*_flags(row, now), shared] if part) for row in table.to_dict("records")]
    table = table.assign(flags=pd.Series(flags, index=table.index, dtype="str"))
    typed = table[list(COLUMNS)].astype({"made_at": "datetime64[ns, UTC]", "games_before": "float64", "level": "str"})
    told = pd.DataFrame(columns=list(PARTICIPATION), dtype="float64") if playing is None else playing
    return typed.reset_index(drop=True).join(told[list(PARTICIPATION)].astype("float64"), on="player_id")


def _model_of(frame: pd.DataFrame) -> pd.Series:
    """player_id -> "player" where at least one stat has his own model."""
    own = (frame["model"] == "player").groupby(frame["player_id"]).any()
    return own.map({True: "player", False: "prior"})


def _flags(row: Mapping[Any, Any], now: dt.datetime) -> list[str]:
    status, played = row["status"], row["last_played"]
    if status == OUT:
        return ["out"]
    flags = []
    if status == UNKNOWN:
        flags.append("status unknown")
    elif status in UNDECIDED:
        flags.append(str(status).lower())
    if status != UNKNOWN and row["reported_at"] <= pd.Timestamp(now) - REPORT_AGE:
        flags.append("old injury report")
    if not row["forecast"]:
        flags.append("no forecast")
    elif row["model"] == "prior":
        flags.append("no own model")
    elif pd.notna(played) and _model_age(row) > MODEL_LAG:
        flags.append("own model is old")
    if pd.isna(played):
        flags.append("no earlier game")
    elif row["games_before"] < MINIMUM_HISTORY:
        flags.append("few earlier games")
    if pd.notna(played) and row["game_date"] - played > pd.Timedelta(days=ROSTER_DAYS):
        flags.append(f"last played {played:%Y-%m-%d}")
    return flags


def _model_age(row: Mapping[Any, Any]) -> pd.Timedelta:
    """From the day his own models were recorded to his last game; not positive where they are newer."""
    if pd.isna(row["recorded_at"]):
        return pd.Timedelta(0)
    recorded = row["recorded_at"].tz_convert("America/New_York").tz_localize(None).normalize()
    age: pd.Timedelta = row["last_played"] - recorded
    return age
