"""A finished demo project on the morning of a game day: three games to come on the day after its last one."""

from __future__ import annotations

import datetime as dt
import shutil
from pathlib import Path
from typing import Any

import dagster as dg
import pandas as pd

from statmuse_pipeline.defs import pipeline
from statmuse_pipeline.defs.resources import Workspace
from statmuse_pipeline.settings import load_settings
from statmuse_pipeline.sources.source import content_hash
from statmuse_pipeline.warehouse.load import load_season
from statmuse_pipeline_tests.defs.conftest import Project

SEASON = "2022-23"
GAMES = ("0092299901", "0092299902", "0092299903")
HOURS = {GAMES[0]: 19, GAMES[1]: 20, GAMES[2]: 22}
"""Eastern hour of each tip-off."""


class Evening:
    """A copy of a project with a night before it.

    Attributes:
        folder: the copy.
        day: the game day.
        morning: 11 am Eastern of that day.
    """

    def __init__(self, project: Project, folder: Path) -> None:
        self.folder = folder
        self.environment = {**project.environment, "STATMUSE_DATA": str(folder / "data")}
        shutil.copytree(project.folder, folder, dirs_exist_ok=True)
        logs = pd.read_parquet(self.raw / "game_logs.parquet")
        self.day = (pd.Timestamp(logs["GAME_DATE"].max()) + pd.Timedelta(days=1)).date()
        self.morning = self.at(11)
        self.teams = sorted(logs["TEAM_ID"].unique())[:6]
        self.announce(self.games())

    @property
    def raw(self) -> Path:
        return self.folder / "data" / "raw" / SEASON

    def at(self, hour: float) -> dt.datetime:
        """That Eastern hour of the day, UTC."""
        eastern = pd.Timestamp(self.day).tz_localize("America/New_York") + pd.Timedelta(hours=hour)
        return eastern.tz_convert("UTC").to_pydatetime()

    def games(self) -> pd.DataFrame:
        """Columns of a source's schedule."""
        return pd.DataFrame(
            {
                "GAME_ID": list(GAMES),
                "GAME_DATE": str(self.day),
                "TIPOFF_UTC": [pd.Timestamp(self.at(HOURS[game])) for game in GAMES],
                "HOME_TEAM_ID": self.teams[::2],
                "AWAY_TEAM_ID": self.teams[1::2],
            }
        )

    def announce(self, games: pd.DataFrame) -> None:
        """Put games on the schedule that was fetched last."""
        file = self.raw / "schedule.parquet"
        before = pd.read_parquet(file)
        kept = before[~before["GAME_ID"].isin(games["GAME_ID"])]
        typed = games[before.columns].astype(before.dtypes.to_dict())
        pd.concat([kept, typed], ignore_index=True).to_parquet(file, index=False)

    def workspace(self, now: dt.datetime | None = None, **changes: Any) -> Workspace:
        """The project, seen from a moment (11 am of the day)."""
        moment = (now or self.morning).isoformat()
        names = {name: value for name, value in self.environment.items() if name.isupper() and "STATMUSE" in name}
        settings = load_settings(**{**names, "SEASONS": self.environment["SEASONS"], "STATMUSE_NOW": moment})
        return Workspace(settings=settings, **changes)

    def run(self, workspace: Workspace, *assets: str) -> None:
        """Materialize assets of the night (both of them)."""
        with dg.DagsterInstance.ephemeral() as instance:
            pipeline.materialize(assets or pipeline.NIGHT_ASSETS, instance, workspace)

    def report(self, statuses: dict[int, str], published: float = 10.5, teams: tuple[int, ...] = ()) -> None:
        """An injury report of that Eastern hour: player -> status, and the teams that have reported."""
        folder = self.folder / "data" / "injuries" / str(self.day)
        folder.mkdir(parents=True, exist_ok=True)
        moment = pd.Timestamp(self.at(published)).as_unit("ns")
        known = pd.DataFrame({"player_id": list(statuses), "status": list(statuses.values()), "reported_at": moment})
        known.astype({"player_id": "int64", "status": "str"}).to_parquet(folder / "injuries.parquet", index=False)
        if teams:
            reports = pd.DataFrame({"team_id": list(teams), "reported_at": moment})
            reports.to_parquet(folder / "reports.parquet", index=False)

    def play(self, *, games: tuple[str, ...] = GAMES, points: int = 0, without: tuple[int, ...] = ()) -> None:
        """Load the night's box scores: everyone plays his last game again, with so many points more."""
        logs = pd.read_parquet(self.raw / "game_logs.parquet")
        logs = logs[~logs["GAME_ID"].isin(games)]
        last = logs.sort_values("GAME_DATE").drop_duplicates("PLAYER_ID", keep="last")
        team = logs.drop_duplicates("TEAM_ID").set_index("TEAM_ID")["TEAM_ABBREVIATION"]
        parts = []
        for row in self.games().itertuples():
            if row.GAME_ID not in games:
                continue
            for own, other, between in (
                (row.HOME_TEAM_ID, row.AWAY_TEAM_ID, "vs."),
                (row.AWAY_TEAM_ID, row.HOME_TEAM_ID, "@"),
            ):
                who = last[(last["TEAM_ID"] == own) & ~last["PLAYER_ID"].isin(without)]
                recent = who["GAME_DATE"] >= str(self.day - dt.timedelta(days=30))
                parts.append(
                    who[recent].assign(
                        GAME_ID=row.GAME_ID,
                        GAME_DATE=str(self.day),
                        MATCHUP=f"{team[own]} {between} {team[other]}",
                        WL="W" if between == "vs." else "L",
                        FTM=lambda box: box["FTM"] + points,
                        FTA=lambda box: box["FTA"] + points,
                        PTS=lambda box: box["PTS"] + points,
                    )
                )
        whole = pd.concat([logs, *parts], ignore_index=True).astype(logs.dtypes.to_dict())
        whole.to_parquet(self.raw / "game_logs.parquet", index=False)
        schedule, players = (pd.read_parquet(self.raw / f"{name}.parquet") for name in ("schedule", "players"))
        load_season(
            self.workspace().engine,
            source="demo",
            season=SEASON,
            game_logs=whole,
            schedule=schedule,
            players=players,
            origin="evening",
            fetched_at=None,
            sha256=content_hash(whole, schedule, players),
        )
