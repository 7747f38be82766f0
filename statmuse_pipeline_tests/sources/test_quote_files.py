"""Collected quotes in the shape of their contract."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from statmuse_pipeline.contracts import QUOTES_RAW, check
from statmuse_pipeline.sources.quote_files import QuoteFiles
from statmuse_pipeline.sources.source import SourceError


def quotes(**columns: Any) -> pd.DataFrame:
    """Two quotes captured in 2023-24, with other columns where given."""
    return pd.DataFrame(
        {
            "captured_at": pd.to_datetime(["2023-10-24 23:25:44", "2024-04-01 00:10:00"], utc=True),
            "commence_time": pd.to_datetime(["2023-10-24 23:40", None], utc=True),
            "home_team": ["Denver Nuggets", None],
            "away_team": ["Los Angeles Lakers", None],
            "bookmaker": "betmgm",
            "player_name": ["Aaron Gordon", "P.J. Tucker"],
            "market": "player_points_rebounds_assists",
            "line": [23.5, 4.5],
            "over_price": [-110, None],
            "under_price": [-125.0, 100.0],
            **columns,
        }
    )


def save(archive: Path, name: str, frame: pd.DataFrame) -> Path:
    file = archive / "lines" / f"{name}.parquet"
    file.parent.mkdir(parents=True, exist_ok=True)
    frame.to_parquet(file)
    return file


def at(*moments: str) -> dict[str, Any]:
    return {"captured_at": pd.to_datetime(list(moments), utc=True)}


def test_quotes_keep_their_values_and_name_their_collection(tmp_path: Path) -> None:
    save(tmp_path, "pra_closing_2023-24", quotes())
    read = check(QUOTES_RAW, QuoteFiles(tmp_path).read(["2023-24"]))
    assert read["quote_set"].unique().tolist() == ["pra_closing_2023-24"]
    assert read["captured_at"].iloc[0] == pd.Timestamp("2023-10-24 23:25:44", tz="UTC")
    assert read["over_price"].iloc[0] == -110
    assert read.iloc[1][["home_team", "commence_time", "over_price"]].isna().all()
    assert read["game_date"].isna().all()
    assert {str(read[name].dtype) for name in ("captured_at", "commence_time")} == {"datetime64[ns, UTC]"}
    assert tuple(read) == tuple(QUOTES_RAW.columns)


def test_files_follow_each_other_by_name(tmp_path: Path) -> None:
    for name in ("b", "a", "c"):
        save(tmp_path, name, quotes())
    read = QuoteFiles(tmp_path).read(["2023-24"])
    assert read["quote_set"].tolist() == ["a", "a", "b", "b", "c", "c"]
    assert read.index.tolist() == list(range(6))


def test_only_the_seasons_asked_for_are_delivered(tmp_path: Path) -> None:
    save(tmp_path, "mixed", quotes(**at("2022-10-19 22:00", "2024-10-23 00:30")))
    files = QuoteFiles(tmp_path)
    assert files.read(["2022-23"])["player_name"].tolist() == ["Aaron Gordon"]
    assert files.read(["2024-25"])["player_name"].tolist() == ["P.J. Tucker"]
    assert len(files.read(["2022-23", "2024-25"])) == 2
    assert files.read(["2023-24"]).empty
    assert files.read([]).empty


def test_the_season_turns_at_midnight_in_new_york(tmp_path: Path) -> None:
    # 03:59 UTC on 1 August is still 31 July there, 04:00 is August.
    save(tmp_path, "turn", quotes(**at("2023-08-01 03:59", "2023-08-01 04:00")))
    files = QuoteFiles(tmp_path)
    assert files.read(["2022-23"])["player_name"].tolist() == ["Aaron Gordon"]
    assert files.read(["2023-24"])["player_name"].tolist() == ["P.J. Tucker"]


def test_game_date_decides_where_a_file_has_it(tmp_path: Path) -> None:
    no_moment = pd.to_datetime(pd.Series([None, None]), utc=True)
    save(
        tmp_path,
        "consensus",
        quotes(game_date=["2021-10-19", "2022-10-18"], captured_at=no_moment, commence_time=no_moment),
    )
    read = QuoteFiles(tmp_path).read(["2021-22"])
    assert read["game_date"].tolist() == [pd.Timestamp("2021-10-19")]
    assert str(read["game_date"].dtype) == "datetime64[ns]"


def test_the_start_of_the_game_decides_where_nothing_else_is_known(tmp_path: Path) -> None:
    save(tmp_path, "later", quotes().drop(columns="captured_at"))
    assert QuoteFiles(tmp_path).read(["2022-23"])["player_name"].tolist() == ["P.J. Tucker"]
    assert QuoteFiles(tmp_path).read(["2023-24"])["player_name"].tolist() == ["Aaron Gordon", "P.J. Tucker"]


def test_moments_written_as_text_or_without_zone_are_utc(tmp_path: Path) -> None:
    save(tmp_path, "text", quotes(captured_at=["2024-01-01T05:00Z", "2024-01-01T01:00:00-05:00"]))
    save(tmp_path, "zoneless", quotes(captured_at=pd.to_datetime(["2024-01-01 05:00", "2024-01-01 06:00"])))
    read = QuoteFiles(tmp_path).read(["2023-24"])
    assert read["captured_at"].tolist() == [pd.Timestamp(f"2024-01-01 0{hour}:00", tz="UTC") for hour in (5, 6, 5, 6)]


@pytest.mark.parametrize("folder", [None, "without lines"])
def test_without_lines_there_are_no_quotes_but_the_columns(tmp_path: Path, folder: str | None) -> None:
    files = QuoteFiles(tmp_path if folder else None)
    read = check(QUOTES_RAW, files.read(["2023-24"]))
    assert read.empty
    assert files.fingerprint() == QuoteFiles(None).fingerprint()


def test_the_game_logs_folder_finds_the_lines_beside_it(tmp_path: Path) -> None:
    save(tmp_path, "a", quotes())
    (tmp_path / "game_logs").mkdir()
    assert len(QuoteFiles(tmp_path / "game_logs").read(["2023-24"])) == 2


def test_an_unreadable_file_is_named(tmp_path: Path) -> None:
    file = save(tmp_path, "broken", quotes())
    file.write_bytes(file.read_bytes()[:300])
    with pytest.raises(SourceError, match=r"broken\.parquet is not a readable Parquet file"):
        QuoteFiles(tmp_path).read(["2023-24"])


def test_missing_columns_are_named(tmp_path: Path) -> None:
    save(tmp_path, "thin", quotes().drop(columns=["line", "market"]))
    with pytest.raises(SourceError, match=r"thin\.parquet lacks the columns market, line"):
        QuoteFiles(tmp_path).read(["2023-24"])


@pytest.mark.parametrize(
    ("column", "values"),
    [("line", ["many", "few"]), ("captured_at", ["yesterday", "today-ish"]), ("player_name", [None, "P.J. Tucker"])],
)
def test_values_of_the_wrong_kind_are_named(tmp_path: Path, column: str, values: list[Any]) -> None:
    save(tmp_path, "odd", quotes(**{column: values}))
    with pytest.raises(SourceError, match=rf"odd\.parquet.*{column}"):
        QuoteFiles(tmp_path).read(["2023-24"])


def test_fingerprint_follows_content_and_names(tmp_path: Path) -> None:
    file = save(tmp_path, "a", quotes())
    first = QuoteFiles(tmp_path).fingerprint()
    assert QuoteFiles(tmp_path).fingerprint() == first
    file.rename(file.with_stem("b"))
    renamed = QuoteFiles(tmp_path).fingerprint()
    save(tmp_path, "b", quotes(line=[22.5, 4.5]))
    assert len({first, renamed, QuoteFiles(tmp_path).fingerprint()}) == 3


def test_all_real_quotes_are_read_within_seconds(archive: Path) -> None:
    files = QuoteFiles(archive)
    started = time.monotonic()
    read = files.read(["2020-21", "2021-22", "2022-23", "2023-24", "2024-25"])
    # About 1 s on a quiet machine; the limit leaves room for a busy one.
    assert time.monotonic() - started < 10
    check(QUOTES_RAW, read)
    stored = [pd.read_parquet(file) for file in sorted((archive / "lines").glob("*.parquet"))]
    assert len(read) == sum(map(len, stored))
    assert read["line"].sum() == pytest.approx(sum(frame["line"].sum() for frame in stored))
    parts = [len(files.read([season])) for season in ("2020-21", "2021-22", "2022-23", "2023-24", "2024-25")]
    assert sum(parts) == len(read)
