"""What the market says of tonight's quotes, with records and weights from earlier ones alone."""

from __future__ import annotations

import numpy as np
import pandas as pd

from statmuse_pipeline.betting.consensus import market_view
from statmuse_pipeline.betting.hygiene import quote_kind
from statmuse_pipeline.domain import Combination, Stat

HISTORY_DAYS = 400
"""Earlier quotes that a book's record and the weights of the blend rest on: a season and a summer."""


def add_market(tonight: pd.DataFrame, earlier: pd.DataFrame, weights: pd.DataFrame) -> pd.DataFrame:
    """Tonight's quotes with `p_consensus`, `books`, `p_over_final` and `hygiene`.

    Args:
        tonight: contracts.QUOTES with `p_over` and `p_push` of the night's forecasts.
        earlier: contracts.QUOTES of earlier days with `actual`. Only those of the same kinds of collection tell
            anything of a book's record, and are looked at.
        weights: of the blend, from an earlier `consensus.market_view`; empty where there is none: then the consensus
            is served alone.

    Returns:
        The rows of `tonight`; p_consensus as P(over | no push), p_over_final as P(over), NaN where neither a sound
        book nor we say anything; `hygiene` the reason why a quote can't be bet on ("" where it can).
    """
    if tonight.empty:
        empty = {"p_consensus": "float64", "books": "int64", "p_over_final": "float64", "hygiene": "str"}
        return tonight.assign(**{name: pd.Series(dtype=kind) for name, kind in empty.items()})
    kinds = {quote_kind(name) for name in tonight["quote_set"].unique()}
    first = tonight["game_date"].min()
    known = earlier[
        (earlier["game_date"] < first)
        & (earlier["game_date"] >= first - pd.Timedelta(days=HISTORY_DAYS))
        & earlier["quote_set"].isin([name for name in earlier["quote_set"].unique() if quote_kind(name) in kinds])
        & earlier["stat"].isin(tonight["stat"])
    ]
    names = [*tonight.columns, "actual"]  # earlier quotes need no forecast: the weights are known
    together = pd.concat([known.reindex(columns=names), tonight.assign(actual=float("nan"))], ignore_index=True)
    seen = market_view(together, weights=weights).quotes.tail(len(tonight)).set_axis(tonight.index)
    return tonight.assign(
        p_consensus=seen["p_consensus"],
        books=seen["books"],
        p_over_final=seen["p_over_final"],
        hygiene=seen["reason"].astype("str"),
    )


def no_weights() -> pd.DataFrame:
    """Weights of a blend that was never fitted."""
    return pd.DataFrame(columns=["kind", "stat", "late", "week", "markets", "intercept", "consensus", "ours"])


def with_actuals(quotes: pd.DataFrame, player_games: pd.DataFrame) -> pd.DataFrame:
    """The quotes of games that were played, with `actual`: what the player made of that stat or sum."""
    keys, names = ["game_id", "player_id"], [item.value for item in (*Stat, *Combination)]
    made = player_games[keys].assign(
        **{item.value: player_games[[part.column for part in item.parts]].sum(axis=1) for item in (*Stat, *Combination)}
    )
    joined = quotes.merge(made, on=keys, how="inner")
    place = pd.Index(names).get_indexer(pd.Index(joined["stat"]))
    actual = joined[names].to_numpy(dtype="float64")[np.arange(len(joined)), place]
    return joined.drop(columns=names).assign(actual=actual)
