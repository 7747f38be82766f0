"""stats.nba.com through nba_api: one LeagueGameLog request a season, single players when that keeps failing."""

from __future__ import annotations

import hashlib
import logging
import queue
import threading
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime

import pandas as pd
from nba_api.stats.endpoints import PlayerIndex, ScheduleLeagueV2

from statmuse_pipeline.domain import Season
from statmuse_pipeline.sources.increment import merge_increment
from statmuse_pipeline.sources.source import (
    SeasonPayload,
    SourceError,
    content_hash,
    player_frame,
    players_of,
    schedule_frame,
)
from statmuse_pipeline.sources.stats_nba_answers import official_schedule, rosters, schedule_from_matchups
from statmuse_pipeline.sources.stats_nba_client import Answer, ServiceFailing, StatsNbaClient
from statmuse_pipeline.sources.stats_nba_logs import PlayerLogs, season_game_logs, single_player_logs

FIRST_SEASON = 1996
"""Plus-minus is published from 1996-97 on."""

PROBE_DAY = date(2023, 10, 24)
"""A day with two games: a small request."""

log = logging.getLogger(__name__)


class StatsNbaSource:
    """Seasons from stats.nba.com.

    Args:
        client: makes the requests; a patient one without a raw store when left out.
        needed_players: ids of players, most needed first, asked for only when the season request keeps failing.
            Without any there is no fallback: the failure is raised. With them `fetch` may give a payload that is
            not `complete` and must go through `increment.merge_increment`.
        fallback_limit: at most so many single players (`NBA_FALLBACK_LIMIT`).
    """

    name = "nba_api"

    def __init__(
        self,
        client: StatsNbaClient | None = None,
        *,
        needed_players: Callable[[], Sequence[int]] = tuple,
        fallback_limit: int = 25,
    ) -> None:
        self.client = client or StatsNbaClient()
        self._needed_players = needed_players
        self._fallback_limit = fallback_limit
        self._downloaded: dict[str, SeasonPayload] = {}

    def seasons(self) -> tuple[str, ...]:
        """Every season with complete box scores, up to the present one."""
        return tuple(Season(year).label for year in range(FIRST_SEASON, self._this_season.start_year + 1))

    def fetch(self, season: str, since: date | None = None) -> SeasonPayload:
        """That season, or its games on and after `since`, with one request for all players.

        Schedule and rosters are asked for once; where they do not come, home and away are read from MATCHUP and
        the rosters stay empty.

        Raises:
            SourceError: when stats.nba.com does not deliver, saying what it did instead.
        """
        if since is None and season in self._downloaded:
            return self._downloaded.pop(season)
        return self._download(season, since)

    def increment(self, known: SeasonPayload, since: date) -> SeasonPayload:
        """The games of the season `known` on and after `since` as they are now, to be merged into it.

        Mostly one request: the schedule is asked for only when there is a game that `known` lacks or has under another
        day, the rosters only when there is a new player.

        Raises:
            SourceError: when stats.nba.com does not deliver, saying what it did instead.
        """
        return self._download(known.season, since, known)

    def present_season(self) -> str:
        """The season that is being played, or was played last."""
        return self._this_season.label

    def is_running(self, season: str) -> bool:
        """Whether games of that season are still being played, so that its content may change from night to night."""
        return Season.parse(season) >= self._this_season

    def fingerprint(self, season: str) -> str:
        """Constant for seasons that are over; the content hash of a fresh download for the present one.

        The download is kept for the `fetch` that follows, so that a changed season costs one request.

        Raises:
            SourceError: when the season is unknown or the present one cannot be downloaded.
        """
        self._require(season)
        if Season.parse(season) < self._this_season:
            return hashlib.sha256(f"final\x1f{season}".encode()).hexdigest()
        self._downloaded[season] = self._download(season, None)
        return self._downloaded[season].sha256

    def probe(self, seconds: float) -> bool:
        """Whether stats.nba.com answers a small request within that many seconds; stored answers always do."""
        if self.client.replay:
            return True
        outcome: queue.SimpleQueue[bool] = queue.SimpleQueue()

        def ask() -> None:
            try:
                season_game_logs(self.client, "2023-24", PROBE_DAY, PROBE_DAY, attempts=1, timeout=(seconds, seconds))
                outcome.put(True)
            except SourceError:
                outcome.put(False)

        # A thread, because neither the name look-up nor a dripping answer obeys a socket's time-out.
        threading.Thread(target=ask, daemon=True).start()
        try:
            return outcome.get(timeout=seconds)
        except queue.Empty:
            return False

    @property
    def _this_season(self) -> Season:
        return Season.of_date(self.client.now().date())

    def _require(self, season: str) -> None:
        if season not in self.seasons():
            first, last = self.seasons()[0], self.seasons()[-1]
            raise SourceError(f"stats.nba.com has no usable season {season}: choose SEASONS from {first} to {last}.")

    def _restore(self, payload: SeasonPayload) -> SeasonPayload:
        """The newest stored season with the parts merged into it that were fetched after it.

        Single players are merged one by one: whoever was asked for together with them came at another moment anyway.
        """
        store, fetched_at, season = self.client.store, payload.fetched_at, payload.season
        assert store is not None
        assert fetched_at is not None
        parts = [
            self._download(season, since, payload)
            for parameters in store.requests("leaguegamelog", season)
            if (since := _since(parameters)) and not parameters.get("DateTo") and parameters.get("PlayerOrTeam") == "P"
        ]
        for parameters in store.requests("playergamelogs", season):
            since = _since(parameters)
            found = single_player_logs(self.client, season, [int(parameters["PlayerID"])], 1, since)
            if found is not None:
                parts.append(self._payload(season, since, payload, found.game_logs, found.last, found.player_ids))
        later = [(part.fetched_at, part) for part in parts if part.fetched_at and part.fetched_at > fetched_at]
        for _, part in sorted(later, key=lambda each: each[0]):
            payload = merge_increment(payload, part)
        return payload

    def _download(self, season: str, since: date | None, known: SeasonPayload | None = None) -> SeasonPayload:
        self._require(season)
        try:
            answer = season_game_logs(self.client, season, since)
            payload = self._payload(season, since, known, answer.content, answer)
        except ServiceFailing as error:
            found = self._single_players(season, since, error)
            payload = self._payload(season, since, known, found.game_logs, found.last, found.player_ids)
        return self._restore(payload) if self.client.replay and since is None else payload

    def _payload(
        self,
        season: str,
        since: date | None,
        known: SeasonPayload | None,
        logs: pd.DataFrame,
        answer: Answer[pd.DataFrame],
        player_ids: tuple[int, ...] | None = None,
    ) -> SeasonPayload:
        """These game logs with the schedule and players that they need and `known` lacks."""
        if logs.empty and since is None:
            raise SourceError(f"stats.nba.com has no regular-season games of {season}: take it out of SEASONS.")
        schedule = schedule_frame() if known and _covers(known.schedule, logs) else self._schedule(season, logs, since)
        new = known is None or not set(logs["PLAYER_ID"]) <= set(known.players["PLAYER_ID"])
        players = self._players(season, logs) if new else player_frame()
        return SeasonPayload(
            season=season,
            game_logs=logs,
            schedule=schedule,
            players=players,
            origin=answer.url,
            fetched_at=answer.fetched_at,
            sha256=content_hash(logs, schedule, players),
            since=since,
            player_ids=player_ids,
        )

    def _single_players(self, season: str, since: date | None, error: ServiceFailing) -> PlayerLogs:
        """What can be had of the players needed most, else the season's own failure."""
        needed = self._needed_players() if self._fallback_limit else ()
        if not needed:
            raise error
        log.warning("%s Falling back to at most %d single players.", error, self._fallback_limit)
        found = single_player_logs(self.client, season, needed, self._fallback_limit, since)
        if found is None:
            raise SourceError(f"{error} Single players of {season} did not come either.") from error
        return found

    def _schedule(self, season: str, logs: pd.DataFrame, since: date | None) -> pd.DataFrame:
        """The official schedule, else what MATCHUP tells of the games in these logs."""
        request = ScheduleLeagueV2(season=season, get_request=False)
        try:
            official = self.client.ask(request, official_schedule, season=season, attempts=1).content
        except SourceError as error:
            log.warning("Home and away of %s come from MATCHUP, without tip-off times: %s", season, error)
            return schedule_from_matchups(logs)
        if since is None:
            return official
        return official[official["GAME_DATE"] >= since.isoformat()].reset_index(drop=True)

    def _players(self, season: str, logs: pd.DataFrame) -> pd.DataFrame:
        if logs.empty:
            return player_frame()
        request = PlayerIndex(season=season, get_request=False)
        try:
            details = self.client.ask(request, rosters, season=season, attempts=1).content
        except SourceError as error:
            log.warning("Positions and heights of %s are unknown: %s", season, error)
            return player_frame()
        return player_frame(players_of(logs, details))


def _since(parameters: Mapping[str, str]) -> date | None:
    """From which day on a stored request asked for games."""
    day = parameters.get("DateFrom")
    return datetime.strptime(day, "%m/%d/%Y").date() if day else None


def _covers(schedule: pd.DataFrame, logs: pd.DataFrame) -> bool:
    """Whether every game of these logs is in the schedule under its day."""
    listed = set(zip(schedule["GAME_ID"], schedule["GAME_DATE"], strict=True))
    return set(zip(logs["GAME_ID"], logs["GAME_DATE"], strict=True)) <= listed
