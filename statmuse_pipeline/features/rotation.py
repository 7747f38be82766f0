"""Who belongs to a team on a day, how long he usually plays, and the player's place among his team mates (pregame).

Box scores hold no roster: a player belongs to the team of his most recent game, for MEMBER_DAYS days after it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from statmuse_pipeline.domain import ROTATION_MINUTES, PipelineError
from statmuse_pipeline.features.catalog import PREGAME, Columns, Feature
from statmuse_pipeline.features.rolling import SLOW, History, player_history
from statmuse_pipeline.features.rows import GROUPS, Rows, first_of, prepare_rows

MEMBER_DAYS = 30
"""A player who has not played for this many days no longer belongs to his team: its form has forgotten him."""

CARRIED = ("min", "pts", "reb", "ast", "fg3m", "stl", "blk", "tov", "pra", "fga", "fg3a", "fta")
"""What a player takes with him when he is out."""

STARTERS = 5

LATELY = 0.25
"""Weight of the newest game in the mean by which a player belongs to the rotation."""


@dataclass(frozen=True)
class Members:
    """Pairs of a team game and a player who belonged to that team before it.

    `team_game` and `player`, `group` are codes as in Rows; `missed` the team's games since his last one; `expected`
    his usual stats (slow means) from all his games before; `rotates` whether he belonged to the rotation, as
    `in_rotation`; `present` whether he took part; `p_plays` how likely that was before the day.
    """

    team_game: np.ndarray
    player: np.ndarray
    group: np.ndarray
    missed: np.ndarray
    expected: Columns
    rotates: np.ndarray
    present: np.ndarray
    p_plays: np.ndarray


def team_members(rows: Rows, history: History, chances: pd.DataFrame | None = None) -> Members:
    """The members of every team on the day of each of its games, from earlier games alone (but for `present`).

    Args:
        rows: the rows.
        history: `rolling.player_history(rows)`.
        chances: game_id, player_id, p_plays, known before the day of the game. Of whom nothing is known he plays if he
            played the team's last game.
    """
    teams = rows.teams
    seen = np.flatnonzero(~rows.upcoming)
    order = seen[np.lexsort((rows.day[seen], rows.player[seen]))]
    player, day = rows.player[order], rows.day[order]
    following = np.full(len(order), np.iinfo(np.int64).max)
    same = player[1:] == player[:-1]
    following[:-1][same] = day[1:][same]

    schedule = History(teams.team, teams.day)
    entry = schedule.sort(np.arange(len(teams))).astype(np.int64)
    first = schedule.until(rows.team[order], day) + 1
    last = schedule.until(rows.team[order], np.minimum(following, day + MEMBER_DAYS))
    games = last - first + 1
    source = np.repeat(np.arange(len(order)), games)
    missed = np.arange(len(source)) - np.repeat(np.cumsum(games) - games, games)
    team_game = entry[first[source] + missed]
    at = history.until(player, day)
    return Members(
        team_game=team_game,
        player=player[source],
        group=rows.group[order][source],
        missed=missed,
        expected={s: history.take(mean, at)[source] for s, mean in usual_stats(rows, history).items()},
        rotates=in_rotation(rows, history, at)[source],
        present=_present(rows, team_game, player[source]),
        p_plays=_p_plays(rows, team_game, player[source], missed, chances),
    )


def _p_plays(
    rows: Rows, team_game: np.ndarray, player: np.ndarray, missed: np.ndarray, chances: pd.DataFrame | None
) -> np.ndarray:
    """The chances of pairs of a team game and a player; whether he played the last game where there is none."""
    last = (missed == 0).astype(float)
    if chances is None or chances.empty:
        return last
    told = chances[chances["p_plays"].notna()]
    game = rows.frame["game_id"].iloc[first_of(rows.team_game, len(rows.teams))].to_numpy(object)
    person = rows.frame["player_id"].iloc[first_of(rows.player, int(rows.player.max()) + 1)].to_numpy(object)
    asked = pd.MultiIndex.from_arrays([game[team_game], person[player]])
    known = pd.MultiIndex.from_arrays([told["game_id"].to_numpy(object), told["player_id"].to_numpy(object)])
    if known.has_duplicates:
        game_id, player_id = known[known.duplicated()][0]
        raise PipelineError(f"How likely player {player_id} in game {game_id} is to play is told twice.")
    found = pd.Series(told["p_plays"].to_numpy(np.float64), index=known).reindex(asked).to_numpy()
    return np.where(np.isnan(found), last, found)


def usual_stats(rows: Rows, history: History) -> Columns:
    """What players usually make: slow means after each game, in the order of the history."""
    return {s: history.ewm(history.sort(rows.box[s][rows.played]), SLOW) for s in CARRIED}


def in_rotation(rows: Rows, history: History, at: np.ndarray) -> np.ndarray:
    """Whether players belong to the rotation after their games `at` (-1: none): ROTATION_MINUTES or more lately.

    By the quick mean, because who came up is mostly hurt when he is missing, as a regular is, and who lost his place
    may be missing for no reason that is known before the game. Of members who had played the last game, 6 to 10% miss
    the next one where this mean is 15 or more, whatever slower means say, and 23 to 29% where it is not and a slower
    one is (2021-10 to 2024-04). Of absences of regulars by every mean 66% are among the injury transactions, of those
    who came up 27%, of those who lost their place 9 to 14%.
    """
    lately = history.take(history.ewm(_regulation(rows, history), LATELY), at)
    # As exact as in the feature table, so that a player of always 15 minutes is the same in both.
    return lately.astype(np.float32) >= ROTATION_MINUTES


def rotates(features: pd.DataFrame) -> pd.Series:
    """`in_rotation` of the rows of a feature table."""
    return features["min_ewm_25"] >= ROTATION_MINUTES


def rotation_before(player_games: pd.DataFrame, players: pd.DataFrame, upcoming: pd.DataFrame) -> pd.Series:
    """player_id -> whether he belongs to the rotation before his game to be played; arguments as `build_features`."""
    rows = prepare_rows(player_games, players, upcoming)
    history = player_history(rows)
    come = np.flatnonzero(rows.upcoming)
    at = history.before(rows.player[come], rows.day[come])
    return pd.Series(in_rotation(rows, history, at), index=rows.frame["player_id"].to_numpy()[come])


def _regulation(rows: Rows, history: History) -> np.ndarray:
    """Minutes in the order of the history, overtime scaled away: nobody can know of it before."""
    team_game, minutes = rows.team_game[rows.played], rows.box["min"][rows.played]
    whole = np.bincount(team_game, minutes, len(rows.teams))
    return history.sort(minutes * 240 / np.maximum(whole[team_game], 240))


def _present(rows: Rows, team_game: np.ndarray, player: np.ndarray) -> np.ndarray:
    """In the box score; in a game still to be played: neither known to be out nor listed for another team."""
    span = int(rows.player.max()) + 1
    pair, listed = team_game * span + player, rows.team_game * span + rows.player
    played = np.isin(pair, listed[~rows.upcoming])
    slate = rows.upcoming & ~rows.out
    gone = np.isin(player, rows.player[slate]) & ~np.isin(
        rows.teams.team[team_game] * span + player, (rows.team * span + rows.player)[slate]
    )
    return np.where(rows.teams.upcoming[team_game], ~np.isin(pair, listed[rows.out]) & ~gone, played)


@dataclass(frozen=True)
class TakePart:
    """Rotation players who take part in a team game, one entry each: codes as in Rows, usual stats (slow means)."""

    team_game: np.ndarray
    player: np.ndarray
    group: np.ndarray
    usual: Columns

    @property
    def minutes(self) -> np.ndarray:
        """Usual minutes."""
        return self.usual["min"]


def take_part(rows: Rows, history: History, members: Members) -> TakePart:
    """Members of the rotation who are present, and newcomers whose last game was for another team or long ago."""
    at = history.before(rows.player, rows.day)
    usual = {s: history.take(mean, at) for s, mean in usual_stats(rows, history).items()}
    span = int(rows.player.max()) + 1
    member = np.isin(rows.team_game * span + rows.player, members.team_game * span + members.player)
    newcomer = in_rotation(rows, history, at) & ~member & ~rows.out
    here = members.rotates & members.present
    return TakePart(
        team_game=np.r_[members.team_game[here], rows.team_game[newcomer]],
        player=np.r_[members.player[here], rows.player[newcomer]],
        group=np.r_[members.group[here], rows.group[newcomer]],
        usual={s: np.r_[members.expected[s][here], usual[s][newcomer]] for s in CARRIED},
    )


def role_features(rows: Rows, history: History, members: Members) -> Columns:
    """The player's place in the rotation as it stood before the day."""
    at = history.before(rows.player, rows.day)
    own = history.take(usual_stats(rows, history)["min"], at)
    minutes = members.expected["min"]
    rotation, own_rotates = members.rotates, in_rotation(rows, history, at)
    likely, absent = expected_minutes(members), rotation & (members.missed > 0)
    own_missed, own_likely = of_himself(rows, members, members.missed), np.nan_to_num(of_himself(rows, members, likely))
    own_absent = np.where(own_rotates & (own_missed > 0), own, 0.0)
    return {
        "rotation_size": team_sum(rows, members.team_game, rotation),
        "rotation_rank": rank_among(rows, members.team_game[rotation], minutes[rotation], own),
        "mates_min": team_sum(rows, members.team_game, likely) - own_likely,
        "mates_min_pos": group_sum(rows, members, likely) - own_likely,
        "mates_out_last_min": team_sum(rows, members.team_game, absent * minutes) - own_absent,
        "mates_out_last_min_pos": group_sum(rows, members, absent * minutes) - own_absent,
        "games_missed": own_missed,
        **_minutes_roles(rows, history, at),
        **_spells(rows, history, at),
    }


