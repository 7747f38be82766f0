"""What separates a season as delivered from the season in the warehouse."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import sqlalchemy as sa

from statmuse_pipeline.contracts import BOX_COLUMNS
from statmuse_pipeline.warehouse.tables import GAMES, PLAYER_STATS


@dataclass(frozen=True)
class Difference:
    """Rows to write and keys to remove so that the stored rows equal the wanted ones."""

    inserted: pd.DataFrame
    updated: pd.DataFrame
    removed: pd.DataFrame
    unchanged: int

    @property
    def written(self) -> pd.DataFrame:
        """Inserted and updated rows together, for an upsert."""
        return pd.concat([self.inserted, self.updated])


def difference(stored: pd.DataFrame, wanted: pd.DataFrame, keys: Sequence[str]) -> Difference:
    """Compares two frames of the same columns by key; missing values equal each other.

    `removed` holds the keys only.
    """
    keys = list(keys)
    both = wanted.merge(stored, on=keys, how="left", suffixes=("", "_stored"), indicator="origin")
    known = both.pop("origin").eq("both").to_numpy()
    differs = np.zeros(len(wanted), dtype=bool)
    for name in wanted.columns.difference(keys):
        ours, theirs = both[name], both[f"{name}_stored"]
        differs = differs | ((ours != theirs) & ~(ours.isna() & theirs.isna())).to_numpy(dtype=bool)
    gone = stored[keys].merge(wanted[keys], how="left", indicator="origin")
    return Difference(
        inserted=wanted[~known],
        updated=wanted[known & differs],
        removed=gone.loc[gone["origin"] == "left_only", keys],
        unchanged=int((known & ~differs).sum()),
    )


def stored_games(connection: sa.Connection, season: str) -> pd.DataFrame:
    """The rows of `games` of a season: `game_date` datetime64[ns], `tipoff_utc` datetime64[ns, UTC]."""
    query = sa.select(GAMES).where(GAMES.c.season == season)
    games = pd.DataFrame(connection.execute(query).tuples().all(), columns=GAMES.c.keys())
    return typed_games(games)


def typed_games(games: pd.DataFrame) -> pd.DataFrame:
    """Casts a games frame to its contract's dtypes (SQLite gives naive UTC moments, Postgres aware ones)."""
    return games.astype({"game_id": "str", "season": "str", "home_team_id": "int64", "away_team_id": "int64"}).assign(
        game_date=pd.to_datetime(games["game_date"]).astype("datetime64[ns]"),
        tipoff_utc=pd.to_datetime(games["tipoff_utc"], utc=True).astype("datetime64[ns, UTC]"),
    )


def stored_stats(connection: sa.Connection, season: str | None = None) -> pd.DataFrame:
    """The rows of `player_stats`, of one season or of all."""
    query = sa.select(PLAYER_STATS)
    if season is not None:
        query = query.join(GAMES, GAMES.c.game_id == PLAYER_STATS.c.game_id).where(GAMES.c.season == season)
    stats = pd.DataFrame(connection.execute(query).tuples().all(), columns=PLAYER_STATS.c.keys())
    return stats.astype(
        {
            "game_id": "str",
            "won": "bool",
            **dict.fromkeys(("player_id", "team_id", *BOX_COLUMNS), "int64"),
        }
    )
