"""Who belongs to a team before each of its games, those who then did not play among them, and what was known of each.

Box scores name only those who took part. A player belongs to the team of his most recent game as long as that lies
within MEMBER_DAYS of the team's own last game, which is whom a night's slate asks about where no roster is known.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from statmuse_pipeline.features.catalog import Columns
from statmuse_pipeline.features.rolling import FAST, SLOW, History, player_history
from statmuse_pipeline.features.rotation import MEMBER_DAYS
from statmuse_pipeline.features.rows import Rows, first_of, prepare_rows

ROSTER_KEYS = ("season", "game_id", "game_date", "player_id", "team_id", "last_played")
"""`last_played` is the day of the player's last game, NaT for a player without one."""

LISTED = "listed"
"""The column of `listed_statuses`."""

LISTED_CODES = {"Questionable": 1.0, "Doubtful": 2.0, "Out": 3.0}

LONGEST_MISSED = 30.0
"""Team games missed, and days away beyond twice as many, tell no more."""

HABIT_NIGHTS = 8.0
"""A player's absences on second nights in a row count as much as his general ones after so many such nights."""

LATE_GAMES = 12.0
"""Games from the end of a season in which teams rest players more from one to the next."""

SEASON_GAMES = 82


@dataclass(frozen=True)
class _Pairs:
    """A team game and a player who belonged to the team before it.

    `team_game`, `player`, `team` are codes as in Rows, `day` that of the game, `last_day` that of his last game before,
    `missed` the team's games since then, `present` whether he took part (NaN in games to come).
    """

    team_game: np.ndarray
    player: np.ndarray
    team: np.ndarray
    day: np.ndarray
    last_day: np.ndarray
    missed: np.ndarray
    present: np.ndarray


def roster_features(
    player_games: pd.DataFrame, players: pd.DataFrame, upcoming: pd.DataFrame | None = None
) -> pd.DataFrame:
    """One row a team game and member of the team, with what was known of him before that day.

    Args:
        player_games: FEATURE_KEYS, is_home and the box score of all games there are, in any order.
        players: contracts.PLAYERS.
        upcoming: FEATURE_KEYS, is_home of the players who may play in games to come; then only their rows are given.

    Returns:
        ROSTER_KEYS, `played` (1 with minutes, 0 without, NaN in games to come) and `ROSTER_COLUMNS`, float32, sorted by
        date, game and player. What is not known, as of a player without a game, is NaN; nothing in a row but `played`
        depends on the box scores of its day.

    Raises:
        PipelineError: as `rows.prepare_rows`.
    """
    rows = prepare_rows(player_games, players, upcoming)
    history = player_history(rows)
    pairs = _pairs(rows, history)
    columns = {
        **_absences(rows, history, pairs),
        **_minutes(rows, history, pairs),
        **_calendar(rows, pairs),
        "age": _age(rows, pairs, players),
    }
    frame = _keys(rows, pairs).assign(played=pairs.present.astype(np.float32))
    values = pd.DataFrame({name: columns[name].astype(np.float32) for name in ROSTER_COLUMNS})
    table = pd.concat([frame, values], axis=1)
    if upcoming is not None:
        table = table[rows.teams.upcoming[pairs.team_game]]
    return table.sort_values(["game_date", "game_id", "player_id"], kind="stable", ignore_index=True)


def listed_statuses(roster: pd.DataFrame, transactions: pd.DataFrame) -> np.ndarray:
    """The status under which a list of transactions has each member before the day, as LISTED_CODES; 0 for none.

    The last transaction of that season before the day counts; who has played since is no longer listed.

    Args:
        roster: ROSTER_KEYS, in any order.
        transactions: player_id, date (datetime64[ns]), season (label), out (whether he left), status.

    Returns:
        float32, aligned with the roster.
    """
    told = transactions.assign(
        code=np.where(transactions["out"], transactions["status"].map(LISTED_CODES).fillna(0.0), 0.0)
    )
    # Of one day's transactions the one to leave counts, as in a night's statuses.
    told = told.sort_values(["date", "out"], kind="stable")[["player_id", "season", "date", "code"]]
    asked = roster[["player_id", "season", "game_date", "last_played"]].assign(place=np.arange(len(roster)))
    found = pd.merge_asof(
        asked.sort_values("game_date", kind="stable"),
        told,
        left_on="game_date",
        right_on="date",
        by=["player_id", "season"],
        allow_exact_matches=False,
    ).sort_values("place")
    left = found["code"].where(~(found["last_played"] > found["date"]), 0.0)
    return left.fillna(0.0).to_numpy(np.float32)


