"""A season that is being played, served over HTTP day by day, and workspaces that live through it."""

from __future__ import annotations

import dataclasses
import datetime as dt
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import pandas as pd

from statmuse_pipeline.defs.resources import Workspace
from statmuse_pipeline.settings import load_settings
from statmuse_pipeline.sources.demo_league import DemoLeague
from statmuse_pipeline.sources.source import SeasonPayload
from statmuse_pipeline_tests.sources.stats_nba_server import StatsServer, served

SEASONS = ("2021-22", "2022-23")
SEASON = SEASONS[-1]


@cache
def small_league(teams: int = 4, games: int = 20) -> tuple[SeasonPayload, ...]:
    """Two simulated seasons of a few teams, each as a source gives it."""
    league = DemoLeague(SEASONS, 7, teams=teams, games_per_team=games)
    return tuple(_as_regular_season(league.fetch(season)) for season in SEASONS)


def _as_regular_season(payload: SeasonPayload) -> SeasonPayload:
    """The demo league marks its game ids; the real client only takes those of the regular season."""
    ids = {name: getattr(payload, name).assign(GAME_ID=getattr(payload, name)["GAME_ID"].str.replace("009", "002", n=1))
           for name in ("game_logs", "schedule")}  # fmt: skip
    return dataclasses.replace(payload, **ids)


def server_of(payloads: Sequence[SeasonPayload]) -> StatsServer:
    """stats.nba.com with those seasons; `until` reveals them day by day."""
    parts = [StatsServer.of(payload) for payload in payloads]
    logs = pd.concat([part.logs for part in parts], ignore_index=True)
    return StatsServer(
        logs,
        [game for part in parts for game in part.schedule],
        [row for part in parts for row in part.rosters],
    )


def days_of(payload: SeasonPayload) -> list[dt.date]:
    """The days on which there were games."""
    return [dt.date.fromisoformat(day) for day in sorted(payload.game_logs["GAME_DATE"].unique())]


def morning_after(day: dt.date) -> str:
    """Five in the morning after that day's games, Eastern time or nearly so, as STATMUSE_NOW wants it."""
    return f"{day + dt.timedelta(days=1)}T10:00:00Z"


def environment(data: Path, url: str, day: dt.date, **changes: str) -> dict[str, str]:
    """The variables of a small live project on the morning after `day`."""
    return {
        "STATMUSE_SOURCE": "nba_api",
        "STATMUSE_STATS_NBA_URL": url,
        "STATMUSE_DATA": str(data),
        "STATMUSE_MODELS": str(data / "models_store"),
        "STATMUSE_NOW": morning_after(day),
        "SEASONS": ",".join(SEASONS),
        "STATMUSE_TUNING_TRIALS": "0",
        "STATMUSE_WORKERS": "1",
        "DATABASE_URL": "",
        **changes,
    }


def workspace_on(data: Path, url: str, day: dt.date, **changes: str) -> Workspace:
    """A workspace on the morning after `day`."""
    return Workspace(settings=load_settings(**environment(data, url, day, **changes)))


@contextmanager
def league_on_the_wire(
    until: dt.date | None = None, teams: int = 4, games: int = 20
) -> Iterator[tuple[StatsServer, str]]:
    """The small league behind a local stats.nba.com, up to a day."""
    os.environ.pop("NBA_API_REQUIRE_PROXY", None)
    with served(server_of(small_league(teams, games))) as (server, url):
        server.until = until
        yield server, url
