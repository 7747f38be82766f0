"""A simulated league as a source: runs anywhere without a network, and the true probability of every over is known."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
import pandas as pd

from statmuse_pipeline.contracts import GAME_LOG_COLUMNS
from statmuse_pipeline.domain import LADDER, Season
from statmuse_pipeline.sources.demo_careers import Campaign, campaigns
from statmuse_pipeline.sources.demo_games import Expectations, box_scores, expectations
from statmuse_pipeline.sources.demo_names import CLUBS, FIRST_PLAYER_ID, FIRST_TEAM_ID, player_names
from statmuse_pipeline.sources.demo_schedule import Schedule, make_schedule
from statmuse_pipeline.sources.demo_truth import true_overs
from statmuse_pipeline.sources.source import (
    SeasonPayload,
    SourceError,
    content_hash,
    player_frame,
    schedule_frame,
)

ORIGIN = Season(2010)
"""The league's first season, whichever seasons are asked for: so a season never depends on the others asked for."""

CODE_VERSION = 1
"""To be raised with every change that moves a simulated number."""

_GAME_TYPE = "009"
"""No type of game at stats.nba.com (regular season is 002), so the ids are nobody else's."""


@dataclass(frozen=True)
class _Played:
    """A simulated season."""

    campaign: Campaign
    schedule: Schedule
    known: Expectations
    game_logs: pd.DataFrame


class DemoLeague:
    """A league of invented teams and players, the same for the same seed.

    A season is simulated when it is first asked for and kept. Careers begin in ORIGIN, so a season is the same
    whichever others are asked for.

    Args:
        seasons: the seasons to play, such as `2023-24`, from 2010-11 on.
        seed: not negative.
        teams: even, 4 to 30.
        games_per_team: length of a season, 1 to 82.

    Raises:
        SourceError: when an argument is outside these bounds.
        PipelineError: when a season is not written like 2023-24.
    """

    name = "demo"

    def __init__(self, seasons: Sequence[str], seed: int, teams: int = 30, games_per_team: int = 82) -> None:
        self._seasons = tuple(sorted({Season.parse(label).label for label in seasons}))
        if not self._seasons or Season.parse(self._seasons[0]) < ORIGIN:
            raise SourceError(f"The demo league plays from {ORIGIN} on: set SEASONS to such seasons.")
        if teams % 2 or not 4 <= teams <= len(CLUBS):
            raise SourceError(
                f"The demo league can't have {teams} teams: choose an even number from 4 to {len(CLUBS)}."
            )
        if not 1 <= games_per_team <= 82:
            raise SourceError(f"A demo season can't have {games_per_team} games a team: choose 1 to 82.")
        if seed < 0:
            raise SourceError(f"The demo league's seed can't be {seed}: choose a whole number from 0 on.")
        self._seed, self._teams, self._rounds = int(seed), int(teams), int(games_per_team)
        self._careers: Iterator[Campaign] = campaigns(ORIGIN, self._seed, self._teams, self._rounds)
        self._campaigns: dict[Season, Campaign] = {}
        self._next = ORIGIN
        self._played: dict[str, _Played] = {}

    def seasons(self) -> tuple[str, ...]:
        """The seasons asked for, sorted."""
        return self._seasons

    def fetch(self, season: str, since: date | None = None) -> SeasonPayload:
        """That season, or its games on and after `since`.

        Raises:
            SourceError: when the season was not asked for.
        """
        played = self._play(season)
        logs, schedule = played.game_logs, _schedule_table(played)
        if since is not None:
            logs = logs[logs["GAME_DATE"] >= since.isoformat()].reset_index(drop=True)
            schedule = schedule[schedule["GAME_DATE"] >= since.isoformat()].reset_index(drop=True)
        players = _player_table(played, logs)
        return SeasonPayload(
            season=season,
            game_logs=logs.copy(),
            schedule=schedule,
            players=players,
            origin=f"demo league, seed {self._seed}, {self._teams} teams, {self._rounds} games a team",
            fetched_at=None,
            sha256=content_hash(logs, schedule, players),
            since=since,
        )

    def fingerprint(self, season: str) -> str:
        """Hash of everything the season follows from; nothing is simulated.

        Raises:
            SourceError: when the season was not asked for.
        """
        self._require(season)
        told = f"demo league {CODE_VERSION} {ORIGIN} {self._seed} {self._teams} {self._rounds} {season}"
        return hashlib.sha256(told.encode()).hexdigest()

    def true_probabilities(self, season: str) -> pd.DataFrame:
        """P(stat > line) over the ladder for one who knows everything at tip-off but the luck, from exact mixtures.

        Known are true talents and roles of the day, who takes part, opponent, home court and rest; unknown are the
        minutes of the night and the counts given them.

        Returns:
            One row a player-game, stat and line: game_id, player_id, stat, line, p_over.

        Raises:
            SourceError: when the season was not asked for.
        """
        played = self._play(season)
        ids = played.game_logs[["GAME_ID", "PLAYER_ID"]]
        tables = []
        for stat, overs in true_overs(played.known).items():
            lines = LADDER[stat]
            table = ids.loc[ids.index.repeat(len(lines))].set_axis(["game_id", "player_id"], axis=1)
            tables.append(table.assign(stat=stat.value, line=np.tile(lines, len(ids)), p_over=overs.ravel()))
        return pd.concat(tables, ignore_index=True).astype({"stat": "str"})

    def _require(self, season: str) -> None:
        if season not in self._seasons:
            raise SourceError(
                f"The demo league does not play {season} but {', '.join(self._seasons)}: add it to SEASONS."
            )

    def _play(self, season: str) -> _Played:
        self._require(season)
        if season not in self._played:
            wanted = Season.parse(season)
            campaign = self._campaign(wanted)
            rng = np.random.default_rng([self._seed, wanted.start_year, 1])
            schedule = make_schedule(wanted, self._teams, self._rounds, rng)
            known = expectations(campaign, schedule, rng)
            self._played[season] = _Played(campaign, schedule, known, _game_logs(campaign, schedule, known, rng))
        return self._played[season]

    def _campaign(self, wanted: Season) -> Campaign:
        while self._next <= wanted:
            campaign = next(self._careers)
            if self._next.label in self._seasons:
                self._campaigns[self._next] = campaign
            self._next = Season(self._next.start_year + 1)
        return self._campaigns[wanted]


