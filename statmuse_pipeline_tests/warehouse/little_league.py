"""A season of four teams, eight players each, whose every row is right: what the tests then break."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import numpy as np
import pandas as pd
import sqlalchemy as sa

TEAMS = {
    1: ("ATL", "Atlanta Hawks"),
    2: ("BOS", "Boston Celtics"),
    3: ("CHI", "Chicago Bulls"),
    4: ("LAC", "LA Clippers"),
}
PER_TEAM = 8


def player_name(player_id: int) -> str:
    first = ("Aaron", "Bruno", "Cedric", "Dario", "Emil", "Felix", "Gustav", "Hector")
    last = ("Ackerman", "Bellweather", "Castellano", "Drummondson")
    return f"{first[player_id % 10 - 1]} {last[player_id // 10 - 1]}"


def game_logs(season: str = "2023-24", seed: int = 7) -> pd.DataFrame:
    """Each team plays every other once at home: 12 games, 192 rows of LeagueGameLog."""
    rng = np.random.default_rng(seed)
    year = int(season[:4])
    rows: list[dict[str, Any]] = []
    for number, (home, away) in enumerate(permutations(TEAMS, 2)):
        date = pd.Timestamp(year, 11, 1) + pd.Timedelta(days=number)
        for team, other in ((home, away), (away, home)):
            for seat in range(1, PER_TEAM + 1):
                rows.append(
                    {
                        "SEASON_ID": f"2{year}",
                        "PLAYER_ID": team * 10 + seat,
                        "PLAYER_NAME": player_name(team * 10 + seat),
                        "TEAM_ID": team,
                        "TEAM_ABBREVIATION": TEAMS[team][0],
                        "TEAM_NAME": TEAMS[team][1],
                        "GAME_ID": f"002{year % 100:02d}{number + 1:05d}",
                        "GAME_DATE": date.strftime("%Y-%m-%d"),
                        "MATCHUP": f"{TEAMS[team][0]} {'vs.' if team == home else '@'} {TEAMS[other][0]}",
                        "WL": "W" if team == home else "L",
                        **_box(rng),
                    }
                )
    return pd.DataFrame(rows)


def _box(rng: np.random.Generator) -> dict[str, int]:
    threes, twos, free = (int(count) for count in rng.integers(0, 5, 3))
    oreb, dreb = (int(count) for count in rng.integers(0, 6, 2))
    missed = [int(count) for count in rng.integers(0, 4, 3)]
    return {
        "MIN": int(rng.integers(5, 40)),
        "FGM": threes + twos,
        "FGA": threes + twos + missed[0] + missed[1],
        "FG3M": threes,
        "FG3A": threes + missed[0],
        "FTM": free,
        "FTA": free + missed[2],
        "OREB": oreb,
        "DREB": dreb,
        "REB": oreb + dreb,
        **{name: int(rng.integers(0, 5)) for name in ("AST", "STL", "BLK", "TOV", "PF")},
        "PTS": 3 * threes + 2 * twos + free,
        "PLUS_MINUS": int(rng.integers(-20, 21)),
    }


def schedule(season: str = "2023-24") -> pd.DataFrame:
    """The same 12 games, tip-off at 7 pm Eastern."""
    year = int(season[:4])
    return pd.DataFrame(
        [
            {
                "GAME_ID": f"002{year % 100:02d}{number + 1:05d}",
                "GAME_DATE": (day := pd.Timestamp(year, 11, 1) + pd.Timedelta(days=number)).strftime("%Y-%m-%d"),
                "TIPOFF_UTC": (day + pd.Timedelta(hours=19)).tz_localize("America/New_York").tz_convert("UTC"),
                "HOME_TEAM_ID": home,
                "AWAY_TEAM_ID": away,
            }
            for number, (home, away) in enumerate(permutations(TEAMS, 2))
        ]
    )


def rosters() -> pd.DataFrame:
    """All 32 players; the first of each team has unknown facts."""
    ids = [team * 10 + seat for team in TEAMS for seat in range(1, PER_TEAM + 1)]
    known = [player % 10 != 1 for player in ids]
    return pd.DataFrame(
        {
            "PLAYER_ID": ids,
            "PLAYER_NAME": [player_name(player) for player in ids],
            "POSITION": ["G-F" if is_known else None for is_known in known],
            "HEIGHT_IN": [78 if is_known else None for is_known in known],
            "WEIGHT_LB": [215.0 if is_known else None for is_known in known],
            "BIRTHDATE": ["1999-02-28" if is_known else None for is_known in known],
        }
    )


def many_games(copies: int = 12) -> pd.DataFrame:
    """The season `copies` times over (new game ids, later dates), so that one bad row is well below 1%."""
    logs = game_logs()
    parts = [
        logs.assign(
            GAME_ID=logs["GAME_ID"].str[:5]
            + (logs["GAME_ID"].str[5:].astype(int) + 12 * copy).astype(str).str.zfill(5),
            GAME_DATE=(pd.to_datetime(logs["GAME_DATE"]) + pd.Timedelta(days=12 * copy)).dt.strftime("%Y-%m-%d"),
        )
        for copy in range(copies)
    ]
    return pd.concat(parts, ignore_index=True)


def load(engine: Any, season: str = "2023-24", **changed: Any) -> Any:
    """Loads the little league; any argument of `load_season` can be changed."""
    from statmuse_pipeline.warehouse.load import load_season

    arguments: dict[str, Any] = {
        "source": "demo",
        "season": season,
        "game_logs": game_logs(season),
        "schedule": schedule(season),
        "players": rosters(),
        "origin": "little league",
        "fetched_at": None,
        "sha256": "0" * 64,
    }
    return load_season(engine, **(arguments | changed))


def contents(engine: sa.Engine) -> dict[str, list[str]]:
    """Every row of every table but the audit, to compare a warehouse with itself before and after."""
    tables = ("players", "teams", "games", "player_stats", "quarantine", "warehouse_info")
    with engine.connect() as connection:
        return {name: sorted(map(repr, connection.execute(sa.text(f"SELECT * FROM {name}")))) for name in tables}


def count(engine: sa.Engine, table: str) -> int:
    with engine.connect() as connection:
        return int(connection.scalar(sa.text(f"SELECT COUNT(*) FROM {table}")) or 0)
