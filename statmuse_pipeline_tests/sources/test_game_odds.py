"""Point spreads of an archive: read as they stand, empty where there are none, refused where columns are missing."""

from __future__ import annotations

import pandas as pd
import pytest

from statmuse_pipeline.sources.game_odds import QUOTED, read_spreads
from statmuse_pipeline.sources.source import SourceError

CLOSING = pd.DataFrame({"GAME_ID": ["22100001"], "HOME_SPREAD": [-1.5], "TOTAL": [233.5]})
QUOTE = pd.DataFrame(
    {
        "captured_at": ["2022-10-18 11:50:32+00:00"], "commence_time": ["2022-10-19 23:40:00+00:00"],
        "home_team": ["Atlanta Hawks"], "away_team": ["Houston Rockets"], "bookmaker": ["betonline"],
        "home_spread": [-9.5], "home_price": [-111],
    }
)  # fmt: skip


@pytest.mark.parametrize("path", [None, "archive"])
def test_without_an_archive_or_its_folder_there_are_no_spreads(tmp_path, path):
    closing, quoted = read_spreads(tmp_path / path if path else None)
    assert list(closing) == ["game_id", "home_spread"]
    assert list(quoted) == list(QUOTED)
    assert closing.empty
    assert quoted.empty


def test_closing_and_quoted_spreads_are_told_apart_by_the_name_of_their_file(tmp_path):
    (tmp_path / "game_odds").mkdir()
    CLOSING.to_parquet(tmp_path / "game_odds" / "closing_2021.parquet")
    QUOTE.to_parquet(tmp_path / "game_odds" / "spreads_12h_2022-23.parquet")
    closing, quoted = read_spreads(tmp_path)
    assert closing.to_dict("records") == [{"game_id": "0022100001", "home_spread": -1.5}]
    assert quoted["captured_at"].tolist() == [pd.Timestamp("2022-10-18 11:50:32", tz="UTC")]
    assert quoted["home_spread"].tolist() == [-9.5]


def test_a_file_that_lacks_columns_is_refused(tmp_path):
    (tmp_path / "game_odds").mkdir()
    QUOTE.drop(columns="home_team").to_parquet(tmp_path / "game_odds" / "spreads.parquet")
    with pytest.raises(SourceError, match="home_team"):
        read_spreads(tmp_path)


def test_the_real_archive_has_closing_spreads_of_a_season_and_a_half_and_quoted_ones_of_two(archive):
    closing, quoted = read_spreads(archive)
    assert len(closing) == 1894
    assert closing["game_id"].str.fullmatch(r"002\d{7}").all()
    assert len(quoted) == 21857 + 16661
    assert quoted["home_spread"].between(-30, 30).all()
