"""Spreads find their games; what was quoted after tip-off is not known at either level."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from statmuse_pipeline.sources.game_odds import QUOTED, read_spreads
from statmuse_pipeline.warehouse.spreads import spreads_of_games

TEAMS = pd.DataFrame({"team_id": [1, 2, 3], "name": ["Atlanta Hawks", "Houston Rockets", "LA Clippers"]})
GAMES = pd.DataFrame(
    {
        "game_id": ["0022200001", "0022200002"], "season": "2022-23",
        "game_date": pd.to_datetime(["2022-10-19", "2022-10-20"]),
        "tipoff_utc": pd.to_datetime(["2022-10-19 23:40", None], utc=True).astype("datetime64[ns, UTC]"),
        "home_team_id": [1, 3], "away_team_id": [2, 1],
    }
)  # fmt: skip
NO_CLOSING = pd.DataFrame({"game_id": pd.Series(dtype="str"), "home_spread": pd.Series(dtype="float64")})


def quotes(*rows: tuple[str, str, float]) -> pd.DataFrame:
    """Quotes of the first game: captured at, book, spread."""
    table = pd.DataFrame(
        [
            {
                "captured_at": pd.Timestamp(at, tz="UTC"),
                "commence_time": pd.Timestamp("2022-10-19 23:40", tz="UTC"),
                "home_team": "Atlanta Hawks", "away_team": "Houston Rockets", "bookmaker": book, "home_spread": spread,
            }
            for at, book, spread in rows
        ],
        columns=list(QUOTED),
    )  # fmt: skip
    moments = {name: pd.to_datetime(table[name], utc=True).astype("datetime64[ns, UTC]") for name in QUOTED[:2]}
    return table.assign(**moments)


def test_each_book_counts_once_with_its_last_quote_before_tip_off():
    quoted = quotes(
        ("2022-10-19 11:00", "a", -9.0), ("2022-10-19 12:00", "a", -8.0), ("2022-10-19 12:00", "b", -6.0),
        ("2022-10-20 00:10", "a", -20.0),
    )  # fmt: skip
    table = spreads_of_games(NO_CLOSING, quoted, GAMES, TEAMS)
    assert table.to_dict("records") == [{"game_id": "0022200001", "home_team_id": 1, "pregame": -7.0, "tipoff": -7.0}]


def test_a_closing_spread_is_known_at_tip_off_alone():
    closing = pd.DataFrame({"game_id": ["0022200001", "0022200002"], "home_spread": [-5.0, 3.5]})
    table = spreads_of_games(closing, quotes(("2022-10-19 11:00", "a", -9.0)), GAMES, TEAMS).set_index("game_id")
    assert table["tipoff"].tolist() == [-5.0, 3.5]
    assert table.loc["0022200001", "pregame"] == -9.0
    assert np.isnan(table.loc["0022200002", "pregame"])


def test_without_spreads_there_are_no_rows():
    assert spreads_of_games(NO_CLOSING, quotes(), GAMES, TEAMS).empty


@pytest.mark.parametrize(("season", "share"), [("2022-23", 0.995), ("2023-24", 0.995)])
def test_nearly_every_game_of_the_real_seasons_finds_its_spread(archive, season, share):
    schedule = pd.read_parquet(archive / "schedule" / f"{season}.parquet")
    games = pd.DataFrame(
        {
            "game_id": schedule["GAME_ID"].astype("str"),
            "game_date": pd.to_datetime(schedule["GAME_DATE"]).astype("datetime64[ns]"),
            "tipoff_utc": pd.to_datetime(schedule["TIPOFF_UTC"], utc=True).astype("datetime64[ns, UTC]"),
            "home_team_id": schedule["HOME_TEAM_ID"], "away_team_id": schedule["AWAY_TEAM_ID"],
        }
    )  # fmt: skip
    from nba_api.stats.static import teams

    names = pd.DataFrame([{"team_id": team["id"], "name": team["full_name"]} for team in teams.get_teams()])
    table = spreads_of_games(*read_spreads(archive), games, names)
    assert table["pregame"].notna().sum() >= share * len(games)
    logs = pd.read_parquet(archive / "game_logs" / f"{season}.parquet")
    margin = logs.groupby(["GAME_ID", "TEAM_ID"])["PLUS_MINUS"].sum() / 5
    won_by = margin.reindex(pd.MultiIndex.from_frame(table[["game_id", "home_team_id"]])).to_numpy()
    # Books are good at this: a favourite by ten points wins by about ten.
    assert np.corrcoef(-table["pregame"].fillna(0), won_by)[0, 1] > 0.35
