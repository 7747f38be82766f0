"""The dry run tells everything and changes nothing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import sqlalchemy as sa

from statmuse_pipeline.domain import PipelineError
from statmuse_pipeline.warehouse.audit import audit_season, write_audit
from statmuse_pipeline_tests.warehouse.little_league import contents, game_logs, load, many_games, rosters, schedule


def test_without_a_warehouse_everything_would_change() -> None:
    audit = audit_season(None, "2023-24", game_logs(), schedule(), rosters())
    assert audit["would_change"] == "everything"
    assert (audit["rows"], audit["accepted"], audit["games"], audit["players"]) == (192, 192, 12, 32)
    assert (audit["first"], audit["last"]) == ("2023-11-01", "2023-11-12")


def test_against_a_warehouse_the_changes_are_counted_and_none_is_made(engine: sa.Engine) -> None:
    load(engine, game_logs=game_logs().iloc[:-2])
    before = contents(engine)
    delivered = game_logs().iloc[1:]
    delivered.loc[5, "AST"] += 1
    audit = audit_season(engine, "2023-24", delivered, schedule())
    assert audit["would_change"] == {
        "inserted": 2, "updated": 1, "unchanged": 188, "removed": 1, "warehouse_source": "demo",
    }  # fmt: skip
    assert contents(engine) == before
    report = load(engine, game_logs=delivered)
    assert (report.inserted, report.updated, report.unchanged, report.removed) == (2, 1, 188, 1)


def test_batches_count_every_accepted_row_once() -> None:
    audit = audit_season(None, "2023-24", many_games())
    assert sum(batch["rows"] for batch in audit["batches"]) == audit["accepted"] == 2304
    assert sum(batch["games"] for batch in audit["batches"]) == audit["games"] == 144


def test_missing_rates_and_reasons_are_told() -> None:
    logs = many_games()
    logs["FT_PCT"] = logs["FTM"] / logs["FTA"]
    logs.loc[3, "PTS"] += 1
    audit = audit_season(None, "2023-24", logs, None, rosters())
    assert audit["missing"]["FT_PCT"] == pytest.approx(logs["FT_PCT"].isna().mean(), abs=1e-6)
    assert audit["missing"]["PTS"] == 0
    assert audit["missing"]["players.BIRTHDATE"] == pytest.approx(4 / 32)
    assert audit["quarantined"] == {"PTS is not 2*(FGM-FG3M) + 3*FG3M + FTM": 1}


def test_the_most_extreme_value_of_a_stat_leads_its_outliers() -> None:
    logs = game_logs()
    logs.loc[50, "AST"] = 30
    worst = audit_season(None, "2023-24", logs)["outliers"]["ast"][0]
    assert (worst["value"], worst["player_id"], worst["game_id"]) == (
        30,
        logs.loc[50, "PLAYER_ID"],
        logs.loc[50, "GAME_ID"],
    )
    spread = logs["AST"].std(ddof=0)
    assert worst["z"] == pytest.approx((30 - logs["AST"].mean()) / spread, abs=0.01)


def test_a_season_that_would_be_rejected_is_told_not_raised() -> None:
    audit = audit_season(None, "2023-24", game_logs().assign(MIN=99))
    assert audit["rejected"].startswith("192 of 192 rows")
    assert audit["would_change"] == "nothing: the season is rejected"
    assert json.loads(json.dumps(audit)) == audit


def test_the_file_is_the_same_for_the_same_delivery(tmp_path: Path) -> None:
    audits = [audit_season(None, "2023-24", game_logs())]
    first = write_audit(tmp_path / "audit", audits)
    content = first.read_bytes()
    assert write_audit(tmp_path / "audit", audits) == first
    assert first.read_bytes() == content
    assert [file.name for file in (tmp_path / "audit").iterdir()] == [first.name]
    assert json.loads(content)["seasons"][0]["rows"] == 192


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "audit").write_text("")
    with pytest.raises(PipelineError, match="can't be written"):
        write_audit(tmp_path / "audit", [audit_season(None, "2023-24", game_logs())])


def test_the_real_season_shows_its_known_extremes(archive: Path) -> None:
    import pandas as pd

    logs = pd.read_parquet(archive / "game_logs" / "2023-24.parquet")
    audit = audit_season(None, "2023-24", logs)
    assert (audit["accepted"], audit["games"], audit["quarantined"]) == (26_401, 1230, {})
    assert (audit["outliers"]["pts"][0]["player"], audit["outliers"]["pts"][0]["value"]) == ("Luka Dončić", 73)
