"""A season's believed rows in the shape of the warehouse's tables."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from statmuse_pipeline.contracts import BOX_COLUMNS

PLAYER_FACTS = ("position", "height_in", "weight_lb", "birthdate")
"""What a roster tells about a player beside the name; each may be missing."""


@dataclass(frozen=True)
class SeasonTables:
    """One season: frames with the columns of the tables of the same name."""

    teams: pd.DataFrame
    players: pd.DataFrame
    games: pd.DataFrame
    player_stats: pd.DataFrame


def season_tables(good: pd.DataFrame, season: str, schedule: pd.DataFrame, players: pd.DataFrame) -> SeasonTables:
    """Splits validated game logs (`ValidatedLogs.good`), schedule and rosters into tables.

    Only players and games that occur in the logs are taken over; names are those of a player's newest game.
    """
    stats = good.rename(columns=str.lower)
    stats["won"] = stats["wl"].eq("W")
    newest = stats.drop_duplicates("player_id", keep="last")
    named = newest[["player_id", "player_name"]].assign(as_of=newest["game_date"])
    teams = stats.drop_duplicates("team_id", keep="last")
    teams = teams[["team_id", "team_abbreviation", "team_name", "game_date"]]
    return SeasonTables(
        teams=teams.set_axis(["team_id", "abbreviation", "name", "as_of"], axis=1).sort_values("team_id"),
        players=named.merge(_player_facts(players), on="player_id", how="left").sort_values("player_id"),
        games=season_games(good, season, schedule),
        player_stats=stats[["game_id", "player_id", "team_id", "won", *BOX_COLUMNS]],
    )


def season_games(good: pd.DataFrame, season: str, schedule: pd.DataFrame) -> pd.DataFrame:
    """One row a game with home, away and tip-off, sorted by date and id.

    Home and away come from the schedule. Where it is silent, MATCHUP tells ("vs." is the home team). Where that is
    ambiguous too (neutral courts read "A @ B" for both), the team with the larger id is called the home team:
    arbitrary, but the same in every load.
    """
    sides = good.drop_duplicates(["GAME_ID", "TEAM_ID"])
    sides = sides.assign(says_home=sides["MATCHUP"].str.contains(" vs. ", regex=False))
    sides = sides.sort_values(["GAME_ID", "says_home", "TEAM_ID"])
    pair = sides.groupby("GAME_ID", sort=True)
    games = pair.agg(game_date=("GAME_DATE", "first"), away=("TEAM_ID", "first"), home=("TEAM_ID", "last"))
    planned = schedule.drop_duplicates("GAME_ID", keep="last").set_index("GAME_ID").reindex(games.index)
    frame = pd.DataFrame(
        {
            "game_id": games.index.astype("str"),
            "season": season,
            "game_date": games["game_date"].to_numpy(),
            "tipoff_utc": pd.to_datetime(planned["TIPOFF_UTC"], utc=True).astype("datetime64[ns, UTC]").array,
            "home_team_id": planned["HOME_TEAM_ID"].fillna(games["home"]).astype("int64").to_numpy(),
            "away_team_id": planned["AWAY_TEAM_ID"].fillna(games["away"]).astype("int64").to_numpy(),
        }
    )
    return frame.astype({"season": "str"}).sort_values(["game_date", "game_id"], ignore_index=True)


def newest_facts(stored: pd.DataFrame, delivered: pd.DataFrame, key: str) -> pd.DataFrame:
    """Delivered rows, except that facts of a later game stay, and that nothing known is forgotten.

    So loading an old season again never brings back an old name.
    """
    before = stored.set_index(key).reindex(delivered[key])
    merged = delivered.set_index(key)
    stale = (before["as_of"] > merged["as_of"]).to_numpy()
    for name in merged.columns:
        ours, theirs = merged[name], before[name].astype(merged[name].dtype)
        merged[name] = theirs.where(stale & theirs.notna().to_numpy(), ours).fillna(theirs)
    return merged.reset_index()


def _player_facts(players: pd.DataFrame) -> pd.DataFrame:
    unique = players.drop_duplicates("PLAYER_ID", keep="last")
    return pd.DataFrame(
        {
            "player_id": unique["PLAYER_ID"].astype("int64"),
            "position": unique["POSITION"].astype("str").mask(unique["POSITION"].eq("")),
            "height_in": pd.to_numeric(unique["HEIGHT_IN"], errors="coerce").astype("float64"),
            "weight_lb": pd.to_numeric(unique["WEIGHT_LB"], errors="coerce").astype("float64"),
            "birthdate": pd.to_datetime(unique["BIRTHDATE"], errors="coerce").astype("datetime64[ns]"),
        }
    )