def _pairs(rows: Rows, history: History) -> _Pairs:
    team_game, player = _members(rows)
    span = int(rows.player.max()) + 1
    took_part = np.isin(team_game * span + player, (rows.team_game * span + rows.player)[rows.played])
    come = np.flatnonzero(rows.upcoming)
    team_game, player = np.r_[team_game, rows.team_game[come]], np.r_[player, rows.player[come]]
    teams = rows.teams
    team, day = teams.team[team_game], teams.day[team_game]
    last_day = history.days(history.before(player, day))
    schedule = History(teams.team, teams.day)
    missed = schedule.before(team, day) - schedule.until(team, np.nan_to_num(last_day).astype(np.int64))
    return _Pairs(
        team_game=team_game,
        player=player,
        team=team,
        day=day,
        last_day=last_day,
        missed=np.where(np.isnan(last_day), np.nan, missed),
        present=np.r_[took_part.astype(float), np.full(len(come), np.nan)],
    )


def _members(rows: Rows) -> tuple[np.ndarray, np.ndarray]:
    """Team games that were played and the players who belonged to the team before: two arrays of codes.

    As in a night's slate every line of a box score makes a member, also one without a whole minute.
    """
    teams = rows.teams
    seen = np.flatnonzero(~rows.upcoming)
    order = seen[np.lexsort((rows.day[seen], rows.player[seen]))]
    player, team, day = rows.player[order], rows.team[order], rows.day[order]
    after_all = rows.day.max() + 1
    following = np.full(len(order), after_all)
    same = player[1:] == player[:-1]
    following[:-1][same] = day[1:][same]
    past = ~teams.upcoming
    schedule = History(teams.team[past], teams.day[past])
    entry = schedule.sort(np.flatnonzero(past)).astype(np.int64)
    first = schedule.until(team, day) + 1
    # A game still finds the player on the team when the team's game before it lay within MEMBER_DAYS of his last.
    last = np.minimum(schedule.until(team, day + MEMBER_DAYS) + 1, schedule.until(team, following))
    games = np.maximum(last - first + 1, 0)
    source = np.repeat(np.arange(len(order)), games)
    number = np.arange(len(source)) - np.repeat(np.cumsum(games) - games, games)
    return entry[first[source] + number], player[source]


def _keys(rows: Rows, pairs: _Pairs) -> pd.DataFrame:
    """ROSTER_KEYS of the pairs: ids behind the codes."""
    frame = rows.frame
    game = frame[["season", "game_id", "game_date", "team_id"]].iloc[first_of(rows.team_game, len(rows.teams))]
    keys = game.iloc[pairs.team_game].reset_index(drop=True)
    who = frame["player_id"].iloc[first_of(rows.player, int(rows.player.max()) + 1)].to_numpy()[pairs.player]
    last = pd.to_datetime(pd.Series(pairs.last_day), unit="D").astype("datetime64[ns]")
    return keys.assign(player_id=who, last_played=last)[list(ROSTER_KEYS)]


def _absences(rows: Rows, history: History, pairs: _Pairs) -> Columns:
    """How often the player was missing, lately, in general and on second nights in a row."""
    known = ~np.isnan(pairs.present)
    own = History(pairs.player[known], pairs.day[known])
    at = own.before(pairs.player, pairs.day)
    absent = own.sort(1.0 - pairs.present[known])
    in_a_row = _rest_days(rows)[pairs.team_game] == 1
    second = own.sort(in_a_row[known].astype(float))
    total, nights = own.expanding(absent) * (own.number + 1), own.expanding(second) * (own.number + 1)
    both = own.expanding(absent * second) * (own.number + 1)
    games = own.count(at)
    general = np.divide(own.take(total, at) + 0.2, games + 1.0)
    on_second = (np.nan_to_num(own.take(both, at)) + HABIT_NIGHTS * general) / (
        np.nan_to_num(own.take(nights, at)) + HABIT_NIGHTS
    )
    played = history.before(pairs.player, pairs.day)
    away = pairs.day - pairs.last_day
    recent = history.count(played) - history.count(history.before(pairs.player, pairs.day - MEMBER_DAYS))
    schedule = History(rows.teams.team, rows.teams.day)
    team_games = schedule.count(schedule.before(pairs.team, pairs.day)) - schedule.count(
        schedule.before(pairs.team, pairs.day - MEMBER_DAYS)
    )
    return {
        "missed": np.minimum(pairs.missed, LONGEST_MISSED),
        "days_away": np.minimum(away, 2 * LONGEST_MISSED),
        "share_30d": np.divide(recent, team_games, out=np.full(len(away), np.nan), where=team_games > 0),
        "absent_30": own.take(own.ewm(absent, 0.3), at),
        "absent_10": own.take(own.ewm(absent, FAST), at),
        "absent_03": own.take(own.ewm(absent, SLOW), at),
        "games_on_roster": np.minimum(games, 100.0),
        "second_night": in_a_row.astype(float),
        "second_night_habit": np.where(in_a_row, on_second - general, 0.0),
        "last_spell": _last_spell(rows, history, played),
    }


