"""Frames out of the warehouse."""

from __future__ import annotations

import pandas as pd
import pytest
import sqlalchemy as sa

from statmuse_pipeline import contracts
from statmuse_pipeline.domain import PipelineError
from statmuse_pipeline.warehouse import read
from statmuse_pipeline.warehouse.engine import WarehouseError, migrate
from statmuse_pipeline_tests.warehouse.conftest import RealWarehouse
from statmuse_pipeline_tests.warehouse.little_league import game_logs, load

READERS = {
    "games": contracts.GAMES,
    "players": contracts.PLAYERS,
    "player_games": contracts.PLAYER_GAMES,
    "team_games": contracts.TEAM_GAMES,
}


@pytest.mark.parametrize("name", READERS)
def test_every_frame_keeps_its_contract_with_and_without_rows(engine: sa.Engine, name: str) -> None:
    empty = contracts.check(READERS[name], getattr(read, name)(engine))
    load(engine)
    full = contracts.check(READERS[name], getattr(read, name)(engine))
    assert empty.empty
    assert not full.empty
    assert list(full.columns) == list(READERS[name].columns)
    assert (full.dtypes == empty.dtypes).all()


@pytest.mark.parametrize("name", READERS)
def test_the_real_frames_keep_their_contracts(real_warehouse: RealWarehouse, name: str) -> None:
    frame = contracts.check(READERS[name], getattr(read, name)(real_warehouse.engine))
    assert len(frame) == {"games": 4920, "players": 925, "player_games": 104_641, "team_games": 9840}[name]


@pytest.mark.parametrize("name", READERS)
def test_postgres_and_sqlite_give_the_same_real_frames(
    real_warehouse: RealWarehouse, real_warehouse_on_postgres: RealWarehouse, name: str
) -> None:
    reader = getattr(read, name)
    pd.testing.assert_frame_equal(reader(real_warehouse_on_postgres.engine), reader(real_warehouse.engine))


def test_player_games_are_the_delivered_rows(engine: sa.Engine) -> None:
    load(engine)
    delivered = game_logs().sort_values(["GAME_DATE", "GAME_ID", "PLAYER_ID"], ignore_index=True)
    rows = read.player_games(engine)
    for name in (*contracts.BOX_COLUMNS, "player_id", "player_name", "team_id", "game_id"):
        assert rows[name].tolist() == delivered[name.upper()].tolist(), name
    assert (rows["pra"] == delivered["PTS"] + delivered["REB"] + delivered["AST"]).all()
    assert (rows["won"] == delivered["WL"].eq("W")).all()
    assert (rows["is_home"] == delivered["MATCHUP"].str.contains("vs.", regex=False)).all()
    assert (rows["opponent_team_id"] != rows["team_id"]).all()


def test_rows_of_players_who_entered_for_seconds_are_there(engine: sa.Engine) -> None:
    load(engine, game_logs=game_logs().assign(MIN=0))
    assert len(read.player_games(engine)) == 192


def test_team_games_are_the_sums_of_the_player_rows(engine: sa.Engine) -> None:
    load(engine)
    summed = read.player_games(engine).groupby(["game_id", "team_id"])[["pts", "fga", "oreb", "min"]].sum()
    teams = read.team_games(engine).set_index(["game_id", "team_id"])
    pd.testing.assert_frame_equal(teams[["pts", "fga", "oreb", "min"]].sort_index(), summed.sort_index())
    assert (teams.groupby("game_id")["is_home"].sum() == 1).all()


@pytest.mark.parametrize("name", ["games", "player_games", "team_games"])
def test_only_the_seasons_asked_for_are_read(engine: sa.Engine, name: str) -> None:
    load(engine)
    load(engine, "2024-25")
    everything = getattr(read, name)(engine)
    assert set(everything["season"]) == {"2023-24", "2024-25"}
    one = getattr(read, name)(engine, ["2024-25"])
    expected = everything[everything["season"] == "2024-25"].reset_index(drop=True)
    pd.testing.assert_frame_equal(one, expected)
    assert getattr(read, name)(engine, []).empty


