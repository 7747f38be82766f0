"""The modelling choices that are measured, and the means that each of them gives."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from statmuse_pipeline.domain import EXPECTED_MINUTES, InformationLevel
from statmuse_pipeline.features.minutes import add_minutes_forecasts
from statmuse_pipeline.modeling.prior import PENALTY, REFIT_DAYS, RELEASED, RidgeSettings

PREGAME, TIPOFF = InformationLevel.PREGAME, InformationLevel.TIPOFF

LAST_GAME, BOX_SCORES = "last game", "box scores"
"""Feature tables that expect of the mates who played the last game, or those whom box scores alone make likely."""

_LINEUPS = tuple(f"{name}_{what}" for name in ("tip_like", "tip_alike", "like") for what in ("min", "gain", "games"))


@dataclass(frozen=True)
class Choice:
    """One thing done differently from what is released, all else alike.

    Attributes:
        group: what it is about.
        name: of the row.
        changed: what is done differently, in a few words.
        level: what the forecasts may know.
        settings: of the ridge.
        refit_days: between two fits of the ridge.
        prepare: feature table, seed -> feature table; None leaves it as it is.
        table: name of another feature table of the study, where it has one, to prepare instead of the released one.
        slow: left out of a quick run.
        earlier: whether the ridge begins with what earlier seasons taught.
    """

    group: str
    name: str
    changed: str
    level: InformationLevel = TIPOFF
    settings: RidgeSettings = RELEASED
    refit_days: int = REFIT_DAYS
    prepare: Callable[[pd.DataFrame, int], pd.DataFrame] | None = None
    table: str | None = None
    slow: bool = False
    earlier: bool = True


def blanked(features: pd.DataFrame, prefixes: Sequence[str]) -> pd.DataFrame:
    """The feature table with nothing known in the columns of those prefixes: trees find no split there."""
    names = [str(name) for name in features if str(name).startswith(tuple(prefixes))]
    return features.assign(**dict.fromkeys(names, np.float32(np.nan)))


def _without_lineups(features: pd.DataFrame, seed: int) -> pd.DataFrame:
    return add_minutes_forecasts(blanked(features, _LINEUPS), seed)


def _trees_alone(features: pd.DataFrame, seed: int) -> pd.DataFrame:
    return add_minutes_forecasts(features, seed, share=0.0)


def _networks_alone(features: pd.DataFrame, seed: int) -> pd.DataFrame:
    return add_minutes_forecasts(features, seed, share=1.0)


def _columns_alone(features: pd.DataFrame, seed: int) -> pd.DataFrame:
    return features.assign(tip_exp_min=features["tip_exp_min_columns"])


def _with_running_error(features: pd.DataFrame, seed: int) -> pd.DataFrame:
    return features.assign(exp_min_pregame=features["exp_min_fitted"])


def _moving_average(features: pd.DataFrame, seed: int) -> pd.DataFrame:
    return features.assign(**dict.fromkeys(EXPECTED_MINUTES.values(), features["min_ewm_10"]))


def _known_minutes(features: pd.DataFrame, seed: int) -> pd.DataFrame:
    return features.assign(**dict.fromkeys(EXPECTED_MINUTES.values(), features["min"]))


def _without(*patterns: str) -> RidgeSettings:
    return RidgeSettings(without=patterns)


_OPPONENT = ("*opp_*", "*opponents_*")
_COMPANY = ("usual_*mates_*_new", "usual_*opponents_*", "minutes?like_*_gain")
_ABSENCES = ("*tip_*",)

CHOICES: tuple[Choice, ...] = (
    Choice("minutes", "no attention", "minutes without features/attention.py, which serves from the third season on",
           prepare=_columns_alone),
    Choice("minutes", "no earlier seasons", "minutes learned from the seasons that are forecast alone",
           prepare=add_minutes_forecasts, slow=True),
    Choice("minutes", "no earlier seasons, pregame", "minutes learned from the seasons that are forecast alone",
           PREGAME, prepare=add_minutes_forecasts, slow=True),
    Choice("absences", "as in the last game, pregame", "nor earlier seasons: who played the last game is expected",
           PREGAME, prepare=add_minutes_forecasts, table=LAST_GAME, slow=True),
    Choice("absences", "no injury transactions, pregame", "nor earlier seasons: expected is who is so by box scores",
           PREGAME, prepare=add_minutes_forecasts, table=BOX_SCORES, slow=True),
    Choice("minutes", "trees alone", "nor earlier seasons: minutes without features/networks.py",
           prepare=_trees_alone, slow=True),
    Choice("minutes", "trees alone, pregame", "nor earlier seasons: minutes without features/networks.py", PREGAME,
           prepare=_trees_alone, slow=True),
    Choice("minutes", "networks alone", "nor earlier seasons: minutes without trees",
           prepare=_networks_alone, slow=True),
    Choice("minutes", "networks alone, pregame", "nor earlier seasons: minutes without trees", PREGAME,
           prepare=_networks_alone, slow=True),
    Choice("minutes", "no like line-ups", "nor earlier seasons: minutes without features/lineup.py",
           prepare=_without_lineups, slow=True),
    Choice("minutes", "no like line-ups, pregame", "nor earlier seasons: minutes without features/lineup.py", PREGAME,
           prepare=_without_lineups, slow=True),
    Choice("minutes", "no running error, pregame", "minutes without features/running_error.py", PREGAME,
           prepare=_with_running_error),
    Choice("minutes", "moving average", "no model of minutes: their exponentially weighted mean",
           prepare=_moving_average),
    Choice("minutes", "moving average, pregame", "no model of minutes: their exponentially weighted mean", PREGAME,
           prepare=_moving_average),
    Choice("design", "no earlier seasons in the ridge", "the ridge begins with the first season that is forecast",
           earlier=False),
    Choice("design", "no earlier seasons in the ridge, pregame", "the ridge begins with the first season forecast",
           PREGAME, earlier=False),
    Choice("design", "no opponent", "no column about the opponent", settings=_without(*_OPPONENT)),
    Choice("design", "no absences", "absences in the forecast of minutes only", settings=_without(*_ABSENCES)),
    Choice("design", "no line-up rates", "not what mates and opponents make, nor rates in like games",
           settings=_without(*_COMPANY)),
    Choice("design", "no line-up rates, pregame", "not what mates and opponents make, nor rates in like games",
           PREGAME, settings=_without(*_COMPANY)),
    Choice("design", "no fast rates", "no rates of the last weeks", settings=_without("lately_*", "*_ewm_10"),
           slow=True),
    Choice("design", "no context", "home, pace, rest and ratings only through minutes",
           settings=_without("usual_*home", "opp_pace_20", "back_to_back", "usual_*opp_def_rating"),
           slow=True),
    Choice("design", "no advanced metrics", "no usage, shooting, shares and ratings times minutes",
           settings=_without("minutes?*_10", "minutes?*_03"), slow=True),
    Choice("design", "no late losses, pregame", "losing teams late in a season play like any other", PREGAME,
           settings=_without("minutes?late_losses")),
    Choice("design", "no last games, pregame", "whoever plays in a season's last games makes no more than before",
           PREGAME, settings=_without("minutes?last_games")),
    Choice("penalty", "penalty x 1/4", f"{PENALTY / 4:g} instead of {PENALTY:g}",
           settings=RidgeSettings(penalty=PENALTY / 4), slow=True),
    Choice("penalty", "penalty x 4", f"{PENALTY * 4:g} instead of {PENALTY:g}",
           settings=RidgeSettings(penalty=PENALTY * 4)),
    Choice("forgetting", "no forgetting", "all games count alike", settings=RidgeSettings(half_life_days=np.inf)),
    Choice("forgetting", "half life of 250 days", "half as long", settings=RidgeSettings(half_life_days=250.0),
           slow=True),
    Choice("refits", "every 28 days", f"instead of {REFIT_DAYS}", refit_days=28),
    Choice("remaining error", "minutes known", "an oracle, no forecast: minutes as they were played, for what is left",
           prepare=_known_minutes),
)  # fmt: skip
"""Every choice about means; the families of distributions are in `families.py`."""