def _rest_days(rows: Rows) -> np.ndarray:
    """Days since the team's game before, one a team game; NaN for its first."""
    teams = rows.teams
    schedule = History(teams.team, teams.day)
    return np.asarray(teams.day - schedule.days(schedule.before(teams.team, teams.day)))


def _last_spell(rows: Rows, history: History, at: np.ndarray) -> np.ndarray:
    """Days between his last game and the one before: how long he had been away when he played last (at most 60)."""
    day = history.sort(rows.day[rows.played])
    gap = np.r_[np.nan, np.diff(day)]
    gap[history.number == 0] = np.nan
    return np.minimum(history.take(gap, at), 60.0)


def _minutes(rows: Rows, history: History, pairs: _Pairs) -> Columns:
    """How long he plays when he does, and where that puts him among the members, and among those who played last."""
    at = history.before(pairs.player, pairs.day)
    minutes = history.sort(rows.box["min"][rows.played])
    usual = history.take(history.ewm(minutes, FAST), at)
    quick = history.take(history.ewm(minutes, 0.3), at)
    weight = np.nan_to_num(usual)
    healthy = np.nan_to_num(pairs.missed, nan=1.0) == 0
    return {
        "usual_min": usual,
        "quick_min": quick - usual,
        "slow_min": history.take(history.ewm(minutes, SLOW), at) - usual,
        "last_min": history.take(minutes, at) - usual,
        "longest_5": history.take(history.high(minutes, 5), at) - usual,
        "rank": _rank(pairs.team_game, weight, np.ones(len(weight), dtype=bool)),
        "rank_healthy": _rank(pairs.team_game, weight, healthy),
        "healthy": np.bincount(pairs.team_game, healthy, len(rows.teams))[pairs.team_game],
        "healthy_min": np.bincount(pairs.team_game, healthy * weight, len(rows.teams))[pairs.team_game],
        "games_before": np.minimum(history.count(at), 100.0),
    }


def _rank(team_game: np.ndarray, weight: np.ndarray, among: np.ndarray) -> np.ndarray:
    """1 + how many of the given members of the team game have more minutes."""
    ordered = np.sort(team_game[among] * 1000.0 - weight[among])
    start = np.searchsorted(ordered, team_game * 1000.0 - 999)
    return np.searchsorted(ordered, team_game * 1000.0 - weight, side="left") - start + 1.0


def _calendar(rows: Rows, pairs: _Pairs) -> Columns:
    """Season phase, density of the schedule and how the team fares."""
    teams = rows.teams
    schedule = History(teams.team, teams.day)
    before = schedule.before(pairs.team, pairs.day)
    team_season = teams.season * (int(teams.team.max()) + 1) + teams.team
    in_season = History(team_season, teams.day)
    number = in_season.count(in_season.before(team_season, teams.day))[pairs.team_game]
    margin = np.bincount(rows.team_game[rows.played], rows.box["plus_minus"][rows.played], len(teams)) / 5
    strength = schedule.take(schedule.ewm(schedule.sort(margin), 0.05), before)
    late = np.clip((number + 1 - (SEASON_GAMES - LATE_GAMES)) / LATE_GAMES, 0.0, 1.0)
    lately = schedule.count(before) - schedule.count(schedule.before(pairs.team, pairs.day - 4))
    return {
        "rest_days": np.minimum(_rest_days(rows)[pairs.team_game], 8.0),
        "games_4d": lately,
        "season_game": number,
        "opening": np.exp(-number / 3.0),
        "late": late,
        "late_losing": late * np.minimum(np.nan_to_num(strength), 0.0),
        "strength": strength,
        "is_home": teams.is_home[pairs.team_game].astype(float),
    }


def _age(rows: Rows, pairs: _Pairs, players: pd.DataFrame) -> np.ndarray:
    """Years on the day."""
    born = players.set_index("player_id")["birthdate"]
    ids = rows.frame["player_id"].iloc[first_of(rows.player, int(rows.player.max()) + 1)]
    days = born.reindex(ids).to_numpy("datetime64[D]")
    known = np.where(np.isnat(days), np.nan, days.astype(np.int64).astype(float))
    return np.asarray((pairs.day - known[pairs.player]) / 365.25)


ROSTER_COLUMNS = (
    "missed", "days_away", "share_30d", "absent_30", "absent_10", "absent_03", "games_on_roster", "second_night",
    "second_night_habit", "last_spell", "usual_min", "quick_min", "slow_min", "last_min", "longest_5", "rank",
    "rank_healthy", "healthy", "healthy_min", "games_before", "rest_days", "games_4d", "season_game", "opening", "late",
    "late_losing", "strength", "is_home", "age",
)  # fmt: skip
"""What is known of a member before the day; every column is pregame."""
