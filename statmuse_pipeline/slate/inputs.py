"""What a slate rests on, how old it is, and what of it is stale.

| input | stale when |
|---|---|
| games | a game that was scheduled before the day is not loaded |
| features | they end before the newest game loaded |
| pooled models | they learned from no game of the `MODEL_LAG` before the newest one loaded |
| player models | the newest was recorded more than `MODEL_LAG` before the newest game loaded |
| injuries | there is no report, or the newest is older than `roster.REPORT_AGE` |
| quotes | there are none, or the newest is older than `QUOTE_AGE` |
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

import pandas as pd

from statmuse_pipeline.slate.games import EASTERN, OFF
from statmuse_pipeline.slate.roster import REPORT_AGE

MODEL_LAG = pd.Timedelta(days=8)
"""Models are renewed every week: a day later, a retraining that silently died is seen."""

QUOTE_AGE = pd.Timedelta(hours=12)
"""A line older than this says nothing about the market of the moment."""

NIGHT_ENDS = pd.Timedelta(hours=29)
"""The games of a day are over at 5 am Eastern of the next."""


@dataclass(frozen=True)
class InputTimes:
    """From when each input is, as far as known.

    Attributes:
        newest_game: day of the newest game in the warehouse.
        newest_features: day of the newest game with features.
        newest_learned: day of the newest game that the pooled models learned from.
        models_recorded: when the newest of the players' models was recorded.
        has_models: whether there are models of players at all.
        newest_report: when the newest injury report was published.
        newest_quote: when the newest quote was captured.
    """

    newest_game: pd.Timestamp | None = None
    newest_features: pd.Timestamp | None = None
    newest_learned: pd.Timestamp | None = None
    models_recorded: pd.Timestamp | None = None
    has_models: bool = False
    newest_report: pd.Timestamp | None = None
    newest_quote: pd.Timestamp | None = None


def input_ages(times: InputTimes, scheduled: pd.DataFrame, day: dt.date, now: dt.datetime) -> pd.DataFrame:
    """The table of inputs: input, as_of (UTC, NaT where there is none), age_hours, stale, note.

    Args:
        times: from when they are.
        scheduled: contracts.SCHEDULED_GAMES, as far back as known.
        day: the day of the slate.
        now: the present moment.
    """
    due = scheduled.loc[
        (scheduled["game_date"] < pd.Timestamp(day)) & ~scheduled["status"].isin(OFF), "game_date"
    ].max()
    moment = pd.Timestamp(now)
    game, features, learned = times.newest_game, times.newest_features, times.newest_learned
    behind = game is None or (pd.notna(due) and due > game)
    rows = [
        _row("games", _night(game), moment, behind, f"a game of {due:%Y-%m-%d} is not loaded" if behind else ""),
        _row("features", _night(features), moment, _lags(features, game, pd.Timedelta(0)), "newer games are loaded"),
        _row("pooled models", _night(learned), moment, _lags(learned, game, MODEL_LAG), "a weekly renewal is missing"),
        _row(
            "player models",
            times.models_recorded,
            moment,
            _lags(times.models_recorded, _night(game), MODEL_LAG),
            "a weekly renewal is missing",
        ),
        _row("injuries", times.newest_report, moment, _old(times.newest_report, moment, REPORT_AGE), "no newer report"),
        _row("quotes", times.newest_quote, moment, _old(times.newest_quote, moment, QUOTE_AGE), "no newer quote"),
    ]
    if times.has_models and times.models_recorded is None:
        rows[3] = (*rows[3][:4], "it is not known when they were made")
    frame = pd.DataFrame(rows, columns=["input", "as_of", "age_hours", "stale", "note"])
    return frame.assign(as_of=pd.to_datetime(frame["as_of"], utc=True).astype("datetime64[ns, UTC]"))


def _row(
    name: str, as_of: pd.Timestamp | None, now: pd.Timestamp, stale: bool, why: str
) -> tuple[str, pd.Timestamp | None, float, bool, str]:
    if as_of is None or pd.isna(as_of):
        return name, None, float("nan"), True, "there are none"
    # What was made after the moment that counts as now, as in a replay, has no age.
    age = max((now - as_of) / pd.Timedelta(hours=1), 0.0)
    return name, as_of, age, stale, why if stale else ""


def _night(day: pd.Timestamp | None) -> pd.Timestamp | None:
    """The end of a game day, UTC."""
    if day is None or pd.isna(day):
        return None
    return (day + NIGHT_ENDS).tz_localize(EASTERN).tz_convert("UTC")


def _lags(as_of: pd.Timestamp | None, newest: pd.Timestamp | None, allowed: pd.Timedelta) -> bool:
    return as_of is not None and newest is not None and as_of < newest - allowed


def _old(as_of: pd.Timestamp | None, now: pd.Timestamp, allowed: pd.Timedelta) -> bool:
    return as_of is not None and as_of < now - allowed
