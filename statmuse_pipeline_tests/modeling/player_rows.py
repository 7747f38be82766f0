"""Simulated feature rows of a few players: everything that the player models read, and nothing else."""

from __future__ import annotations

import numpy as np
import pandas as pd

from statmuse_pipeline.domain import Stat
from statmuse_pipeline.modeling.residuals import add_residual_history, columns_needed

LEVELS = {"pts": 14.0, "reb": 5.0, "ast": 3.5, "fg3m": 1.4, "stl": 0.8, "blk": 0.5, "tov": 1.6, "pra": 22.5}


def simulated_rows(players: int = 3, games: int = 120, signal: float = 0.0, seed: int = 1) -> pd.DataFrame:
    """Rows with history columns, sorted by date then player; splits 60/25/15 by date.

    Args:
        players: how many, ids from 101 on.
        games: of each player, one a day.
        signal: how many units of scaled residual the home court is worth, a thing that the prior does not know;
            0 makes the prior right.
        seed: of every draw.
    """
    rng = np.random.default_rng(seed)
    days = pd.date_range("2023-10-24", periods=games, freq="D").astype("datetime64[ns]")
    frames = []
    for player in range(101, 101 + players):
        home = rng.integers(0, 2, games).astype(float)
        frame = pd.DataFrame({"player_id": player, "game_date": days, "is_home": home, "min": 30.0})
        for stat in Stat:
            name = stat.column
            prior = LEVELS[name] * rng.uniform(0.8, 1.2, games)
            mean = np.maximum(prior + signal * (home - 0.5) * 2 * np.sqrt(prior + 1), 0.05)
            frame[name] = rng.poisson(mean).astype(float)
            frame[f"prior_{name}"] = prior
            frame[f"prior_{name}_pregame"] = prior * rng.uniform(0.95, 1.05, games)
        frames.append(frame)
    rows = pd.concat(frames, ignore_index=True)
    rows["game_id"] = [f"00223{number:05d}" for number in rows.groupby("player_id").cumcount()]
    position = rows.groupby("player_id").cumcount() / games
    rows["split"] = np.select([position < 0.60, position < 0.85], ["train", "validation"], "test")
    rows["exp_min_pregame"], rows["season_games_before"] = 29.0, 40.0
    other = [name for name in columns_needed() if name not in rows and not name.startswith("resid_")]
    noise = pd.DataFrame(rng.normal(size=(len(rows), len(other))), columns=other)
    rows = pd.concat([rows, noise], axis=1)
    return add_residual_history(rows.sort_values(["game_date", "player_id"]).reset_index(drop=True))


def rows_of(rows: pd.DataFrame, player: int, *splits: str) -> pd.DataFrame:
    """One player's rows of some splits."""
    return rows[(rows["player_id"] == player) & rows["split"].isin(splits)]
