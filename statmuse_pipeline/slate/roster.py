"""Who may play in the games of a night, who is out, and what is known about it.

**Statuses.** The newest status of a player for that day's game counts, however old; its age is told. A player without
one is `Available` where his team has reported within `TEAM_AGE` and does not name him, else `Unknown`: transactions, of
which only the day is known, are no report, and say nothing of those they do not name.

**Information level.** A game is forecast at tip-off level only when it is known who is out: the newest report of both
teams is no older than `REPORT_AGE` (reports appear hourly), and no player of the rotation is left `Questionable` or
`Doubtful` in it. Only rotation players enter the tip-off features, so nobody else's status can leave them open.
Otherwise the game is forecast at pregame level, in which absences count as far as reports make them likely.
"""

from __future__ import annotations

import datetime as dt

import pandas as pd

from statmuse_pipeline.contracts import FEATURE_KEYS, INJURY_STATUSES, check
from statmuse_pipeline.domain import InformationLevel, PipelineError

ROSTER_DAYS = 30
"""Where no roster is known: who played for a team within so many days before its last game belongs to it."""

REPORT_AGE = pd.Timedelta(hours=3)
"""An older report has been followed by others that are not known."""

TEAM_AGE = pd.Timedelta(hours=30)
"""Reports on a game begin at 5 pm of the day before: an older one is about another game."""

OUT = "Out"
UNDECIDED = ("Doubtful", "Questionable")
AVAILABLE = "Available"
UNKNOWN = "Unknown"


def upcoming_rows(player_games: pd.DataFrame, games: pd.DataFrame, rosters: pd.DataFrame | None = None) -> pd.DataFrame:
    """One row a player of every team that plays, as `build_features` takes them.

    Args:
        player_games: contracts.PLAYER_GAMES; games on and after the day of `games` are not looked at.
        games: contracts.SCHEDULED_GAMES of one day.
        rosters: player_id, player_name, team_id of who is under contract now; None where that is not known: then the
            players of a team are those whose last game was for it, within ROSTER_DAYS of the team's last game.

    Returns:
        FEATURE_KEYS, is_home, last_played (day of the player's last game; NaT for a player without one).

    Raises:
        PipelineError: when the games are of several days, a team plays twice, or a team has no players.
    """
    if games.empty:
        return pd.DataFrame(columns=[*FEATURE_KEYS, "is_home", "last_played"])
    day = games["game_date"].iloc[0]
    if (games["game_date"] != day).any():
        raise PipelineError("Games of several days can't be one slate: the later ones depend on the earlier.")
    before = player_games[player_games["game_date"] < day]
    last = before.sort_values(["game_date", "game_id"], kind="stable").drop_duplicates("player_id", keep="last")
    home = games[["season", "game_id", "game_date", "home_team_id", "away_team_id"]]
    sides = pd.concat(
        [
            home.set_axis(["season", "game_id", "game_date", "team_id", "opponent_team_id"], axis=1).assign(
                is_home=True
            ),
            home.set_axis(["season", "game_id", "game_date", "opponent_team_id", "team_id"], axis=1).assign(
                is_home=False
            ),
        ]
    )
    if sides["team_id"].duplicated().any():
        twice = sides.loc[sides["team_id"].duplicated(), "team_id"].iloc[0]
        raise PipelineError(f"Team {twice} plays twice on {day:%Y-%m-%d}: the schedule holds a game under two ids.")
    members = _last_team(before, last) if rosters is None else _under_contract(rosters, last)
    rows = sides.merge(members, on="team_id")
    if missing := sorted(set(sides["team_id"]) - set(rows["team_id"])):
        raise PipelineError(f"No player of team {missing[0]} is known before {day:%Y-%m-%d}: sync its games first.")
    rows = rows[[*FEATURE_KEYS, "is_home", "last_played"]]
    return rows.sort_values(["game_id", "is_home", "player_id"], ignore_index=True)


