"""The archive: what it reads, and what it says when it cannot."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pandas as pd
import pytest

from statmuse_pipeline.contracts import GAME_LOG_COLUMNS
from statmuse_pipeline.domain import Season
from statmuse_pipeline.sources.archive import ArchiveSource
from statmuse_pipeline.sources.source import PLAYER_COLUMNS, SCHEDULE_COLUMNS, SourceError
from statmuse_pipeline_tests.sources.conftest import BULLS, HAWKS, written_season


def file_of(archive: Path, season: str = "2023-24") -> Path:
    return archive / "game_logs" / f"{season}.parquet"


def write_extras(archive: Path) -> None:
    (archive / "schedule").mkdir()
    pd.DataFrame(
        {
            "GAME_ID": ["0022300001", "0022300002"],
            "GAME_DATE": ["2023-10-24", "2024-01-11"],
            "TIPOFF_UTC": pd.to_datetime(["2023-10-24 23:30", None], utc=True),
            "HOME_TEAM_ID": [HAWKS, BULLS],
            "AWAY_TEAM_ID": [BULLS, HAWKS],
            "ARENA": ["State Farm Arena", None],
        }
    ).to_parquet(archive / "schedule" / "2023-24.parquet")
    pd.DataFrame(
        {
            "PLAYER_ID": [7371, 7372, 99],
            "POSITION": ["G", None, "C"],
            "HEIGHT_IN": pd.array([75, None, 84], dtype="Int16"),
            "WEIGHT_LB": pd.array([190, 200, 250], dtype="Int16"),
            "BIRTHDATE": ["1999-02-28", None, "1980-01-01"],
        }
    ).to_parquet(archive / "player_metadata.parquet")
    pd.DataFrame(
        {
            "SEASON": ["2022-23", "2023-24", "2023-24"],
            "PLAYER_ID": [7372, 7372, 7371],
            "POSITION": ["C", "F", "F"],
        }
    ).to_parquet(archive / "player_positions.parquet")


def test_archive_root_and_its_game_logs_folder_deliver_the_same(small_archive: Path) -> None:
    write_extras(small_archive)
    whole = ArchiveSource(small_archive)
    direct = ArchiveSource(small_archive / "game_logs")
    assert whole.seasons() == direct.seasons() == ("2022-23", "2023-24")
    assert whole.fetch("2023-24").sha256 == direct.fetch("2023-24").sha256
    assert len(direct.fetch("2023-24").schedule) == 2


def test_rows_are_delivered_as_received_and_without_a_clock(small_archive: Path) -> None:
    payload = ArchiveSource(small_archive).fetch("2023-24")
    pd.testing.assert_frame_equal(payload.game_logs, written_season())
    assert payload.fetched_at is None
    assert payload.origin.endswith("2023-24.parquet")


def test_an_archive_of_game_logs_alone_has_empty_schedules_and_rosters_of_the_right_columns(
    small_archive: Path,
) -> None:
    payload = ArchiveSource(small_archive).fetch("2023-24")
    assert payload.schedule.empty
    assert tuple(payload.schedule) == SCHEDULE_COLUMNS
    assert payload.players.empty
    assert tuple(payload.players) == PLAYER_COLUMNS


def test_schedule_keeps_official_home_and_away_where_matchup_is_ambiguous(small_archive: Path) -> None:
    write_extras(small_archive)
    schedule = ArchiveSource(small_archive).fetch("2023-24").schedule.set_index("GAME_ID")
    assert schedule.loc["0022300002", "HOME_TEAM_ID"] == BULLS
    assert schedule.loc["0022300001", "TIPOFF_UTC"] == pd.Timestamp("2023-10-24 23:30", tz="UTC")
    assert pd.isna(schedule.loc["0022300002", "TIPOFF_UTC"])
    assert str(schedule["TIPOFF_UTC"].dtype) == "datetime64[ns, UTC]"


def test_roster_position_of_the_season_fills_in_where_the_metadata_has_none(small_archive: Path) -> None:
    write_extras(small_archive)
    players = ArchiveSource(small_archive).fetch("2023-24").players.set_index("PLAYER_ID")
    assert players.loc[[7371, 7372], "POSITION"].tolist() == ["G", "F"]
    assert players.loc[[7411, 7412], "POSITION"].isna().all()
    assert players.loc[7371, "HEIGHT_IN"] == 75
    assert players.loc[7371, "BIRTHDATE"] == pd.Timestamp("1999-02-28")
    assert 99 not in players.index


def test_positions_alone_are_enough_for_a_roster(small_archive: Path) -> None:
    write_extras(small_archive)
    (small_archive / "player_metadata.parquet").unlink()
    players = ArchiveSource(small_archive).fetch("2023-24").players.set_index("PLAYER_ID")
    assert players.loc[7371, "POSITION"] == "F"
    assert players["HEIGHT_IN"].isna().all()


def test_since_delivers_that_day_and_later(small_archive: Path) -> None:
    write_extras(small_archive)
    source = ArchiveSource(small_archive)
    later = source.fetch("2023-24", since=dt.date(2024, 1, 11))
    assert set(later.game_logs["GAME_ID"]) == set(later.schedule["GAME_ID"]) == {"0022300002"}
    assert source.fetch("2023-24", since=dt.date(2024, 1, 12)).game_logs.empty


def test_a_csv_season_equals_the_parquet_season(small_archive: Path) -> None:
    expected = ArchiveSource(small_archive).fetch("2023-24")
    file_of(small_archive).unlink()
    written_season().to_csv(file_of(small_archive).with_suffix(".csv"), index=False)
    read = ArchiveSource(small_archive).fetch("2023-24")
    assert read.game_logs["GAME_ID"].iloc[0] == "0022300001"
    pd.testing.assert_frame_equal(read.game_logs, expected.game_logs)
    assert read.sha256 == expected.sha256


def test_a_csv_whose_leading_zeros_were_eaten_gets_its_ids_back(small_archive: Path) -> None:
    file_of(small_archive).unlink()
    eaten = written_season().assign(GAME_ID=lambda logs: logs["GAME_ID"].str.lstrip("0"))
    eaten.to_csv(file_of(small_archive).with_suffix(".csv"), index=False)
    assert set(ArchiveSource(small_archive).fetch("2023-24").game_logs["GAME_ID"]) == {"0022300001", "0022300002"}


def test_numeric_ids_and_dates_with_a_time_become_text(small_archive: Path) -> None:
    logs = written_season()
    logs["GAME_ID"] = logs["GAME_ID"].astype("int64")
    logs["SEASON_ID"] = logs["SEASON_ID"].astype("int64")
    logs["GAME_DATE"] = logs["GAME_DATE"] + "T00:00:00"
    logs.to_parquet(file_of(small_archive))
    pd.testing.assert_frame_equal(ArchiveSource(small_archive).fetch("2023-24").game_logs, written_season())


def test_a_day_that_is_no_day_is_left_for_validation_to_name(small_archive: Path) -> None:
    logs = written_season()
    logs.loc[0, "GAME_DATE"] = "some day"
    logs.to_parquet(file_of(small_archive))
    days = ArchiveSource(small_archive).fetch("2023-24").game_logs["GAME_DATE"]
    assert days.iloc[0] == "some day"
    assert days.iloc[1] == "2023-10-24"


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"nowhere is not a folder: set STATMUSE_ARCHIVE"):
        ArchiveSource(tmp_path / "nowhere")


def test_a_folder_without_seasons_says_what_it_needs(tmp_path: Path) -> None:
    (tmp_path / "notes.csv").write_text("a,b\n")
    with pytest.raises(SourceError, match=r"holds no season: it needs files such as game_logs/2023-24\.parquet"):
        ArchiveSource(tmp_path)


@pytest.mark.parametrize("ask", ["fetch", "fingerprint"])
def test_a_missing_season_names_the_seasons_that_are_there(small_archive: Path, ask: str) -> None:
    with pytest.raises(SourceError, match=r"no season 2019-20; it has 2022-23, 2023-24"):
        getattr(ArchiveSource(small_archive), ask)("2019-20")


@pytest.mark.parametrize("damage", ["garbage", "truncated", "empty"])
@pytest.mark.parametrize("name", ["game_logs/2023-24", "schedule/2023-24", "player_metadata", "player_positions"])
def test_a_damaged_file_is_named_in_one_sentence(small_archive: Path, name: str, damage: str) -> None:
    write_extras(small_archive)
    file = small_archive / f"{name}.parquet"
    whole = file.read_bytes()
    file.write_bytes({"garbage": b"PAR1 nonsense", "truncated": whole[: len(whole) // 2], "empty": b""}[damage])
    with pytest.raises(SourceError, match="is not a readable Parquet file") as caught:
        ArchiveSource(small_archive).fetch("2023-24")
    assert str(file) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_csv_that_ends_inside_a_row_is_refused(small_archive: Path) -> None:
    file_of(small_archive).unlink()
    file = file_of(small_archive).with_suffix(".csv")
    text = written_season().to_csv(index=False)
    file.write_text(text[: -len(text.splitlines()[-1]) // 2])
    with pytest.raises(SourceError, match="is not a readable CSV file"):
        ArchiveSource(small_archive).fetch("2023-24")


@pytest.mark.parametrize("suffix", [".parquet", ".csv"])
def test_missing_columns_are_listed(small_archive: Path, suffix: str) -> None:
    file_of(small_archive).unlink()
    thin = written_season().drop(columns=["MATCHUP", "PLUS_MINUS"])
    file = file_of(small_archive).with_suffix(suffix)
    thin.to_parquet(file) if suffix == ".parquet" else thin.to_csv(file, index=False)
    with pytest.raises(SourceError, match="lacks the columns MATCHUP, PLUS_MINUS"):
        ArchiveSource(small_archive).fetch("2023-24")


def test_a_file_of_another_season_or_of_the_playoffs_is_refused(small_archive: Path) -> None:
    written_season("42023").to_parquet(file_of(small_archive))
    with pytest.raises(SourceError, match=r"no regular-season row of 2023-24 \(SEASON_ID 22023\) but SEASON_ID 42023"):
        ArchiveSource(small_archive).fetch("2023-24")


def test_a_file_without_rows_is_refused(small_archive: Path) -> None:
    written_season().head(0).to_parquet(file_of(small_archive))
    with pytest.raises(SourceError, match="holds no rows"):
        ArchiveSource(small_archive).fetch("2023-24")


def test_fingerprint_follows_every_file_of_its_season_and_no_other(small_archive: Path) -> None:
    write_extras(small_archive)
    source = ArchiveSource(small_archive)
    before = {season: source.fingerprint(season) for season in source.seasons()}
    assert before == {season: ArchiveSource(small_archive).fingerprint(season) for season in source.seasons()}
    changed = written_season()
    changed.loc[0, "AST"] += 1
    changed.to_parquet(file_of(small_archive))
    assert source.fingerprint("2023-24") != before["2023-24"]
    assert source.fingerprint("2022-23") == before["2022-23"]
    (small_archive / "schedule" / "2023-24.parquet").unlink()
    changed.loc[0, "AST"] -= 1
    changed.to_parquet(file_of(small_archive))
    assert source.fingerprint("2023-24") != before["2023-24"]


def test_content_hash_depends_on_values_but_not_on_the_order_of_rows(small_archive: Path) -> None:
    source = ArchiveSource(small_archive)
    before = source.fetch("2023-24").sha256
    written_season().sample(frac=1, random_state=1).to_parquet(file_of(small_archive))
    assert source.fetch("2023-24").sha256 == before
    written_season().replace({"AST": {4: 6}}).to_parquet(file_of(small_archive))
    assert source.fetch("2023-24").sha256 != before


def test_real_seasons_are_complete(archive: Path) -> None:
    source = ArchiveSource(archive)
    for season in source.seasons():
        payload = source.fetch(season)
        assert payload.game_logs["GAME_ID"].nunique() == len(payload.schedule) == 1230
        assert set(GAME_LOG_COLUMNS) <= set(payload.game_logs)
        assert (payload.game_logs["SEASON_ID"] == Season.parse(season).season_id).all()
        assert payload.players["PLAYER_ID"].is_unique
        assert set(payload.players["PLAYER_ID"]) == set(payload.game_logs["PLAYER_ID"])
        assert payload.players["POSITION"].notna().mean() > 0.99


def test_earlier_seasons_are_offered_apart_and_come_when_asked_for(small_archive: Path) -> None:
    (small_archive / "game_logs_earlier").mkdir()
    file_of(small_archive, "2022-23").rename(small_archive / "game_logs_earlier" / "2022-23.parquet")
    source = ArchiveSource(small_archive)
    assert source.seasons() == ("2023-24",)
    assert source.earlier_seasons("2023-24") == ("2022-23",)
    assert source.earlier_seasons("2022-23") == ()
    assert source.fetch("2022-23").season == "2022-23"
    assert source.fingerprint("2022-23") != source.fingerprint("2023-24")
