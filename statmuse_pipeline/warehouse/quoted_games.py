"""Which game a quote is about: by its teams, and by the day or the moment it names."""

from __future__ import annotations

import numpy as np
import pandas as pd

EASTERN = "America/New_York"

LONGEST_AHEAD = pd.Timedelta(hours=36)
"""A quote that names no day is about the pair's first game within this time after it was captured."""

LONGEST_GAME = pd.Timedelta(hours=3)
"""A quote captured this long after tip-off may still be about that game (and is then too late to bet on)."""

LATE_TIPOFF = pd.Timedelta(hours=22.5)
"""Eastern time of day taken as tip-off where it is unknown: no game begins later."""

_TEAM_NAMES = {"la clippers": "los angeles clippers", "la lakers": "los angeles lakers"}
_PAIR = 1 << 32
"""Room for minutes since 1970 (below 2^31 until the year 6053) beneath a pair's code."""


def match_games(raw: pd.DataFrame, games: pd.DataFrame, teams: pd.DataFrame) -> pd.DataFrame:
    """Finds every quote's game.

    The day is the Eastern day of `commence_time`, else `game_date`; where neither is known, the first game of the two
    teams from three hours before to 36 hours after `captured_at`. Which of the teams is at home does not matter.

    Args:
        raw: `contracts.QUOTES_RAW`.
        games: `contracts.GAMES`.
        teams: team_id, name (full names).

    Returns:
        One row a quote, index of `raw`: `game` (row number in `games`, -1 where none was found), `day` (datetime64[ns],
        the Eastern day of the quote's game as far as the quote tells) and `reason` ("" where there is a game or the
        quote names no teams, so that the player decides).
    """
    tipoffs = _moments(games)
    pairs = _pairs(games["home_team_id"].to_numpy(), games["away_team_id"].to_numpy(), teams)
    home, away = _team_ids(raw["home_team"], teams), _team_ids(raw["away_team"], teams)
    asked = _pairs(home, away, teams)
    day = _eastern_day(raw["commence_time"]).fillna(raw["game_date"])
    game = pd.Index(pairs * _PAIR + _days(games["game_date"])).get_indexer(asked * _PAIR + _days(day))
    game[(asked < 0) | day.isna().to_numpy()] = -1
    undated = np.flatnonzero((asked >= 0) & day.isna().to_numpy() & raw["captured_at"].notna().to_numpy())
    game[undated] = _next_game(asked[undated], raw["captured_at"].iloc[undated], pairs, tipoffs)
    day = day.fillna(_eastern_day(raw["captured_at"]))
    day = day.mask(game >= 0, pd.Series(games["game_date"].to_numpy()[game], index=raw.index)) if len(games) else day
    teamless = raw["home_team"].isna() & raw["away_team"].isna()
    reason = np.select(
        [game >= 0, day.isna(), teamless, np.isnan(home) | np.isnan(away)],
        ["", "no date", "", "unknown team"],
        default="no such game",
    )
    return pd.DataFrame({"game": game, "day": day, "reason": reason}, index=raw.index)


def _next_game(asked: np.ndarray, captured: pd.Series, pairs: np.ndarray, tipoffs: np.ndarray) -> np.ndarray:
    """For each quote the row number of its pair's first game that is not over and begins soon enough, or -1."""
    keys = pairs * _PAIR + tipoffs
    order = np.argsort(keys, kind="stable")
    seen = _minutes(captured)
    earliest = asked * _PAIR + seen - int(LONGEST_GAME.total_seconds() // 60)
    place = np.searchsorted(keys[order], earliest)
    found = np.append(order, -1)[place]
    begins = np.append(tipoffs, 0)[found]
    same = np.append(pairs, -1)[found] == asked
    soon = begins - seen <= int(LONGEST_AHEAD.total_seconds() // 60)
    return np.where(same & soon, found, -1)


def _moments(games: pd.DataFrame) -> np.ndarray:
    late = (games["game_date"] + LATE_TIPOFF).dt.tz_localize(EASTERN).dt.tz_convert("UTC")
    return _minutes(games["tipoff_utc"].fillna(late.astype("datetime64[ns, UTC]")))


def _minutes(moments: pd.Series) -> np.ndarray:
    return moments.astype("datetime64[ns, UTC]").astype("int64").to_numpy() // 60_000_000_000


def _days(days: pd.Series) -> np.ndarray:
    return days.fillna(pd.Timestamp(0)).astype("datetime64[ns]").astype("int64").to_numpy() // 86_400_000_000_000


def _eastern_day(moments: pd.Series) -> pd.Series:
    codes, unique = pd.factorize(moments)
    if not len(unique):
        return pd.Series(pd.NaT, index=moments.index, dtype="datetime64[ns]")
    days = pd.DatetimeIndex(unique).tz_convert(EASTERN).tz_localize(None).normalize().as_unit("ns")
    return pd.Series(days.take(codes).where(codes >= 0), index=moments.index)


def _team_ids(names: pd.Series, teams: pd.DataFrame) -> np.ndarray:
    """Team ids as float64, NaN for an unknown team."""
    known = dict(zip(teams["name"].map(team_key), teams["team_id"], strict=True))
    codes, unique = pd.factorize(names)
    ids = np.array([known.get(team_key(name), np.nan) for name in unique] + [np.nan], dtype="float64")
    return ids[codes]


def team_key(name: str) -> str:
    """A team's full name for comparison, the same for both names of a team that has two."""
    plain = " ".join(name.lower().split())
    return _TEAM_NAMES.get(plain, plain)


def _pairs(one: np.ndarray, other: np.ndarray, teams: pd.DataFrame) -> np.ndarray:
    """A number for each unordered pair of teams, -1 where one is unknown."""
    index = pd.Index(teams["team_id"])
    first, second = index.get_indexer(one), index.get_indexer(other)
    code = np.minimum(first, second).astype("int64") * len(index) + np.maximum(first, second)
    return np.where((first < 0) | (second < 0), -1, code)
