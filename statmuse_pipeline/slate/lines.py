"""Every line of a night: P(over), push, fair price and expected value, on quotes and where there is none."""

from __future__ import annotations

import datetime as dt
from typing import Protocol

import numpy as np
import pandas as pd

from statmuse_pipeline.betting.odds import expected_value, fair_price
from statmuse_pipeline.contracts import SLATE_LINES, check
from statmuse_pipeline.domain import Combination, Stat
from statmuse_pipeline.forecasting import Forecasts
from statmuse_pipeline.slate.inputs import QUOTE_AGE

QUOTE, SEASON, LONG_RUN = "quote", "season average", "long-run average"
"""Where a line comes from. LONG_RUN, the slow mean of all earlier games, stands in before a season's first game."""

KEY = ["game_id", "player_id", "stat"]


class Asked(Protocol):
    """Forecasts that tell probabilities of lines: of stats, or of stats and their sums."""

    @property
    def frame(self) -> pd.DataFrame:
        """game_id, player_id, stat, level of everything that is forecast."""

    def over(self, queries: pd.DataFrame) -> np.ndarray:
        """P(over) of every query."""

    def push(self, queries: pd.DataFrame) -> np.ndarray:
        """P(push) of every query."""


def tonights_quotes(quotes: pd.DataFrame, games: pd.DataFrame, now: dt.datetime) -> pd.DataFrame:
    """The newest quote of every book and line that was public at `now`, of the given games.

    Args:
        quotes: contracts.QUOTES (`level` may be missing).
        games: contracts.SCHEDULED_GAMES.
        now: the present moment; quotes captured later, or at no known moment, are not looked at.
    """
    known = quotes[quotes["game_id"].isin(games["game_id"]) & (quotes["captured_at"] <= pd.Timestamp(now))]
    newest = known.sort_values("captured_at", kind="stable").drop_duplicates([*KEY, "bookmaker", "line"], keep="last")
    return newest.sort_values([*KEY, "line", "bookmaker"], ignore_index=True)


def average_lines(forecasts: Forecasts, rows: pd.DataFrame) -> pd.DataFrame:
    """A line for every forecast, floor(average) + 0.5: game_id, player_id, stat, line, line_source.

    Args:
        forecasts: of the night.
        rows: the feature table's rows of these players: `{s}_season` and `{s}_ewm_03`.
    """
    parts = []
    for stat in Stat:
        keys = forecasts.keys(stat)[["game_id", "player_id", "stat"]]
        s = stat.column
        known = keys.merge(rows[["game_id", "player_id", f"{s}_season", f"{s}_ewm_03"]], on=["game_id", "player_id"])
        season, long_run = known[f"{s}_season"], known[f"{s}_ewm_03"]
        average = season.fillna(long_run)
        source = np.where(season.notna(), SEASON, LONG_RUN)
        parts.append(known[KEY].assign(line=np.floor(average.astype("float64")) + 0.5, line_source=source))
    lines = pd.concat(parts, ignore_index=True)
    return lines[lines["line"].notna()].reset_index(drop=True)


def price_lines(forecasts: Asked, quotes: pd.DataFrame, averages: pd.DataFrame, now: dt.datetime) -> pd.DataFrame:
    """Every quoted line, and the average line of what nobody quotes, with our probabilities.

    Args:
        forecasts: of the night, one level a game.
        quotes: of `tonights_quotes`, with `p_consensus`, `books`, `p_over_final` where the market view is known.
        averages: of `average_lines`.
        now: the present moment; a quote older than `inputs.QUOTE_AGE` is flagged.

    Returns:
        contracts.SLATE_LINES. Quotes of players who are not forecast (out, or unknown) are left out.
    """
    quoted = quotes.assign(line_source=QUOTE)
    unquoted = averages[~_keys(averages).isin(_keys(quotes))]
    lines = pd.concat([quoted, unquoted], ignore_index=True).reindex(columns=_ASKED)
    levels = forecasts.frame[[*KEY, "level"]]
    lines = lines.merge(levels, on=KEY, how="inner")
    old = lines["captured_at"] <= pd.Timestamp(now) - QUOTE_AGE
    flags = lines["hygiene"].fillna("").astype("str")
    flags = flags.mask(old & (flags == ""), "old quote").mask(old & (flags != ""), flags + "; old quote")
    return _priced(lines.assign(flags=flags), forecasts.over(lines), forecasts.push(lines))


def _priced(lines: pd.DataFrame, over: np.ndarray, push: np.ndarray) -> pd.DataFrame:
    # Forecasts are stored in single precision: what is left of 1 may be a hair below 0.
    under = np.clip(1.0 - over - push, 0.0, 1.0)
    decided = np.where(push < 1.0, 1.0 - push, np.nan)
    market = lines["p_over_final"].astype("float64")
    market_under = (1.0 - market - push).clip(lower=0.0)
    priced = lines.assign(
        p_over=over,
        p_push=push,
        p_under=under,
        fair_over=fair_price(over / decided),
        fair_under=fair_price(under / decided),
        ev_over=expected_value(over, lines["over_price"], push),
        ev_under=expected_value(under, lines["under_price"], push),
        ev_over_final=expected_value(market, lines["over_price"], push),
        ev_under_final=expected_value(market_under, lines["under_price"], push),
        books=lines["books"].fillna(0).astype("int64"),
    )
    order = {item.value: place for place, item in enumerate((*Stat, *Combination))}
    place = priced["stat"].map(order)
    priced = priced.assign(_place=place).sort_values(["game_id", "player_id", "_place", "line", "bookmaker"])
    typed = priced[list(SLATE_LINES.columns)].reset_index(drop=True)
    return check(SLATE_LINES, typed.astype({name: kind for name, kind in _TYPES.items() if name in typed}))


_ASKED = [
    *KEY, "line", "line_source", "bookmaker", "captured_at", "over_price", "under_price", "p_consensus", "books",
    "p_over_final", "hygiene",
]  # fmt: skip
_TYPES = {
    "bookmaker": "str", "line_source": "str", "captured_at": "datetime64[ns, UTC]", "over_price": "float64",
    "under_price": "float64", "flags": "str", "p_consensus": "float64", "p_over_final": "float64",
}  # fmt: skip


def _keys(frame: pd.DataFrame) -> pd.MultiIndex:
    return pd.MultiIndex.from_frame(frame[KEY].astype({"stat": "str"}))