def _last_team(before: pd.DataFrame, last: pd.DataFrame) -> pd.DataFrame:
    newest = before.groupby("team_id")["game_date"].max()
    recent = last["game_date"] >= last["team_id"].map(newest) - pd.Timedelta(days=ROSTER_DAYS)
    return last.loc[recent, ["player_id", "player_name", "team_id"]].assign(last_played=last["game_date"])


def _under_contract(rosters: pd.DataFrame, last: pd.DataFrame) -> pd.DataFrame:
    played = last.set_index("player_id")["game_date"]
    members = rosters[["player_id", "player_name", "team_id"]]
    return members.assign(last_played=played.reindex(members["player_id"]).set_axis(members.index))


def with_statuses(
    rows: pd.DataFrame,
    injuries: pd.DataFrame | None,
    now: dt.datetime,
    reports: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """The rows with `status` and `reported_at` (the moment it was published, NaT where unknown).

    Args:
        rows: of `upcoming_rows`.
        injuries: contracts.INJURY_STATUSES for the games of that day, optionally with `precision`, "day" where the
            source knows days only; what was published after `now` is not looked at. None where there is none.
        now: the present moment.
        reports: team_id, reported_at of every team that has handed in a report, also one that names nobody; None
            where only the players named are known: then a team has reported when one of its players is named.
    """
    frame = rows.assign(status=UNKNOWN, reported_at=pd.Series(pd.NaT, index=rows.index, dtype="datetime64[ns, UTC]"))
    if injuries is None or rows.empty:
        return frame
    moment = pd.Timestamp(now)
    known = check(INJURY_STATUSES, injuries)
    known = known[known["reported_at"] <= moment]
    newest = known.sort_values("reported_at", kind="stable").drop_duplicates("player_id", keep="last")
    newest = newest.set_index("player_id")
    own, published = frame["player_id"].map(newest["status"]), _moments(frame["player_id"], newest["reported_at"])
    exact = newest["precision"] != "day" if "precision" in newest else pd.Series(True, index=newest.index)
    of_report = frame["player_id"].isin(newest.index[exact])
    teams = _reported(frame.assign(reported_at=published)[of_report], reports, moment)
    team_report = _moments(frame["team_id"], teams)
    status = own.fillna(pd.Series(AVAILABLE, index=frame.index).where(team_report.notna(), UNKNOWN))
    return frame.assign(status=status.astype("str"), reported_at=published.fillna(team_report))


def _moments(keys: pd.Series, moments: pd.Series) -> pd.Series:
    """The moment of each key, NaT where there is none."""
    return moments.reindex(keys).set_axis(keys.index).astype("datetime64[ns, UTC]")


def _reported(rows: pd.DataFrame, reports: pd.DataFrame | None, now: pd.Timestamp) -> pd.Series:
    """team_id -> the moment of its newest report that still counts."""
    table = rows[rows["reported_at"].notna()] if reports is None else reports
    table = table[(table["reported_at"] <= now) & (table["reported_at"] > now - TEAM_AGE)]
    return table.groupby("team_id")["reported_at"].max()


def levels(rows: pd.DataFrame, rotation: pd.Series, now: dt.datetime) -> dict[str, InformationLevel]:
    """game_id -> the information level at which it may be forecast.

    Args:
        rows: of `with_statuses`.
        rotation: player_id -> whether he belongs to the rotation.
        now: the present moment.
    """
    known = rows["status"] != UNKNOWN
    fresh = known & (rows["reported_at"] > pd.Timestamp(now) - REPORT_AGE)
    # The newest report of a team is that of any of its players.
    reported = fresh.groupby([rows["game_id"], rows["team_id"]]).any().groupby("game_id").all()
    open_ = rows["status"].isin([*UNDECIDED, UNKNOWN]) & rows["player_id"].map(rotation).fillna(False).astype(bool)
    decided = ~open_.groupby(rows["game_id"]).any()
    settled = reported & decided
    return {str(game): InformationLevel.TIPOFF if settled[game] else InformationLevel.PREGAME for game in settled.index}
