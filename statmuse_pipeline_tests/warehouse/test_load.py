"""Seasons into the warehouse: idempotent, all or nothing, one writer at a time."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import sqlalchemy as sa

from statmuse_pipeline.warehouse import read
from statmuse_pipeline.warehouse.engine import WarehouseError, open_warehouse, write_transaction
from statmuse_pipeline.warehouse.load import LoadReport, MixedSources, SeasonRejected, claim_source, load_season
from statmuse_pipeline_tests.warehouse.conftest import RealWarehouse
from statmuse_pipeline_tests.warehouse.little_league import (
    contents,
    count,
    game_logs,
    load,
    many_games,
    rosters,
    schedule,
)

NO_SCHEDULE = schedule().iloc[:0]


def test_a_season_is_loaded_and_reported(engine: sa.Engine) -> None:
    assert load(engine) == LoadReport("2023-24", 192, 192, 0, 0, 0, 0, 12, 32)
    assert {name: count(engine, name) for name in ("players", "teams", "games", "player_stats")} == {
        "players": 32, "teams": 4, "games": 12, "player_stats": 192,
    }  # fmt: skip


def test_loading_again_changes_nothing_but_the_audit(engine: sa.Engine) -> None:
    load(engine)
    before = contents(engine)
    report = load(engine)
    assert (report.inserted, report.updated, report.unchanged, report.removed) == (0, 0, 192, 0)
    assert contents(engine) == before
    assert count(engine, "ingest_audit") == 2


def test_the_order_of_the_delivered_rows_does_not_matter(sqlite_engine: sa.Engine) -> None:
    load(sqlite_engine)
    before = contents(sqlite_engine)
    shuffled = game_logs().sample(frac=1, random_state=3)
    assert load(sqlite_engine, game_logs=shuffled).unchanged == 192
    assert contents(sqlite_engine) == before


def test_the_audit_tells_source_hash_and_moments(engine: sa.Engine) -> None:
    fetched = dt.datetime(2024, 1, 2, 3, 4, tzinfo=dt.UTC)
    load(engine, sha256="a" * 64, fetched_at=fetched, origin="https://stats.nba.com/x")
    with engine.connect() as connection:
        row = connection.execute(sa.text("SELECT * FROM ingest_audit")).mappings().one()
    assert (row["source"], row["season"], row["sha256"], row["rows"]) == ("demo", "2023-24", "a" * 64, 192)
    assert str(row["fetched_at"]).startswith("2024-01-02 03:04")
    assert row["loaded_at"] is not None


def test_a_corrected_box_score_is_updated(engine: sa.Engine) -> None:
    load(engine)
    corrected = game_logs()
    corrected.loc[5, "AST"] += 1
    report = load(engine, game_logs=corrected)
    assert (report.inserted, report.updated, report.unchanged) == (0, 1, 191)
    rows = read.player_games(engine).set_index(["game_id", "player_id"])["ast"]
    assert rows[corrected.loc[5, "GAME_ID"], corrected.loc[5, "PLAYER_ID"]] == corrected.loc[5, "AST"]


def test_rows_and_games_withdrawn_by_the_source_are_removed(engine: sa.Engine) -> None:
    load(engine)
    withdrawn = game_logs()
    withdrawn = withdrawn[withdrawn["GAME_ID"] != "0022300003"].iloc[1:]
    report = load(engine, game_logs=withdrawn)
    assert (report.removed, report.unchanged, report.games) == (17, 175, 11)
    assert count(engine, "games") == 11
    fresh_logs = read.player_games(engine)
    assert len(fresh_logs) == len(withdrawn)


def test_a_reload_equals_a_first_load_of_the_same_rows_on_whatever_database(engine: sa.Engine, tmp_path: Path) -> None:
    one_player_gone = game_logs()[lambda logs: logs["PLAYER_ID"] != 11]
    load(engine)
    load(engine, game_logs=one_player_gone)
    fresh = open_warehouse(f"sqlite:///{tmp_path / 'fresh.db'}")
    load(fresh, game_logs=one_player_gone)
    for reader in (read.games, read.players, read.teams, read.player_games, read.team_games):
        pd.testing.assert_frame_equal(reader(engine), reader(fresh))


def test_bad_rows_go_to_quarantine_and_leave_it_when_they_are_mended(engine: sa.Engine) -> None:
    logs = many_games()
    logs.loc[7, "PTS"] += 1
    assert load(engine, game_logs=logs).quarantined == 1
    assert load(engine, game_logs=logs).unchanged == len(logs) - 1
    with engine.connect() as connection:
        row = connection.execute(sa.text("SELECT season, reason, row FROM quarantine")).one()
    assert row.reason == "PTS is not 2*(FGM-FG3M) + 3*FG3M + FTM"
    assert json.loads(row.row)["PLAYER_ID"] == logs.loc[7, "PLAYER_ID"]
    report = load(engine, game_logs=many_games())
    assert (report.inserted, report.quarantined, count(engine, "quarantine")) == (1, 0, 0)


def test_a_rejected_season_leaves_the_warehouse_as_it_was(engine: sa.Engine) -> None:
    load(engine)
    before = contents(engine)
    with pytest.raises(SeasonRejected, match="192 of 192 rows"):
        load(engine, game_logs=game_logs().assign(MIN=99))
    assert contents(engine) == before
    assert count(engine, "ingest_audit") == 1


def test_two_sources_are_never_mixed(engine: sa.Engine) -> None:
    load(engine)
    before = contents(engine)
    with pytest.raises(MixedSources, match=r"'demo'.*'archive'"):
        load(engine, "2024-25", source="archive")
    with pytest.raises(MixedSources, match="STATMUSE_SOURCE=demo"):
        claim_source(engine, "archive")
    claim_source(engine, "demo")
    assert contents(engine) == before


def test_seasons_do_not_touch_each_other(engine: sa.Engine) -> None:
    load(engine)
    assert load(engine, "2024-25").inserted == 192
    assert load(engine).unchanged == 192
    assert count(engine, "player_stats") == 384


def test_home_and_away_come_from_the_schedule_even_against_matchup(sqlite_engine: sa.Engine) -> None:
    turned = schedule().rename(columns={"HOME_TEAM_ID": "AWAY_TEAM_ID", "AWAY_TEAM_ID": "HOME_TEAM_ID"})
    load(sqlite_engine, schedule=turned)
    rows = read.player_games(sqlite_engine)
    assert (rows["is_home"] == ~rows["won"]).all(), "in the little league the home team of MATCHUP wins"


def test_without_a_schedule_matchup_tells_the_home_team_and_tip_off_is_missing(sqlite_engine: sa.Engine) -> None:
    load(sqlite_engine, schedule=NO_SCHEDULE)
    rows = read.player_games(sqlite_engine)
    assert (rows["is_home"] == rows["won"]).all()
    assert read.games(sqlite_engine)["tipoff_utc"].isna().all()


def test_on_a_neutral_court_without_a_schedule_the_larger_id_is_at_home(sqlite_engine: sa.Engine) -> None:
    neutral = game_logs().assign(MATCHUP=lambda logs: logs["MATCHUP"].str.replace("vs.", "@"))
    for frame in (neutral, neutral.iloc[::-1]):
        load(sqlite_engine, schedule=NO_SCHEDULE, game_logs=frame)
        games = read.games(sqlite_engine)
        assert (games["home_team_id"] > games["away_team_id"]).all()


def test_a_tip_off_moved_upstream_is_taken_over(engine: sa.Engine) -> None:
    load(engine)
    moved = schedule().assign(TIPOFF_UTC=lambda games: games["TIPOFF_UTC"] + pd.Timedelta(minutes=30))
    assert load(engine, schedule=moved).unchanged == 192
    assert read.games(engine)["tipoff_utc"].tolist() == moved["TIPOFF_UTC"].tolist()


def test_an_old_season_loaded_later_does_not_bring_back_old_names_nor_forget_facts(engine: sa.Engine) -> None:
    renamed = game_logs("2024-25").assign(TEAM_NAME=lambda logs: logs["TEAM_NAME"].replace("LA Clippers", "New Name"))
    renamed["PLAYER_NAME"] = renamed["PLAYER_NAME"].replace("Aaron Ackerman", "Aaron Freedom")
    load(engine, "2024-25", game_logs=renamed, players=rosters().iloc[:0])
    load(engine, "2023-24")
    assert read.teams(engine).set_index("team_id").loc[4, "name"] == "New Name"
    players = read.players(engine).set_index("player_id")
    assert players.loc[11, "player_name"] == "Aaron Freedom"
    assert players.loc[12, "position"] == "G-F", "the old roster's facts fill what the new one lacks"
    before = contents(engine)
    load(engine, "2024-25", game_logs=renamed, players=rosters().iloc[:0])
    load(engine, "2023-24")
    assert contents(engine) == before


def test_a_full_disk_is_told_and_leaves_the_last_complete_season(sqlite_engine: sa.Engine) -> None:
    load(sqlite_engine)
    before = contents(sqlite_engine)

    @sa.event.listens_for(sqlite_engine, "connect")
    def leave_no_room(dbapi_connection: Any, _record: object) -> None:
        pages = dbapi_connection.execute("PRAGMA page_count").fetchone()[0]
        dbapi_connection.execute(f"PRAGMA max_page_count={pages + 1}")

    with pytest.raises(WarehouseError, match="the disk is full"):
        load(sqlite_engine, "2024-25")
    sa.event.remove(sqlite_engine, "connect", leave_no_room)
    assert contents(sqlite_engine) == before


def test_a_locked_warehouse_is_told_and_nothing_is_lost(engine: sa.Engine) -> None:
    load(engine)
    with write_transaction(engine), pytest.raises(WarehouseError, match="locked by another process"):
        load(engine, "2024-25")
    assert load(engine, "2024-25").inserted == 192


def test_the_four_real_seasons_load_whole(real_warehouse: RealWarehouse) -> None:
    assert [report.rows for report in real_warehouse.reports.values()] == [26_039, 25_895, 26_401, 26_306]
    assert all(report.quarantined == 0 and report.games == 1230 for report in real_warehouse.reports.values())
    assert sum(report.inserted for report in real_warehouse.reports.values()) == 104_641


def test_four_seasons_take_at_most_30_seconds_on_either_database(
    real_warehouse: RealWarehouse, real_warehouse_on_postgres: RealWarehouse
) -> None:
    assert real_warehouse_on_postgres.reports == real_warehouse.reports
    assert real_warehouse.seconds < 30
    assert real_warehouse_on_postgres.seconds < 30


def test_the_real_neutral_site_games_have_the_schedules_home_team(real_warehouse: RealWarehouse) -> None:
    abbreviation = read.teams(real_warehouse.engine).set_index("team_id")["abbreviation"]
    games = read.games(real_warehouse.engine, ["2024-25"])
    home = games.set_index("game_id")["home_team_id"].map(abbreviation)
    neutral = ["0022400147", "0022400621", "0022400633", "0022401229", "0022401230"]
    assert home[neutral].tolist() == ["WAS", "IND", "SAS", "MIL", "OKC"]


def test_a_real_season_without_its_schedule_loads_whole(archive: Path, sqlite_engine: sa.Engine) -> None:
    logs = pd.read_parquet(archive / "game_logs" / "2024-25.parquet")
    report = load_season(
        sqlite_engine, source="archive", season="2024-25", game_logs=logs, schedule=NO_SCHEDULE,
        players=rosters().iloc[:0], origin="", fetched_at=None, sha256="",
    )  # fmt: skip
    assert (report.rows, report.games, report.quarantined) == (26_306, 1230, 0)
    rows = read.player_games(sqlite_engine)
    assert (rows.groupby("game_id")["is_home"].nunique() == 2).all(), "each game has a home and an away side"