def test_game_dates_are_eastern_days_and_tip_offs_utc(engine: sa.Engine) -> None:
    load(engine)
    first = read.games(engine).iloc[0]
    assert first["game_date"] == pd.Timestamp("2023-11-01")
    assert first["tipoff_utc"] == pd.Timestamp("2023-11-01 23:00", tz="UTC")


def test_missing_facts_of_a_player_are_missing(engine: sa.Engine) -> None:
    load(engine)
    players = read.players(engine).set_index("player_id")
    assert players.loc[11, ["position", "height_in", "weight_lb", "birthdate"]].isna().all()
    assert players.loc[12, "birthdate"] == pd.Timestamp("1999-02-28")
    assert players.loc[12, "height_in"] == 78


def test_eligible_players_are_counted_over_the_seasons_asked_for(engine: sa.Engine) -> None:
    load(engine)
    load(engine, "2024-25", game_logs=game_logs("2024-25")[lambda logs: logs["PLAYER_ID"] != 11])
    assert read.eligible_players(engine, 12)["player_id"].tolist() == [
        player for player in sorted(game_logs()["PLAYER_ID"].unique()) if player != 11
    ]
    assert len(read.eligible_players(engine, 6)) == 32
    assert read.eligible_players(engine, 12, ["2023-24"]).empty


def test_verify_fails_below_and_passes_at_the_number_of_players(engine: sa.Engine) -> None:
    load(engine)
    report = read.verify(engine, minimum_players=32, minimum_games=6)
    assert (report.passed, report.players_with_enough, report.source) == (True, 32, "demo")
    assert report.counts["player_stats"] == 192
    assert report.seasons[["season", "games", "rows"]].to_numpy().tolist() == [["2023-24", 12, 192]]
    assert not read.verify(engine, minimum_players=33, minimum_games=6).passed
    assert not read.verify(engine, minimum_players=1, minimum_games=7).passed


def test_verify_of_an_empty_warehouse_fails_without_a_source(engine: sa.Engine) -> None:
    report = read.verify(engine)
    assert (report.passed, report.source, report.counts["games"]) == (False, None, 0)


def test_the_real_seasons_have_enough_players(real_warehouse: RealWarehouse) -> None:
    report = read.verify(real_warehouse.engine)
    assert report.passed
    assert report.players_with_enough == len(read.eligible_players(real_warehouse.engine)) > 500


def test_known_box_scores_are_found(real_warehouse: RealWarehouse) -> None:
    rows = read.player_games(real_warehouse.engine)
    best = rows.sort_values("pts").groupby(["player_name", "game_date"])["pts"].last()
    assert best["Luka Dončić", "2024-01-26"] == 73
    assert best["Damian Lillard", "2023-02-26"] == 71
    assert best["Donovan Mitchell", "2023-01-02"] == 71
    james = rows[(rows["player_name"] == "LeBron James") & (rows["season"] == "2022-23")]
    assert (james["pts"].sum(), len(james)) == (1590, 55)


def test_the_fingerprint_is_that_of_the_last_load(engine: sa.Engine) -> None:
    load(engine, sha256="a" * 64)
    load(engine, "2024-25", sha256="c" * 64)
    load(engine, sha256="b" * 64)
    assert read.season_fingerprint(engine, "2023-24") == "b" * 64
    assert read.season_fingerprint(engine, "2024-25") == "c" * 64
    with pytest.raises(PipelineError, match=r"no season 2019-20.*statmuse sync"):
        read.season_fingerprint(engine, "2019-20")


def test_reading_a_warehouse_without_tables_is_told(engine: sa.Engine) -> None:
    migrate(engine, "base")
    with pytest.raises(WarehouseError, match=r"no such table|does not exist"):
        read.games(engine)
