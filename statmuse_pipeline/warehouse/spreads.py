"""Which game a point spread is about, and what the books agreed on before it."""

from __future__ import annotations

import pandas as pd

from statmuse_pipeline.domain import InformationLevel
from statmuse_pipeline.warehouse.quoted_games import match_games


def spreads_of_games(
    closing: pd.DataFrame, quoted: pd.DataFrame, games: pd.DataFrame, teams: pd.DataFrame
) -> pd.DataFrame:
    """The spread of every game of which there is one, as it was known early on its day and at its tip-off.

    Args:
        closing, quoted: of `sources.game_odds.read_spreads`.
        games: `contracts.GAMES`.
        teams: team_id, name.

    Returns:
        game_id, home_team_id and, named by InformationLevel, home spreads in points, NaN where there is none. At
        pregame: the median over books of each one's last quote before tip-off. At tip-off: the closing spread, else
        the same.
    """
    found = match_games(
        quoted.assign(game_date=pd.Series(pd.NaT, index=quoted.index, dtype="datetime64[ns]")), games, teams
    )["game"].to_numpy()
    known = quoted[found >= 0].assign(place=found[found >= 0])
    # Where no tip-off is known nothing is late: the quotes are of 12 hours before, as the others of their file.
    late = known["captured_at"] >= games["tipoff_utc"].iloc[known["place"]].set_axis(known.index)
    known = known[~late].sort_values("captured_at", kind="stable")
    last = known.groupby(["place", "bookmaker"], sort=True)["home_spread"].last()
    early = last.groupby(level="place").median()
    table = games[["game_id", "home_team_id"]].reset_index(drop=True)
    pregame = early.reindex(table.index)
    final = table["game_id"].map(closing.drop_duplicates("game_id").set_index("game_id")["home_spread"])
    table = table.assign(
        **{InformationLevel.PREGAME.value: pregame, InformationLevel.TIPOFF.value: final.fillna(pregame)}
    )
    return table[table[InformationLevel.TIPOFF.value].notna()].reset_index(drop=True)
