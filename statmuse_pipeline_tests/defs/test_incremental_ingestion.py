"""What a night costs and changes: the raw assets and season tables of a season that is being played."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
import sqlalchemy as sa

from statmuse_pipeline.defs.pipeline import INGEST_ASSETS, materialize, take_in
from statmuse_pipeline.defs.resources import Workspace
from statmuse_pipeline.domain import PipelineError
from statmuse_pipeline.warehouse.read import player_games
from statmuse_pipeline.warehouse.tables import INGEST_AUDIT
from statmuse_pipeline_tests.defs.nights import SEASON, SEASONS, days_of, league_on_the_wire, small_league, workspace_on
from statmuse_pipeline_tests.sources.stats_nba_server import Reply, StatsServer

DAYS = days_of(small_league()[-1])
BEFORE, NIGHT = DAYS[9], DAYS[10]


@pytest.fixture
def league() -> Iterator[tuple[StatsServer, str]]:
    with league_on_the_wire(BEFORE) as running:
        yield running


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as made:
        yield made


def ingest(instance: dg.DagsterInstance, workspace: Workspace) -> None:
    materialize(INGEST_ASSETS, instance, workspace, (SEASON, SEASON))


def last_load(workspace: Workspace) -> dict[str, int]:
    newest = sa.select(INGEST_AUDIT).order_by(INGEST_AUDIT.c.id.desc()).limit(1)
    with workspace.engine.connect() as connection:
        return dict(connection.execute(newest).mappings().one())


def asked(server: StatsServer) -> list[str]:
    return [endpoint for endpoint, _, _ in server.requests]


def test_a_night_costs_one_request_and_adds_its_rows(league, instance, tmp_path) -> None:
    server, url = league
    ingest(instance, workspace_on(tmp_path, url, BEFORE))
    assert sorted(asked(server)) == ["leaguegamelog", "playerindex", "scheduleleaguev2"]
    server.requests.clear()
    server.until = NIGHT
    workspace = workspace_on(tmp_path, url, NIGHT)
    ingest(instance, workspace)
    since = server.asked("leaguegamelog")[0]["DateFrom"]
    assert asked(server) == ["leaguegamelog"]
    assert dt.datetime.strptime(since, "%m/%d/%Y").date() == BEFORE - dt.timedelta(days=3)
    logs = server.logs[server.logs["SEASON_ID"] == "22022"]
    tonight = int((logs["GAME_DATE"] == NIGHT.isoformat()).sum())
    load = last_load(workspace)
    assert tonight > 0
    assert (load["inserted"], load["updated"], load["removed"]) == (tonight, 0, 0)
    assert len(player_games(workspace.engine)) == int((logs["GAME_DATE"] <= NIGHT.isoformat()).sum())


def test_a_second_look_at_the_same_night_changes_nothing(league, instance, tmp_path) -> None:
    _, url = league
    workspace = workspace_on(tmp_path, url, BEFORE)
    ingest(instance, workspace)
    receipt = (tmp_path / "raw" / SEASON / "receipt.json").read_bytes()
    ingest(instance, workspace_on(tmp_path, url, BEFORE))
    assert (tmp_path / "raw" / SEASON / "receipt.json").read_bytes() == receipt


def test_a_box_score_corrected_the_next_day_is_an_update_seen_in_the_audit(league, instance, tmp_path) -> None:
    server, url = league
    ingest(instance, workspace_on(tmp_path, url, BEFORE))
    audits = set((tmp_path / "audit").glob("*.json"))
    row = server.logs[server.logs["GAME_DATE"] == BEFORE.isoformat()].index[0]
    server.logs.loc[row, "AST"] += 1
    server.until = NIGHT
    workspace = workspace_on(tmp_path, url, NIGHT)
    ingest(instance, workspace)
    assert last_load(workspace)["updated"] == 1
    (audit,) = set((tmp_path / "audit").glob("*.json")) - audits
    assert json.loads(audit.read_text())["seasons"][0]["would_change"]["updated"] == 1
    corrected = server.logs.loc[row]
    stored = player_games(workspace.engine).set_index(["game_id", "player_id"])
    assert stored.loc[(corrected["GAME_ID"], corrected["PLAYER_ID"]), "ast"] == corrected["AST"]


def test_asked_for_whole_seasons_it_finds_what_lies_further_back(league, instance, tmp_path) -> None:
    server, url = league
    ingest(instance, workspace_on(tmp_path, url, BEFORE))
    row = server.logs[server.logs["GAME_DATE"] == DAYS[0].isoformat()].index[0]
    server.logs.loc[row, "AST"] += 1
    workspace = workspace_on(tmp_path, url, BEFORE)
    ingest(instance, workspace)
    assert last_load(workspace)["updated"] == 0
    workspace.whole_seasons = True
    ingest(instance, workspace)
    assert last_load(workspace)["updated"] == 1


def test_a_failed_night_leaves_everything_as_it_was(league, instance, tmp_path) -> None:
    server, url = league
    before = workspace_on(tmp_path, url, BEFORE)
    ingest(instance, before)
    server.until = NIGHT
    server.script["leaguegamelog"] = [Reply("no", 403)]
    with pytest.raises(PipelineError, match="HTTP 403"):
        ingest(instance, workspace_on(tmp_path, url, NIGHT))
    assert last_load(before)["id"] == 1
    ingest(instance, workspace_on(tmp_path, url, NIGHT))
    assert last_load(before)["inserted"] > 0


def test_after_a_night_of_single_players_the_next_request_reaches_back_to_it(
    league, instance, tmp_path, monkeypatch
) -> None:
    server, url = league
    ingest(instance, workspace_on(tmp_path, url, BEFORE))
    played = server.logs[server.logs["GAME_DATE"] == NIGHT.isoformat()]
    monkeypatch.setattr(Workspace, "_most_games", lambda self: [int(played["PLAYER_ID"].iloc[0])])
    server.until = NIGHT
    server.script["leaguegamelog"] = [Reply("broken", 500)] * 4
    workspace = workspace_on(tmp_path, url, NIGHT)
    workspace.choice.source.client.first_wait = 0.01  # type: ignore[attr-defined]
    ingest(instance, workspace)
    assert last_load(workspace)["quarantined"] == 1
    server.requests.clear()
    later = workspace_on(tmp_path, url, NIGHT)
    ingest(instance, later)
    since = server.asked("leaguegamelog")[0]["DateFrom"]
    assert dt.datetime.strptime(since, "%m/%d/%Y").date() == BEFORE - dt.timedelta(days=3)
    assert last_load(later)["quarantined"] == 0
    assert last_load(later)["inserted"] == len(played)


def test_what_was_fetched_is_restored_from_the_raw_store_without_a_request(league, instance, tmp_path: Path) -> None:
    server, url = league
    ingest(instance, workspace_on(tmp_path / "lost", url, BEFORE))
    row = server.logs[server.logs["GAME_DATE"] == BEFORE.isoformat()].index[0]
    server.logs.loc[row, "AST"] += 1
    server.until = NIGHT
    lost = workspace_on(tmp_path / "lost", url, NIGHT)
    ingest(instance, lost)
    (tmp_path / "new").mkdir()
    (tmp_path / "lost" / "responses").rename(tmp_path / "new" / "responses")
    server.requests.clear()
    restored = workspace_on(tmp_path / "new", url, NIGHT, STATMUSE_REPLAY="1")
    ingest(instance, restored)
    assert not server.requests
    assert player_games(restored.engine).equals(player_games(lost.engine))


def test_a_season_that_was_only_synced_is_ready_after_the_next_night(league, instance, tmp_path) -> None:
    _, url = league
    workspace = workspace_on(tmp_path, url, BEFORE)
    materialize(INGEST_ASSETS, instance, workspace, (SEASONS[0], SEASONS[0]))
    take_in(instance, workspace)
    for season in SEASONS:
        assert all(workspace.shelf.receipt(f"{name}/{season}") for name in ("raw", "features", "quotes"))