def expected_minutes(members: Members) -> np.ndarray:
    """Usual minutes of the members of the rotation, times how likely they play; 0 of everyone else."""
    return np.where(members.rotates, members.p_plays * members.expected["min"], 0.0)


def of_himself(rows: Rows, members: Members, values: np.ndarray) -> np.ndarray:
    """What is told of the row's own player among the members; NaN when he is new or long away."""
    span = int(rows.player.max()) + 1
    pair = members.team_game * span + members.player
    order = np.argsort(pair, kind="stable")
    wanted = rows.team_game * span + rows.player
    if not len(pair):
        return np.full(len(rows), np.nan)
    found = np.minimum(np.searchsorted(pair[order], wanted), len(pair) - 1)
    return np.where(pair[order][found] == wanted, values[order][found], np.nan)


def _minutes_roles(rows: Rows, history: History, at: np.ndarray) -> Columns:
    """How he was used: rank of his minutes in the team's games, last minutes, quick means."""
    played = rows.played
    minutes = rows.box["min"][played]
    rank = rank_in_team(rows.team_game[played], minutes)
    ordered = history.sort(minutes)
    ranks = history.sort(rank)
    starts = history.sort((rank <= STARTERS).astype(float))
    regulation = _regulation(rows, history)
    margin = np.bincount(rows.team_game[played], rows.box["plus_minus"][played], len(rows.teams)) / 5
    figures = {
        "min_last": ordered,
        "min_regulation_last": regulation,
        "min_ewm_50": history.ewm(regulation, 0.5),
        "min_ewm_25": history.ewm(regulation, LATELY),
        "min_rank_ewm_25": history.ewm(ranks, 0.25),
        "starter_last": starts,
        "starter_ewm_25": history.ewm(starts, 0.25),
        "starter_ewm_03": history.ewm(starts, SLOW),
        "margin_last": np.abs(history.sort(margin[rows.team_game[played]])),
    }
    return {name: history.take(values, at) for name, values in figures.items()}


