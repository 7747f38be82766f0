"""A week is played: games are taken in, who played is retrained, forecasts are graded, tonight is forecast.

Seven days are revealed one at a time: four go through the sensors and the jobs that they request in this process, two
through the scheduled night, one of which has no games, and the last through a real daemon.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import dagster as dg
import pandas as pd
import pytest

from statmuse_pipeline.dagster_home import prepare_home
from statmuse_pipeline.defs.live import LIVE, live_versions
from statmuse_pipeline.defs.pipeline import POOLED_ASSETS, materialize, sync
from statmuse_pipeline.defs.resources import Workspace
from statmuse_pipeline.defs.sensors import corrected_box_scores, new_games
from statmuse_pipeline.domain import player_id_of
from statmuse_pipeline.registry.metadata import read_models
from statmuse_pipeline.warehouse.ledger import WHOLE_DAY, Ledger, Output
from statmuse_pipeline.warehouse.read import player_games
from statmuse_pipeline_tests.defs.nights import (
    SEASON,
    SEASONS,
    Ticks,
    days_of,
    environment,
    league_on_the_wire,
    real_daemon,
    run_job,
    small_league,
    workspace_on,
)
from statmuse_pipeline_tests.sources.stats_nba_server import StatsServer

TEAMS, GAMES = 6, 40
DAYS, WITHOUT_GAMES = 7, 4
"""Days of the week, counted from the one after the first; which of them has no games."""

pytestmark = pytest.mark.timeout(600)


@dataclass
class Week:
    """A project on the morning after `day`, in which everyone's models are up to date."""

    server: StatsServer
    url: str
    data: Path
    instance: dg.DagsterInstance
    ticks: Ticks
    day: dt.date

    def now(self) -> Workspace:
        return workspace_on(self.data, self.url, self.day)

    def next_day(self) -> dt.date:
        self.day += dt.timedelta(days=1)
        self.server.until = self.day
        return self.day

    def played(self, day: dt.date) -> pd.DataFrame:
        logs = self.server.logs
        return logs[logs["GAME_DATE"] == day.isoformat()]

    def scheduled(self, day: dt.date) -> set[str]:
        return {game["gameId"] for game in self.server.schedule if game["gameDateEst"].startswith(day.isoformat())}


def first_day() -> dt.date:
    """A day in the season before seven days of which all but the one have games."""
    days = set(days_of(small_league(TEAMS, GAMES)[-1]))
    ahead = {number: dt.timedelta(days=number) for number in range(DAYS + 1)}
    return next(
        day
        for day in sorted(days)[25:]
        if all((day + more in days) == (number != WITHOUT_GAMES) for number, more in ahead.items())
    )


@pytest.fixture(scope="module")
def week(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Week]:
    data = tmp_path_factory.mktemp("week") / "data"
    day = first_day()
    with pytest.MonkeyPatch.context() as patch, league_on_the_wire(day, TEAMS, GAMES) as (server, url):
        patch.setenv("DAGSTER_HOME", str(data / "dagster_home"))
        patch.delenv("DAGSTER_POSTGRES_URL", raising=False)
        prepare_home(data, f"sqlite:///{data / 'statmuse.db'}")
        with dg.DagsterInstance.get() as instance:
            workspace = workspace_on(data, url, day, STATMUSE_WORKERS="2")
            assert sync(instance, workspace)
            materialize(("player_features",), instance, workspace, SEASONS)
            materialize(POOLED_ASSETS, instance, workspace)
            assert run_job(instance, "nightly", workspace).success
            yield Week(server, url, data, instance, Ticks(instance), day)


def registry(workspace: Workspace) -> dict[str, str]:
    """Player key -> fingerprint of his live model."""
    recorded = read_models(workspace.engine)
    live = recorded[recorded["kind"] == LIVE]
    return dict(zip(live["player_key"], live["fingerprint"], strict=True))


def bundles(workspace: Workspace) -> list[Path]:
    return list(workspace.settings.models_path.glob("*/*.zip"))


