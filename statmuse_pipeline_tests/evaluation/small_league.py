"""A league of a dozen players with noise for a box score: raw logs, their features and forecasts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from statmuse_pipeline.domain import LADDER, LARGEST_COUNT, Stat

BOX = ("PTS", "REB", "AST", "FG3M", "STL", "BLK", "TOV")


@dataclass(frozen=True)
class SmallLeague:
    logs: pd.DataFrame
    """LeagueGameLog columns, one row a player and game, some with MIN 0."""
    features: pd.DataFrame
    """The columns of the feature table that scores need."""
    forecasts: pd.DataFrame
    survival: dict[Stat, np.ndarray]
    """P(Y > k) of every forecast row of a stat, in the order of `forecasts` of that stat."""
    ladder: pd.DataFrame
    quotes: pd.DataFrame


def small_league(players: int = 12, games: int = 40, seed: int = 5) -> SmallLeague:
    generator = np.random.default_rng(seed)
    logs = _logs(generator, players, games)
    features = features_of(logs)
    forecasts, survival, ladder = _forecasts(generator, features)
    return SmallLeague(logs, features, forecasts, survival, ladder, _quotes(generator, features, ladder))


def _logs(generator: np.random.Generator, players: int, games: int) -> pd.DataFrame:
    rates = dict(zip(BOX, (14, 5, 4, 1.5, 0.8, 0.5, 1.6), strict=True))
    rows = []
    for game in range(games):
        date = pd.Timestamp("2024-10-22") + pd.Timedelta(days=int(game // 2 * 2))
        for player in range(players):
            if generator.random() < 0.1:
                continue
            minutes = 0 if generator.random() < 0.05 else int(generator.integers(8, 40))
            box = {s: int(generator.poisson(rate * minutes / 30 * (0.5 + player / 8))) for s, rate in rates.items()}
            rows.append(
                {"GAME_ID": f"00224{game:05d}", "GAME_DATE": date, "PLAYER_ID": 100 + player, "MIN": minutes, **box}
            )
    return pd.DataFrame(rows).assign(SEASON="2024-25", PLAYER_NAME=lambda d: "Player " + d["PLAYER_ID"].astype(str))


def features_of(logs: pd.DataFrame) -> pd.DataFrame:
    """The columns of the feature table that scores need, from raw logs with SEASON."""
    table = logs.rename(columns=str.lower).sort_values(["player_id", "game_date", "game_id"], ignore_index=True)
    table["pra"] = table["pts"] + table["reb"] + table["ast"]
    by_player = table[table["min"] > 0].groupby("player_id")
    for stat in Stat:
        values = by_player[stat.column]
        for name, means in (("ewm_10", values.ewm(alpha=0.1).mean()), ("season", values.expanding().mean())):
            table[f"{stat.column}_{name}"] = means.groupby(level=0).shift(1).droplevel(0)
    # Rows without minutes count nowhere, whatever stands there.
    table["games_before"] = by_player.cumcount().reindex(table.index, fill_value=99)
    return table.sort_values(["game_date", "game_id", "player_id"], ignore_index=True)


def _forecasts(
    generator: np.random.Generator, features: pd.DataFrame
) -> tuple[pd.DataFrame, dict[Stat, np.ndarray], pd.DataFrame]:
    keys = features[["season", "game_id", "game_date", "player_id"]]
    forecasts, survival, ladder = [], {}, []
    for stat in Stat:
        level = features[f"{stat.column}_ewm_10"].fillna(3.0).to_numpy() * generator.uniform(0.8, 1.2, len(keys))
        # A geometric distribution: easy to write down, wrong in shape, which scores do not mind.
        counts = np.arange(LARGEST_COUNT[stat] + 1)
        sure = (level / (1 + level))[:, None] ** (counts + 1)[None, :]
        survival[stat] = sure
        quantile = {q: (sure > 1 - q).sum(axis=1) for q in (0.025, 0.1, 0.25, 0.5, 0.75, 0.9, 0.975)}
        ends = {"lo50": 0.25, "hi50": 0.75, "lo80": 0.1, "hi80": 0.9, "lo95": 0.025, "hi95": 0.975}
        forecasts.append(
            keys.assign(stat=stat.value, level="tipoff", mean=level, median=quantile[0.5].astype(float)).assign(
                **{name: quantile[q].astype(float) for name, q in ends.items()}
            )
        )
        for line in LADDER[stat]:
            row = keys[["game_id", "player_id"]].assign(stat=stat.value, level="tipoff", line=line)
            ladder.append(row.assign(p_over=sure[:, int(line)]))
    return pd.concat(forecasts, ignore_index=True), survival, pd.concat(ladder, ignore_index=True)


def _quotes(generator: np.random.Generator, features: pd.DataFrame, ladder: pd.DataFrame) -> pd.DataFrame:
    points = ladder[(ladder["stat"] == "PTS") & (ladder["line"] == 14.5)].drop(columns="level").reset_index(drop=True)
    keys = features[["game_id", "player_id", "season", "game_date"]]
    quotes = points.merge(keys, on=["game_id", "player_id"])
    tipoff = quotes["game_date"].dt.tz_localize("UTC").astype("datetime64[ns, UTC]") + pd.Timedelta(hours=24)
    quotes = quotes.assign(
        bookmaker="plain book", tipoff_utc=tipoff, captured_at=tipoff - pd.Timedelta(hours=4), level="pregame",
        over_price=generator.choice([-120.0, -110.0, 105.0], len(quotes)), quote_set="made up",
        under_price=generator.choice([-120.0, -110.0, 100.0], len(quotes)),
    )  # fmt: skip
    # A whole line, so that pushes happen.
    whole = quotes.assign(bookmaker="round book", line=12.0, p_over=quotes["p_over"] * 0.5 + 0.3)
    return pd.concat([quotes, whole], ignore_index=True)