def _game_logs(campaign: Campaign, schedule: Schedule, known: Expectations, rng: np.random.Generator) -> pd.DataFrame:
    """LeagueGameLog rows in the order of `known`, with box scores drawn now."""
    rounds, team = np.divmod(known.team_game, campaign.league.teams)
    other, game = schedule.opponent[rounds, team], schedule.game[rounds, team]
    box = box_scores(known, game, rng)
    letters = np.array([club.abbreviation for club in CLUBS], dtype=object)
    between = np.where(schedule.is_home[rounds, team], " vs. ", " @ ").astype(object)
    serial = campaign.league.serial
    names = np.array(player_names(serial), dtype=object)
    columns: dict[str, np.ndarray] = {
        "SEASON_ID": np.full(len(known), campaign.season.season_id, dtype=object),
        "PLAYER_ID": FIRST_PLAYER_ID + serial[known.player],
        "PLAYER_NAME": names[known.player],
        "TEAM_ID": FIRST_TEAM_ID + team,
        "TEAM_ABBREVIATION": letters[team],
        "TEAM_NAME": np.array([club.name for club in CLUBS], dtype=object)[team],
        "GAME_ID": _game_ids(campaign.season, schedule)[game],
        "GAME_DATE": np.datetime_as_string(schedule.date, unit="D").astype(object)[rounds, team],
        "MATCHUP": letters[team] + between + letters[other],
        "WL": np.where(box["WON"], "W", "L").astype(object),
        **box,
    }
    logs = pd.DataFrame({name: columns[name] for name in GAME_LOG_COLUMNS})
    return logs.astype({name: "str" for name in logs if logs[name].dtype == object})


def _game_ids(season: Season, schedule: Schedule) -> np.ndarray:
    """Ids of ten digits in the order of dates, [games]."""
    start = f"{_GAME_TYPE}{season.start_year % 100:02d}"
    return np.array([f"{start}{number:05d}" for number in range(1, len(schedule.tipoff) + 1)], dtype=object)


def _schedule_table(played: _Played) -> pd.DataFrame:
    schedule = played.schedule
    rounds, home = np.nonzero(schedule.is_home)
    order = np.argsort(schedule.game[rounds, home])
    rounds, home = rounds[order], home[order]
    return schedule_frame(
        pd.DataFrame(
            {
                "GAME_ID": _game_ids(played.campaign.season, schedule),
                "GAME_DATE": np.datetime_as_string(schedule.date[rounds, home], unit="D"),
                "TIPOFF_UTC": schedule.tipoff,
                "HOME_TEAM_ID": FIRST_TEAM_ID + home,
                "AWAY_TEAM_ID": FIRST_TEAM_ID + schedule.opponent[rounds, home],
            }
        )
    )


def _player_table(played: _Played, logs: pd.DataFrame) -> pd.DataFrame:
    """The players that occur in these game logs."""
    league = played.campaign.league
    table = pd.DataFrame(
        {
            "PLAYER_ID": FIRST_PLAYER_ID + league.serial,
            "PLAYER_NAME": player_names(league.serial),
            "POSITION": league.label,
            "HEIGHT_IN": league.height,
            "WEIGHT_LB": league.weight,
            "BIRTHDATE": league.born,
        }
    ).sort_values("PLAYER_ID")
    return player_frame(table[table["PLAYER_ID"].isin(logs["PLAYER_ID"])])