def assert_the_day_is_done(week: Week, before: dict[str, str], retrained: set[str]) -> None:
    """New rows, only those retrained who played, last night's forecasts graded, tonight's slate there or empty."""
    workspace = week.now()
    played = week.played(week.day)
    stored = player_games(workspace.engine, [SEASON])
    assert len(stored[stored["game_date"] == pd.Timestamp(week.day)]) == len(played)
    on_the_floor = {int(player) for player in played.loc[played["MIN"] > 0, "PLAYER_ID"]}
    versions = live_versions(workspace)
    assert retrained == {key for key in versions if player_id_of(key) in on_the_floor}
    after = registry(workspace)
    assert {key for key in after if after[key] != before.get(key)} == retrained
    assert after.items() >= versions.items()
    recorded = set(read_models(workspace.engine)["artefact"].dropna())
    assert {file.relative_to(workspace.settings.models_path).as_posix() for file in bundles(workspace)} == recorded
    ledger = Ledger(workspace.engine, workspace.settings.now)
    tonight = week.day + dt.timedelta(days=1)
    graded, slate = ledger.read(week.day, Output.GRADES), ledger.read(tonight, Output.SLATE)
    assert dict(zip(graded["game_id"], graded["state"], strict=True)) == dict.fromkeys(
        week.scheduled(week.day), "complete"
    )
    expected = dict.fromkeys(week.scheduled(tonight), "complete") or {WHOLE_DAY: "empty"}
    assert dict(zip(slate["game_id"], slate["state"], strict=True)) == expected


def retrained_in(week: Week, run_id: str) -> set[str]:
    """The players whose live models a run materialized."""
    records = week.instance.get_records_for_run(run_id, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION).records
    told = [record.asset_materialization for record in records]
    return {str(each.partition) for each in told if each and each.asset_key == dg.AssetKey("live_models")}


def a_night_through_the_sensors(week: Week) -> None:
    """The next day's games are seen, taken in, and followed by one run for those who played."""
    before = registry(week.now())
    assert len(week.played(week.next_day()))
    (ingest,) = week.ticks.look(new_games, week.now())
    assert (ingest.job_name, ingest.partition_key) == ("ingest", SEASON)
    assert week.ticks.run(ingest, week.now()).success
    (players,) = week.ticks.look(new_games, week.now())
    assert week.ticks.look(new_games, week.now()) == []
    run = week.ticks.run(players, week.now())
    assert run.success
    assert_the_day_is_done(week, before, retrained_in(week, run.run_id))
    assert week.ticks.look(new_games, week.now()) == []


def test_every_night_only_those_who_played_are_retrained_and_tonight_is_forecast(week: Week) -> None:
    for _ in range(2):
        a_night_through_the_sensors(week)


def test_a_corrected_box_score_retrains_those_it_corrected(week: Week) -> None:
    before = registry(week.now())
    keys = {player_id_of(key): key for key in live_versions(week.now())}
    played = week.played(week.day)
    row = played[(played["MIN"] > 0) & played["PLAYER_ID"].isin(list(keys))].index[0]
    week.server.logs.loc[row, "AST"] += 1
    (ingest,) = week.ticks.look(corrected_box_scores, week.now())
    assert week.ticks.run(ingest, week.now(), job="ingest").success
    (players,) = week.ticks.look(new_games, week.now())
    run = week.ticks.run(players, week.now())
    corrected = {keys[int(week.server.logs.loc[row, "PLAYER_ID"])]}
    assert retrained_in(week, run.run_id) == corrected
    after = registry(week.now())
    assert {key for key in after if after[key] != before[key]} == corrected


def test_a_day_without_games_is_legitimately_empty_and_the_night_after_it_forecasts_again(week: Week) -> None:
    a_night_through_the_sensors(week)
    before = registry(week.now())
    assert week.played(week.next_day()).empty
    assert week.ticks.look(new_games, week.now()) == []
    run = run_job(week.instance, "nightly", week.now())
    assert retrained_in(week, run.run_id) == set()
    assert_the_day_is_done(week, before, set())


def test_after_it_the_sensors_go_on(week: Week) -> None:
    a_night_through_the_sensors(week)


def test_the_scheduled_night_does_what_the_sensors_missed(week: Week) -> None:
    before = registry(week.now())
    week.next_day()
    run = run_job(week.instance, "nightly", week.now())
    assert_the_day_is_done(week, before, retrained_in(week, run.run_id))


def test_a_real_daemon_lives_through_a_night(week: Week) -> None:
    before = registry(week.now())
    week.next_day()
    settings = environment(week.data, week.url, week.day, STATMUSE_AUTOMATION="1")
    with real_daemon(week.instance, week.data, settings) as daemon:
        run = daemon.wait(lambda runs: [run for run in runs if run.job_name == "after_games" and run.is_success])[0]
        asked = [each.job_name for each in daemon.runs() if "dagster/sensor_name" in each.tags]
    assert sorted(asked) == ["after_games", "ingest"]
    assert_the_day_is_done(week, before, retrained_in(week, run.run_id))
    assert week.day == first_day() + dt.timedelta(days=DAYS)
