"""Quotes for tests: a simulated market, and the real ones with a crude forecast."""

from __future__ import annotations

import re
import unicodedata
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import nbinom, poisson

from statmuse_pipeline.betting import odds
from statmuse_pipeline.betting.hygiene import information_level


def quote(**changes: object) -> dict[str, object]:
    """One sound quote: threes, 1.5, -110 both ways, four hours before tip-off."""
    return {
        "season": "2024-25",
        "game_id": "0022400001",
        "game_date": pd.Timestamp("2024-11-01"),
        "player_id": 1,
        "stat": "FG3M",
        "bookmaker": "alpha",
        "captured_at": pd.Timestamp("2024-11-01 20:00", tz="UTC"),
        "tipoff_utc": pd.Timestamp("2024-11-02 00:00", tz="UTC"),
        "line": 1.5,
        "over_price": -110.0,
        "under_price": -110.0,
        "quote_set": "threes_2024-25",
        "level": "pregame",
        "actual": 2.0,
        "season_average": 1.8,
        "p_over": 0.5,
        **changes,
    }


def frame(*rows: dict[str, object]) -> pd.DataFrame:
    """Quotes as a frame with the dtypes of contracts.QUOTES."""
    table = pd.DataFrame(list(rows))
    table["game_date"] = table["game_date"].astype("datetime64[ns]")
    for name in ("captured_at", "tipoff_utc"):
        table[name] = pd.to_datetime(table[name], utc=True).astype("datetime64[ns, UTC]")
    numbers = ["line", "over_price", "under_price", "actual", "season_average", "p_over"]
    return table.astype(dict.fromkeys(numbers, "float64"))


def simulated_market(
    days: int = 60,
    players: int = 20,
    seed: int = 7,
    market_noise: float = 0.25,
    our_noise: float = 0.25,
    bad_book: str | None = None,
) -> pd.DataFrame:
    """Threes of three books whose shared view of the player's mean is noisy, and our view, noisy on its own.

    A `bad_book` puts its prices on the wrong side.
    """
    rng = np.random.default_rng(seed)
    n = days * players
    day = np.repeat(np.arange(days), players)
    mean = rng.gamma(4, 0.5, n) + 0.3
    view = mean * np.exp(rng.normal(0, market_noise, n))
    ours = mean * np.exp(rng.normal(0, our_noise, n))
    base = pd.DataFrame(
        {
            "season": "2024-25",
            "game_id": [
                f"00224{d:03d}{p // 10:02d}" for d, p in zip(day, np.tile(np.arange(players), days), strict=True)
            ],
            "game_date": pd.Timestamp("2024-11-01") + pd.to_timedelta(day, unit="D"),
            "player_id": np.tile(np.arange(players), days) + 1,
            "stat": "FG3M",
            "line": np.maximum(np.floor(view), 0) + 0.5,
            "quote_set": "threes_2024-25",
            "level": "pregame",
            "actual": rng.poisson(mean).astype(float),
            "season_average": mean,
        }
    )
    base["tipoff_utc"] = base["game_date"].dt.tz_localize("UTC") + pd.Timedelta(hours=24)
    base["captured_at"] = base["tipoff_utc"] - pd.Timedelta(hours=4)
    base["p_over"] = poisson.sf(np.floor(base["line"]), ours)
    books = []
    for book in ("alpha", "beta", "gamma"):
        p = poisson.sf(np.floor(base["line"]), view * np.exp(rng.normal(0, 0.03, n)))
        p = np.clip(1 - p if book == bad_book else p, 0.1, 0.9)
        prices = {
            "over_price": np.round(odds.decimal_to_american(1 / (p * 1.06))),
            "under_price": np.round(odds.decimal_to_american(1 / ((1 - p) * 1.06))),
        }
        books.append(base.assign(bookmaker=book, **prices))
    quotes = pd.concat(books, ignore_index=True)
    for name in ("captured_at", "tipoff_utc"):
        quotes[name] = quotes[name].astype("datetime64[ns, UTC]")
    return quotes.assign(game_date=quotes["game_date"].astype("datetime64[ns]"))


