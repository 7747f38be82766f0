"""Which quotes may be believed and which may be bet on, decided by rules and never by names.

A quote gets at most one reason, the first that applies. Unsound quotes say nothing about the game and
take part in nothing. Sound quotes may stand in the consensus, yet some of those can't be bet on: they
were captured too late, or their book has not shown enough yet, or they are not the book's main line.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
import pandas as pd

from statmuse_pipeline.betting import odds
from statmuse_pipeline.domain import InformationLevel, PipelineError

OVERROUND_RANGE = (-0.01, 0.15)
"""Margins outside are no two-way market: real books keep 2 to 13%, pick'em apps show a constant 15.6%."""

MINIMUM_RECORD = 300
"""Resolved main lines a book must have on earlier dates before its record is judged; until then: probation."""

COIN_BRIER = 0.25
"""The Brier score of always saying one half."""

WORSE_SIGMAS = 1.645
"""How many standard errors a record must lie above the coin's. With none, chance alone bars about every
third sound book: main lines score 0.2495, and 300 of them have a standard error of 0.003."""

NEWS_WINDOW = pd.Timedelta(minutes=30)
"""Teams hand in their inactive lists half an hour before tip-off (NBA Operations Manual)."""

SNAPSHOT = "10min"
"""Quotes of one collection captured within one such interval count as seen together."""

EASTERN = "America/New_York"

NIGHT = pd.Timedelta(hours=5)
"""The last games of a day end well before 5 am Eastern; until then the day is not over."""

MARKET = ["quote_set", "game_id", "player_id", "stat"]
"""What is quoted: the columns that all quotes of one market share."""

UNSOUND = (
    "impossible line",
    "one-sided quote",
    "impossible price",
    "overround out of range",
    "duplicate",
    "book worse than a coin",
)
"""Reasons that bar a quote from bets and from the consensus."""

UNBETTABLE = ("captured at or after tip-off", "not provably before tip-off", "book on probation", "not the main line")
"""Reasons that bar a quote from bets alone."""


@dataclass(frozen=True)
class Screened:
    """Quotes with a verdict each.

    Attributes:
        quotes: the input rows, same index, with the columns added `overround`, `no_vig` (P(over | no push)),
            `moment` (when the quote could be acted on: the last capture of its snapshot, which must lie before
            tip-off), `decided_on` (outcomes of earlier game dates were known then), `main_line`, `sound` (may stand
            in the consensus) and `reason` ("" = may be bet on).
    """

    quotes: pd.DataFrame

    @property
    def kept(self) -> pd.DataFrame:
        """The quotes that may be bet on."""
        return self.quotes[self.quotes["reason"] == ""]

    @property
    def exclusions(self) -> pd.DataFrame:
        """Columns reason, quote_set, quotes (a count); sorted."""
        out = self.quotes[self.quotes["reason"] != ""]
        return out.groupby(["reason", "quote_set"], as_index=False).size().rename(columns={"size": "quotes"})


def information_level(quotes: pd.DataFrame) -> pd.Series:
    """The level whose news was public at capture: "tipoff" from 30 minutes before tip-off on, else "pregame".

    A quote without capture time or tip-off is "pregame": nothing more can be proven. Quotes captured after
    tip-off are "tipoff" (what was public before stays public); they can't be bet on anyway.
    """
    captured = pd.to_datetime(quotes["captured_at"], utc=True)
    late_enough = (captured >= pd.to_datetime(quotes["tipoff_utc"], utc=True) - NEWS_WINDOW).fillna(False)
    names = np.where(late_enough, InformationLevel.TIPOFF.value, InformationLevel.PREGAME.value)
    return pd.Series(names, index=quotes.index, dtype="str", name="level")


def quote_kind(quote_set: str) -> str:
    """The kind of a collection, whatever its season: `points_12h_2023-24` -> `points_12h`."""
    return re.sub(r"_\d{4}(-.*)?$", "", quote_set)


def with_outcomes(quotes: pd.DataFrame, outcomes: pd.DataFrame | None) -> pd.DataFrame:
    """The quotes with a column `actual`, taken from outcomes[game_id, player_id, stat, actual] by key.

    Raises:
        PipelineError: when there is neither an `actual` column nor outcomes, or an index or key is not unique.
    """
    if not quotes.index.is_unique:
        raise PipelineError("Quotes need a unique index to be screened: call reset_index(drop=True) first.")
    if outcomes is None:
        if "actual" not in quotes:
            raise PipelineError("Quotes without a column `actual` can't be screened: pass the outcomes.")
        return quotes.copy()
    keys = ["game_id", "player_id", "stat"]
    truth = outcomes[[*keys, "actual"]].drop_duplicates()
    if truth.duplicated(keys).any():
        raise PipelineError("Outcomes give two values for one player, game and stat: the log has duplicates.")
    joined = quotes.drop(columns="actual", errors="ignore").merge(truth, on=keys, how="left", validate="many_to_one")
    return joined.set_axis(quotes.index)


