"""Two leagues to compute features on: a small made-up one, and one real season of the archive."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from statmuse_pipeline.contracts import BOX_COLUMNS, GAMES, PLAYER_GAMES, PLAYERS, check

DAY = pd.Timestamp("2024-02-10")
"""The day the leak tests cut at: a day on which a new minutes model starts to serve."""


class League(NamedTuple):
    player_games: pd.DataFrame
    games: pd.DataFrame
    players: pd.DataFrame


def made_up_league(seed: int = 5, teams: int = 10, squad: int = 12) -> League:
    """About 7,500 player-games from October to March, with absences, trades, and players who enter for seconds."""
    rng = np.random.default_rng(seed)
    ids = np.arange(teams * squad) + 1000
    team_of = np.repeat(np.arange(teams), squad)
    role = np.tile(np.linspace(34, 6, squad), teams)
    back_on = np.zeros(len(ids))
    rows, games = [], []
    calendar = pd.date_range("2023-10-23", "2024-03-12")
    for number, date in enumerate(date for k, date in enumerate(calendar) if k % 2 == 0 or k % 7 == 4):
        if number % 15 == 14:
            one, two = rng.choice(len(ids), 2, replace=False)
            team_of[one], team_of[two] = team_of[two], team_of[one]
        order = rng.permutation(teams)
        for home, away in zip(order[::2], order[1::2], strict=True):
            game_id = f"00223{len(games):05d}"
            games.append((game_id, date, home, away))
            for team, other in ((home, away), (away, home)):
                for index in np.flatnonzero(team_of == team):
                    if back_on[index] > number:
                        continue
                    if rng.random() < 0.08:
                        back_on[index] = number + rng.geometric(0.25)
                    minutes = 0 if rng.random() < 0.02 else int(np.clip(rng.normal(role[index], 5), 1, 48))
                    rows.append((game_id, date, ids[index], team, other, team == home, minutes))
    frame = pd.DataFrame(
        rows, columns=["game_id", "game_date", "player_id", "team_id", "opponent_team_id", "is_home", "min"]
    )
    return League(_with_box_scores(frame, rng), _games(games), _players(ids, rng))


def _with_box_scores(frame: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    per_minute = {"fgm": 0.18, "fg3m": 0.06, "ftm": 0.08, "oreb": 0.04, "dreb": 0.14, "ast": 0.11, "stl": 0.03,
                  "blk": 0.02, "tov": 0.06, "pf": 0.08}  # fmt: skip
    box = {s: rng.poisson(rate * frame["min"]) for s, rate in per_minute.items()}
    box["fgm"] = box["fgm"] + box["fg3m"]
    box |= {"fga": box["fgm"] + rng.poisson(0.2 * frame["min"]), "fg3a": box["fg3m"] + rng.poisson(0.1 * frame["min"])}
    box |= {"fta": box["ftm"] + rng.poisson(0.02 * frame["min"]), "reb": box["oreb"] + box["dreb"]}
    box |= {"pts": 2 * box["fgm"] + box["fg3m"] + box["ftm"], "plus_minus": rng.integers(-20, 20, len(frame))}
    frame = frame.assign(
        **{s: np.asarray(values, np.int64) for s, values in box.items()},
        season="2023-24",
        player_name="Player " + frame["player_id"].astype("str"),
        won=frame["is_home"],
        pra=box["pts"] + box["reb"] + box["ast"],
        team_id=frame["team_id"] + 1,
        opponent_team_id=frame["opponent_team_id"] + 1,
        game_date=frame["game_date"].astype("datetime64[ns]"),
    )
    columns = list(PLAYER_GAMES.columns)
    return check(PLAYER_GAMES, frame[columns].sort_values(["game_date", "game_id", "player_id"], ignore_index=True))


def _games(games: list[tuple[str, pd.Timestamp, int, int]]) -> pd.DataFrame:
    frame = pd.DataFrame(games, columns=["game_id", "game_date", "home_team_id", "away_team_id"])
    frame = frame.assign(
        season="2023-24",
        game_date=frame["game_date"].astype("datetime64[ns]"),
        tipoff_utc=(frame["game_date"] + pd.Timedelta(hours=24)).dt.tz_localize("UTC").astype("datetime64[ns, UTC]"),
        home_team_id=frame["home_team_id"] + 1,
        away_team_id=frame["away_team_id"] + 1,
    )
    return check(GAMES, frame[list(GAMES.columns)])


def _players(ids: np.ndarray, rng: np.random.Generator) -> pd.DataFrame:
    positions = np.array(["G", "F", "C", "G-F", "F-C", None], dtype=object)
    frame = pd.DataFrame(
        {
            "player_id": ids,
            "player_name": [f"Player {i}" for i in ids],
            "position": pd.array(rng.choice(positions, len(ids)), dtype="str"),
            "height_in": rng.integers(72, 86, len(ids)).astype(float),
            "weight_lb": rng.integers(170, 270, len(ids)).astype(float),
            "birthdate": pd.Timestamp("1998-03-01") + pd.to_timedelta(rng.integers(-3000, 2000, len(ids)), unit="D"),
        }
    )
    return check(PLAYERS, frame.assign(birthdate=frame["birthdate"].astype("datetime64[ns]")))


def real_season(archive: Path, season: str = "2023-24") -> League:
    """One season of the archive, read without the product's own loaders."""
    logs = pd.read_parquet(archive / "game_logs" / f"{season}.parquet")
    schedule = pd.read_parquet(archive / "schedule" / f"{season}.parquet")
    people = pd.read_parquet(archive / "player_metadata.parquet")
    schedule["GAME_DATE"] = pd.to_datetime(schedule["GAME_DATE"]).astype("datetime64[ns]")
    logs = logs.drop(columns="GAME_DATE").merge(
        schedule[["GAME_ID", "GAME_DATE", "HOME_TEAM_ID", "AWAY_TEAM_ID"]], on="GAME_ID"
    )
    home = logs["TEAM_ID"] == logs["HOME_TEAM_ID"]
    frame = logs.rename(columns=str.lower).assign(
        season=season,
        is_home=home,
        opponent_team_id=logs["AWAY_TEAM_ID"].where(home, logs["HOME_TEAM_ID"]),
        won=logs["WL"] == "W",
        pra=logs["PTS"] + logs["REB"] + logs["AST"],
    )
    frame = frame.astype(dict.fromkeys([*BOX_COLUMNS, "pra"], "int64"))[list(PLAYER_GAMES.columns)]
    games = schedule.rename(columns=str.lower).assign(
        season=season, tipoff_utc=schedule["TIPOFF_UTC"].astype("datetime64[ns, UTC]")
    )
    players = people.rename(columns=str.lower).astype({"height_in": "float64", "weight_lb": "float64"})
    players["birthdate"] = pd.to_datetime(players["birthdate"]).astype("datetime64[ns]")
    return League(
        check(PLAYER_GAMES, frame.sort_values(["game_date", "game_id", "player_id"], ignore_index=True)),
        check(GAMES, games[list(GAMES.columns)]),
        check(PLAYERS, players[list(PLAYERS.columns)]),
    )


def in_regulation(games: pd.DataFrame) -> pd.DataFrame:
    """The games with minutes of 48 of a team, whatever overtime there was."""
    whole = games.groupby(["game_id", "team_id"])["min"].transform("sum")
    return games.assign(regulation=games["min"] * 240 / np.maximum(whole, 240))