def _plain(name: str) -> str:
    ascii_name = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower().replace(".", "")
    return re.sub(r"[^a-z]", "", re.sub(r"\b(jr|sr|ii|iii|iv)\b", "", ascii_name))


def _mean_of_earlier(logs: pd.DataFrame, by: list[str], stat: str) -> pd.Series:
    groups = logs.groupby(by)[stat]
    return (groups.cumsum() - logs[stat]) / groups.cumcount().replace(0, np.nan)


@pytest.fixture(scope="session")
def real_quotes(archive: Path) -> pd.DataFrame:
    """The threes and PRA quotes of two seasons that find their player-game by plain spelling.

    The forecast is a negative binomial around the mean of the player's earlier games: crude, and free of leaks.
    """
    logs = pd.concat(
        [pd.read_parquet(archive / "game_logs" / f"{s}.parquet") for s in ("2022-23", "2023-24", "2024-25")]
    )
    logs = logs[logs["MIN"] > 0].assign(PRA=lambda d: d["PTS"] + d["REB"] + d["AST"])
    logs["game_date"] = pd.to_datetime(logs["GAME_DATE"]).astype("datetime64[ns]")
    logs = logs.sort_values(["PLAYER_ID", "game_date"]).reset_index(drop=True)
    tips = pd.concat([pd.read_parquet(f) for f in sorted((archive / "schedule").glob("*.parquet"))])
    logs["tipoff_utc"] = logs["GAME_ID"].map(tips.drop_duplicates("GAME_ID").set_index("GAME_ID")["TIPOFF_UTC"])
    logs["key"] = logs["PLAYER_NAME"].map({name: _plain(name) for name in logs["PLAYER_NAME"].unique()})
    parts = []
    for file, stat in (("pra_closing_2023-24", "PRA"), ("pra_closing_2024-25", "PRA"), ("threes_3pm_2024-25", "FG3M")):
        mean, season = (_mean_of_earlier(logs, by, stat) for by in (["PLAYER_ID"], ["PLAYER_ID", "SEASON_ID"]))
        games = logs.assign(stat=stat, actual=logs[stat].astype(float), mean=mean, season_average=season)
        raw = pd.read_parquet(archive / "lines" / f"{file}.parquet").assign(quote_set=file)
        eastern = raw["commence_time"].fillna(raw["captured_at"]).dt.tz_convert("America/New_York")
        raw["game_date"] = eastern.dt.tz_localize(None).dt.normalize().astype("datetime64[ns]")
        raw["key"] = raw["player_name"].map({name: _plain(name) for name in raw["player_name"].unique()})
        parts.append(raw.merge(games, on=["key", "game_date"]))
    table = pd.concat(parts, ignore_index=True)
    table = table[table["mean"].notna() & table["over_price"].notna()].reset_index(drop=True)
    shape = np.where(table["stat"] == "PRA", 8.0, 6.0)
    table["p_over"] = nbinom.sf(np.floor(table["line"]), shape, shape / (shape + table["mean"]))
    table["median"] = nbinom.ppf(0.5, shape, shape / (shape + table["mean"]))
    table["season"] = table["quote_set"].str[-7:]
    table = table.rename(columns={"GAME_ID": "game_id", "PLAYER_ID": "player_id"})
    for name in ("captured_at", "tipoff_utc"):
        table[name] = pd.to_datetime(table[name], utc=True).astype("datetime64[ns, UTC]")
    table = table.assign(level=information_level(table))
    columns = ["season", "game_id", "game_date", "player_id", "stat", "bookmaker", "captured_at", "tipoff_utc", "line"]
    return table[
        [*columns, "over_price", "under_price", "quote_set", "level", "p_over", "median", "actual", "season_average"]
    ]
