"""Archive files from what was fetched."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from statmuse_pipeline.cli import app
from statmuse_pipeline.domain import PipelineError
from statmuse_pipeline.receipts import Shelf
from statmuse_pipeline.sources.archive import ArchiveSource
from statmuse_pipeline.sources.archive_writer import write_archive
from statmuse_pipeline.sources.source import (
    SeasonPayload,
    SourceError,
    content_hash,
    player_frame,
    players_of,
    schedule_frame,
)
from statmuse_pipeline.sources.stats_nba_answers import schedule_from_matchups
from statmuse_pipeline_tests.sources.stats_nba_server import written_season


def payload(season: str, position: str = "G", weight: float | None = 200.0) -> SeasonPayload:
    logs = written_season(f"2{season[:4]}")
    ids = logs["PLAYER_ID"].unique()
    details = pd.DataFrame(
        {"PLAYER_ID": ids, "POSITION": position, "HEIGHT_IN": 78.0, "WEIGHT_LB": weight, "BIRTHDATE": pd.NaT}
    )
    schedule, players = schedule_from_matchups(logs), player_frame(players_of(logs, details))
    return SeasonPayload(season, logs, schedule, players, "test", None, content_hash(logs, schedule, players))


def assert_reads_back(folder: Path, expected: SeasonPayload) -> None:
    back = ArchiveSource(folder).fetch(expected.season)
    for name in ("game_logs", "schedule", "players"):
        pd.testing.assert_frame_equal(getattr(back, name), getattr(expected, name))


def test_seasons_with_other_positions_read_back_equal(tmp_path: Path) -> None:
    seasons = [payload("2023-24", "F"), payload("2022-23", "G")]
    write_archive(tmp_path, seasons)
    for season in seasons:
        assert_reads_back(tmp_path, season)


def test_a_season_added_later_leaves_the_others(tmp_path: Path) -> None:
    first = payload("2022-23", "G")
    write_archive(tmp_path, [first])
    write_archive(tmp_path, [payload("2023-24", "F", weight=None)])
    assert_reads_back(tmp_path, first)
    assert ArchiveSource(tmp_path).fetch("2023-24").players["WEIGHT_LB"].tolist() == [200.0] * 4


def test_writing_again_gives_the_same_bytes_and_a_lost_schedule_goes(tmp_path: Path) -> None:
    season = payload("2023-24")
    before = {file: file.read_bytes() for file in write_archive(tmp_path, [season])}
    assert {file: file.read_bytes() for file in write_archive(tmp_path, [season])} == before
    bare = dataclasses.replace(season, schedule=schedule_frame(), players=player_frame())
    write_archive(tmp_path, [bare])
    assert ArchiveSource(tmp_path).fetch("2023-24").schedule.empty
    assert not list(tmp_path.rglob("*.tmp"))


def test_a_part_of_a_season_is_refused(tmp_path: Path) -> None:
    part = dataclasses.replace(payload("2023-24"), player_ids=(7371,))
    with pytest.raises(SourceError, match="Only a part of 2023-24 was fetched"):
        write_archive(tmp_path / "out", [part])
    assert not (tmp_path / "out").exists()


def test_a_folder_that_cannot_be_written_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("a file in the way")
    with pytest.raises(SourceError, match=r"Could not write the archive .* another --out"):
        write_archive(tmp_path / "out", [payload("2023-24")])


@pytest.fixture
def fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SeasonPayload:
    """A data folder in which one season was fetched from stats.nba.com."""
    season = payload("2023-24")
    shelve(tmp_path / "data", season, "nba_api")
    monkeypatch.setenv("STATMUSE_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("SEASONS", "2022-23,2023-24")
    monkeypatch.setenv("STATMUSE_SOURCE", "nba_api")
    return season


def shelve(data: Path, season: SeasonPayload, source: str) -> None:
    def write(folder: Path) -> dict[str, object]:
        for name in ("game_logs", "schedule", "players"):
            getattr(season, name).to_parquet(folder / f"{name}.parquet", index=False)
        return {"source": source, "origin": season.origin, "fetched_at": None, "sha256": season.sha256}

    Shelf(data).put(f"raw/{season.season}", "inputs", write)


def test_the_command_writes_every_season_that_was_fetched(fetched: SeasonPayload, tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["archive", "--out", str(tmp_path / "out")])
    assert result.exit_code == 0, result.output
    assert "game_logs/2023-24.parquet" in result.output
    assert_reads_back(tmp_path / "out", fetched)
    assert ArchiveSource(tmp_path / "out").seasons() == ("2023-24",)


def test_the_command_names_a_season_that_was_never_fetched(fetched: SeasonPayload, tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["archive", "--out", str(tmp_path / "out"), "--seasons", "2022-23"])
    assert isinstance(result.exception, PipelineError)
    assert "no raw/2022-23" in str(result.exception)
    assert not (tmp_path / "out").exists()


def test_a_simulated_season_is_never_written_as_if_it_were_real(fetched: SeasonPayload, tmp_path: Path) -> None:
    shelve(tmp_path / "data", fetched, "demo")
    result = CliRunner().invoke(app, ["archive", "--out", str(tmp_path / "out")])
    assert "would pass for real game logs" in str(result.exception)
    assert not (tmp_path / "out").exists()