def rank_in_team(team_game: np.ndarray, minutes: np.ndarray) -> np.ndarray:
    """1 for the longest minutes of the team game; ties share the better rank."""
    code = team_game * 1000.0 - minutes
    ordered = np.sort(code)
    start = np.searchsorted(ordered, team_game * 1000.0 - 999)
    return np.searchsorted(ordered, code, side="left") - start + 1.0


def _spells(rows: Rows, history: History, at: np.ndarray) -> Columns:
    """Games since a return from absence, games with the team, and how often he played lately."""
    played = rows.played
    teams = rows.teams
    day = history.sort(rows.day[played])
    team = history.sort(rows.team[played])
    fresh = history.number == 0
    gap = np.r_[0.0, np.diff(day)]
    returned = fresh | (gap > 10)
    moved = fresh | np.r_[True, team[1:] != team[:-1]]
    days = rows.day - history.days(at)
    with_team = np.where(history.take(team, at) == rows.team, history.take(_since(moved), at), 0.0)
    schedule = History(teams.team, teams.day)
    team_games = schedule.count(schedule.before(rows.team, rows.day)) - schedule.count(
        schedule.before(rows.team, rows.day - MEMBER_DAYS)
    )
    games = history.count(at) - history.count(history.before(rows.player, rows.day - MEMBER_DAYS))
    return {
        "games_since_return": np.where(days > 10, 0.0, history.take(_since(returned), at)),
        "games_with_team": np.where(at >= 0, with_team, np.nan),
        "share_of_games_30d": np.divide(games, team_games, out=np.full(len(rows), np.nan), where=team_games > 0),
    }