def screen(quotes: pd.DataFrame, outcomes: pd.DataFrame | None = None) -> Screened:
    """Judge every quote.

    Args:
        quotes: contracts.QUOTES; the whole history, since a book is judged on its earlier quotes.
        outcomes: DataFrame[game_id, player_id, stat, actual]; None when the quotes have a column `actual`.

    Raises:
        PipelineError: when the index is not unique or no outcomes are given.
    """
    table = with_outcomes(quotes, outcomes)
    table["overround"] = odds.overround(table["over_price"], table["under_price"])
    table["no_vig"] = odds.no_vig(table["over_price"], table["under_price"])
    table["moment"] = _moments(table)
    table["decided_on"] = _decided_on(table)
    reason = _intrinsic_reasons(table)
    table["main_line"] = _main_lines(table, reason == "")
    brier, error, resolved = _book_records(table, table["main_line"])
    judged = resolved >= MINIMUM_RECORD
    worse = judged & (brier - WORSE_SIGMAS * error > COIN_BRIER)
    reason = reason.mask((reason == "") & worse, "book worse than a coin")
    late = (table["moment"] >= table["tipoff_utc"]).fillna(False)
    unproven = table["moment"].isna() | table["tipoff_utc"].isna()
    for name, applies in zip(UNBETTABLE, (late, unproven, ~judged, ~table["main_line"]), strict=True):
        reason = reason.mask((reason == "") & applies, name)
    return Screened(table.assign(sound=~reason.isin(UNSOUND), reason=reason))


def _moments(quotes: pd.DataFrame) -> pd.Series:
    """The last capture time among a market's quotes of the same ten minutes."""
    bins = quotes["captured_at"].dt.floor(SNAPSHOT)
    return quotes.groupby([*(quotes[name] for name in MARKET), bins], dropna=False)["captured_at"].transform("max")


def _decided_on(quotes: pd.DataFrame) -> pd.Series:
    """The Eastern day of capture or of the game, whichever is first: outcomes of earlier days were known then."""
    night = quotes["captured_at"].dt.tz_convert(EASTERN).dt.tz_localize(None) - NIGHT
    captured = night.dt.normalize()
    day = captured.where(captured < quotes["game_date"], quotes["game_date"])
    return day.astype("datetime64[ns]")


def _intrinsic_reasons(quotes: pd.DataFrame) -> pd.Series:
    """What is wrong with a quote taken by itself, or beside its copies; "" where nothing is."""
    line, over, under = quotes["line"], quotes["over_price"], quotes["under_price"]
    lowest, highest = OVERROUND_RANGE
    rules = [
        (line.isna() | (line < 0) | (line * 2 % 1 != 0), "impossible line"),
        (over.isna() | under.isna(), "one-sided quote"),
        (~(odds.is_price(over) & odds.is_price(under)), "impossible price"),
        (~quotes["overround"].between(lowest, highest), "overround out of range"),
    ]
    names = np.select([np.asarray(applies, dtype=bool) for applies, _ in rules], [name for _, name in rules], "")
    reason = pd.Series(names, index=quotes.index, dtype="str")
    # Which of two prices of one book, line and moment was real can't be known: the less generous one stays.
    fine = quotes[reason == ""].sort_values(["overround", "over_price"], ascending=False, kind="stable")
    copies = fine.index[fine.duplicated([*MARKET, "bookmaker", "captured_at", "line"])]
    return reason.mask(quotes.index.isin(copies), "duplicate")


def _main_lines(quotes: pd.DataFrame, candidates: pd.Series) -> pd.Series:
    """Whether a quote is its book's main line: the one nearest to even, then of the lower margin and line."""
    table = quotes.loc[candidates, [*MARKET, "bookmaker", "captured_at", "line", "overround"]]
    # Rounded, so that prices equally far from even tie whatever the last bit says.
    table["uneven"] = (quotes.loc[candidates, "no_vig"] - 0.5).abs().round(9)
    table = table.sort_values(["uneven", "overround", "line"], kind="stable")
    first = table.index[~table.duplicated([*MARKET, "bookmaker", "captured_at"])]
    return pd.Series(quotes.index.isin(first), index=quotes.index)


def _book_records(quotes: pd.DataFrame, counted: pd.Series) -> tuple[pd.Series, pd.Series, pd.Series]:
    """Brier score, its standard error and the number of each book's main lines of the same kind and stat that
    were resolved before `decided_on`."""
    kinds = {name: quote_kind(name) for name in quotes["quote_set"].unique()}
    by = ["kind", "stat", "bookmaker"]
    table = quotes.assign(kind=quotes["quote_set"].map(kinds))
    resolved = table[counted & table["actual"].notna() & (table["actual"] != table["line"])]
    error = (resolved["no_vig"] - (resolved["actual"] > resolved["line"])) ** 2
    sums = resolved[[*by, "game_date"]].assign(n=1.0, total=error, squares=error**2)
    record = sums.groupby([*by, "game_date"]).sum().groupby(level=by).cumsum().reset_index()
    found = known_before(quotes["decided_on"], table[by], record)
    mean = found["total"] / found["n"]
    spread = (found["squares"] / found["n"] - mean**2).clip(lower=0)
    return mean, (spread / found["n"]) ** 0.5, found["n"].fillna(0)


def known_before(decided_on: pd.Series, keys: pd.DataFrame, running: pd.DataFrame) -> pd.DataFrame:
    """The last row of running sums before a day: walk-forward look-up.

    Args:
        decided_on: the day of each row; only rows of `running` with an earlier `game_date` may be seen.
        keys: key columns, aligned with decided_on.
        running: key columns, `game_date` and sums up to and including that date.

    Returns:
        The columns of `running`, aligned with decided_on, NaN where nothing was known.
    """
    by = list(keys.columns)
    asked = keys.assign(_decided_on=decided_on).rename_axis("_row").reset_index()
    asked = asked.sort_values("_decided_on", kind="stable")
    found = pd.merge_asof(
        asked,
        running.sort_values("game_date", kind="stable"),
        left_on="_decided_on",
        right_on="game_date",
        by=by,
        allow_exact_matches=False,
    )
    return found.set_index("_row").drop(columns="_decided_on").reindex(decided_on.index)
