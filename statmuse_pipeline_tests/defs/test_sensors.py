"""What the sensors ask for: once, and nothing that is over is forgotten."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator

import dagster as dg
import pandas as pd
import pytest

from statmuse_pipeline.defs.pipeline import INGEST_ASSETS, materialize
from statmuse_pipeline.defs.resources import Workspace
from statmuse_pipeline.defs.sensors import corrected_box_scores, new_games
from statmuse_pipeline.settings import load_settings
from statmuse_pipeline.sources.archive_writer import write_archive
from statmuse_pipeline.warehouse.read import games
from statmuse_pipeline_tests.defs.nights import (
    SEASON,
    SEASONS,
    Ticks,
    days_of,
    league_on_the_wire,
    small_league,
    workspace_on,
)
from statmuse_pipeline_tests.sources.stats_nba_server import StatsServer

DAYS = days_of(small_league()[-1])
BEFORE, NIGHT = DAYS[9], DAYS[10]


@pytest.fixture
def league() -> Iterator[tuple[StatsServer, str]]:
    with league_on_the_wire(BEFORE) as running:
        yield running


@pytest.fixture
def ticks() -> Iterator[Ticks]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield Ticks(instance)


def ingest(ticks: Ticks, workspace: Workspace, season: str = SEASON) -> None:
    materialize(INGEST_ASSETS, ticks.instance, workspace, (season, season))


def test_games_that_are_over_are_taken_in_by_one_run_however_often_it_ticks(league, ticks, tmp_path) -> None:
    server, url = league
    ingest(ticks, workspace_on(tmp_path, url, BEFORE))
    assert ticks.look(new_games, workspace_on(tmp_path, url, BEFORE)) == []
    server.until = NIGHT
    (request,) = ticks.look(new_games, workspace_on(tmp_path, url, NIGHT))
    assert (request.job_name, request.partition_key) == ("ingest", SEASON)
    assert ticks.look(new_games, workspace_on(tmp_path, url, NIGHT)) == []
    workspace = workspace_on(tmp_path, url, NIGHT)
    ingest(ticks, workspace)
    assert games(workspace.engine, [SEASON])["game_date"].max() == pd.Timestamp(NIGHT)
    assert ticks.look(new_games, workspace_on(tmp_path, url, NIGHT)) == []


def test_after_a_restart_without_its_cursor_it_finds_the_same_games(league, ticks, tmp_path) -> None:
    server, url = league
    ingest(ticks, workspace_on(tmp_path, url, BEFORE))
    server.until = NIGHT
    (first,) = ticks.look(new_games, workspace_on(tmp_path, url, NIGHT))
    ticks.cursors.clear()
    ticks.keys.clear()
    (second,) = ticks.look(new_games, workspace_on(tmp_path, url, NIGHT))
    assert first.run_key == second.run_key


def test_a_daemon_that_slept_for_days_asks_for_all_of_them(league, ticks, tmp_path) -> None:
    server, url = league
    ingest(ticks, workspace_on(tmp_path, url, BEFORE))
    ticks.look(new_games, workspace_on(tmp_path, url, BEFORE))
    server.until = DAYS[12]
    (request,) = ticks.look(new_games, workspace_on(tmp_path, url, DAYS[12]))
    logs = server.logs
    new = logs[(logs["GAME_DATE"] > BEFORE.isoformat()) & (logs["GAME_DATE"] <= DAYS[12].isoformat())]
    assert request.tags["statmuse/new_games"] == str(new["GAME_ID"].nunique())


def test_stats_nba_com_is_asked_every_ten_minutes_and_not_at_every_tick(league, ticks, tmp_path) -> None:
    server, url = league
    ingest(ticks, workspace_on(tmp_path, url, BEFORE))
    ticks.look(new_games, workspace_on(tmp_path, url, BEFORE))
    asked = len(server.asked("scoreboardv3"))
    assert asked > 0
    ticks.look(new_games, workspace_on(tmp_path, url, BEFORE))
    assert len(server.asked("scoreboardv3")) == asked
    later = f"{BEFORE + dt.timedelta(days=1)}T10:10:00Z"
    ticks.look(new_games, workspace_on(tmp_path, url, BEFORE, STATMUSE_NOW=later))
    assert len(server.asked("scoreboardv3")) > asked


def test_a_game_whose_box_score_comes_late_is_asked_for_again_after_the_run_that_missed_it(
    league, ticks, tmp_path
) -> None:
    server, url = league
    ingest(ticks, workspace_on(tmp_path, url, BEFORE))
    server.until = NIGHT
    whole = server.logs
    late = whole.loc[whole["GAME_DATE"] == NIGHT.isoformat(), "GAME_ID"].iloc[-1]
    (request,) = ticks.look(new_games, workspace_on(tmp_path, url, NIGHT))
    server.logs = whole[whole["GAME_ID"] != late]
    workspace = workspace_on(tmp_path, url, NIGHT)
    ingest(ticks, workspace)
    server.logs = whole
    (again,) = ticks.look(new_games, workspace_on(tmp_path, url, NIGHT))
    assert again.run_key != request.run_key
    ingest(ticks, workspace_on(tmp_path, url, NIGHT))
    assert late in set(games(workspace.engine)["game_id"])


def test_a_postponed_game_holds_nothing_up(league, ticks, tmp_path) -> None:
    server, url = league
    ingest(ticks, workspace_on(tmp_path, url, BEFORE))
    (off, *_) = [game for game in server.schedule if game["gameDateEst"].startswith(NIGHT.isoformat())]
    off["gameStatusText"] = "PPD"
    server.logs = server.logs[server.logs["GAME_ID"] != off["gameId"]]
    server.until = NIGHT
    played = server.logs.loc[server.logs["GAME_DATE"] == NIGHT.isoformat(), "GAME_ID"].nunique()
    requests = ticks.look(new_games, workspace_on(tmp_path, url, NIGHT))
    assert [request.tags["statmuse/new_games"] for request in requests] == [str(played)] * bool(played)
    ingest(ticks, workspace_on(tmp_path, url, NIGHT))
    later = f"{NIGHT + dt.timedelta(days=1)}T10:10:00Z"
    assert ticks.look(new_games, workspace_on(tmp_path, url, NIGHT, STATMUSE_NOW=later)) == []
    assert json.loads(str(ticks.cursors["new_games"]))["since"] > NIGHT.isoformat()


def test_while_games_are_taken_in_nothing_else_is_asked_for(league, ticks, tmp_path) -> None:
    server, url = league
    ingest(ticks, workspace_on(tmp_path, url, BEFORE))
    server.until = NIGHT
    ticks.instance.add_run(dg.DagsterRun(job_name="nightly", run_id="a" * 8, status=dg.DagsterRunStatus.STARTED))
    assert ticks.look(new_games, workspace_on(tmp_path, url, NIGHT)) == []


def test_an_empty_warehouse_is_filled_with_the_whole_season(league, ticks, tmp_path) -> None:
    _, url = league
    (request,) = ticks.look(new_games, workspace_on(tmp_path, url, BEFORE))
    assert (request.job_name, request.partition_key) == ("ingest", SEASON)
    assert ticks.look(new_games, workspace_on(tmp_path, url, BEFORE)) == []


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"STATMUSE_SOURCE": "demo"}, "plays no games"),
        ({"SEASONS": "2021-22"}, "add 2022-23"),
    ],
)
def test_where_nothing_can_come_it_says_so(league, ticks, tmp_path, changes, told) -> None:
    _, url = league
    workspace = workspace_on(tmp_path, url, BEFORE, **changes)
    result = new_games(dg.build_sensor_context(instance=ticks.instance, resources={"workspace": workspace}))
    assert isinstance(result, dg.SensorResult)
    assert told in str(result.skip_reason)


def test_a_corrected_box_score_is_asked_for_once(league, ticks, tmp_path) -> None:
    server, url = league
    ingest(ticks, workspace_on(tmp_path, url, BEFORE))
    assert ticks.look(corrected_box_scores, workspace_on(tmp_path, url, BEFORE)) == []
    row = server.logs[server.logs["GAME_DATE"] == BEFORE.isoformat()].index[0]
    server.logs.loc[row, "AST"] += 1
    (request,) = ticks.look(corrected_box_scores, workspace_on(tmp_path, url, BEFORE))
    assert request.partition_key == SEASON
    assert ticks.look(corrected_box_scores, workspace_on(tmp_path, url, BEFORE)) == []
    ingest(ticks, workspace_on(tmp_path, url, BEFORE))
    assert ticks.look(corrected_box_scores, workspace_on(tmp_path, url, BEFORE)) == []


def test_a_season_file_of_the_archive_that_changed_is_asked_for(ticks, tmp_path) -> None:
    payloads = small_league()
    write_archive(tmp_path / "archive", payloads)
    settings = {
        "STATMUSE_SOURCE": "archive", "STATMUSE_ARCHIVE": str(tmp_path / "archive"), "SEASONS": ",".join(SEASONS),
        "STATMUSE_DATA": str(tmp_path / "data"), "DATABASE_URL": "",
    }  # fmt: skip
    workspace = Workspace(settings=load_settings(**settings))
    materialize(INGEST_ASSETS, ticks.instance, workspace, SEASONS)
    assert ticks.look(corrected_box_scores, workspace) == []
    file = tmp_path / "archive" / "game_logs" / f"{SEASON}.parquet"
    logs = pd.read_parquet(file)
    logs.assign(AST=logs["AST"].where(logs.index > 0, logs["AST"] + 1)).to_parquet(file, index=False)
    (request,) = ticks.look(corrected_box_scores, Workspace(settings=load_settings(**settings)))
    assert request.partition_key == SEASON