def _since(event: np.ndarray) -> np.ndarray:
    """1 on the observation of an event, 2 on the next ... (an event stands on each entity's first observation)."""
    number = np.arange(len(event))
    return number - np.maximum.accumulate(np.where(event, number, 0)) + 1.0


def earlier_mean(rows: Rows, history: History, column: np.ndarray, alpha: float) -> np.ndarray:
    """Weighted mean of a column over the player's earlier games: what his form already holds."""
    return history.take(history.ewm(history.sort(column[rows.played]), alpha), history.before(rows.player, rows.day))


def team_sum(rows: Rows, team_game: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Sum of the values over the row's own team game."""
    return np.bincount(team_game, values, len(rows.teams))[rows.team_game]


def group_sum(rows: Rows, members: Members, values: np.ndarray) -> np.ndarray:
    """Sum of the values over members of the row's team game and position group."""
    cell = members.team_game * GROUPS + members.group
    return np.bincount(cell, values, len(rows.teams) * GROUPS)[rows.team_game * GROUPS + rows.group]


def rank_among(rows: Rows, team_game: np.ndarray, minutes: np.ndarray, own: np.ndarray) -> np.ndarray:
    """1 + how many of the given players of the row's team game have more minutes than its own figure."""
    ordered = np.sort(team_game * 1000.0 - minutes)
    start = np.searchsorted(ordered, rows.team_game * 1000.0 - 999)
    wanted = rows.team_game * 1000.0 - np.nan_to_num(own)
    return np.where(np.isnan(own), np.nan, np.searchsorted(ordered, wanted, side="left") - start + 1.0)


def catalog() -> list[Feature]:
    """The columns of `role_features`."""
    usual = f"{ROTATION_MINUTES:g} minutes or more lately"
    found = [
        ("rotation_size", f"members of the team with {usual}"),
        ("rotation_rank", "rank of the player's usual minutes among them"),
        ("mates_min", "usual minutes of rotation mates, times how likely each of them plays"),
        ("mates_min_pos", "the same at the player's position group"),
        ("mates_out_last_min", "usual minutes of rotation mates who missed the team's last game"),
        ("mates_out_last_min_pos", "the same at the player's position group"),
        ("games_missed", f"team games missed since his last one; empty when new or more than {MEMBER_DAYS} days away"),
        ("min_last", "minutes of the last game"),
        ("min_regulation_last", "minutes of the last game, overtime scaled away"),
        ("min_ewm_50", "exponentially weighted mean of minutes without overtime, newest game 0.5"),
        ("min_ewm_25", "exponentially weighted mean of minutes without overtime, newest game 0.25"),
        ("min_rank_ewm_25", "exponentially weighted rank of his minutes in the team, newest game 0.25"),
        ("starter_last", "whether his minutes in the last game were among the team's five longest"),
        ("starter_ewm_25", "share of games with minutes among the five longest, newest game 0.25"),
        ("starter_ewm_03", f"share of games with minutes among the five longest, newest game {SLOW}"),
        ("margin_last", "final margin of his last game, either way"),
        ("games_since_return", "games since his last absence of more than 10 days; 0 when he returns today"),
        ("games_with_team", "games of the current spell with the team"),
        ("share_of_games_30d", f"games played by team games of the last {MEMBER_DAYS} days"),
    ]
    return [Feature(name, PREGAME, "role", text) for name, text in found]
