"""Which rows are believed."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from statmuse_pipeline.contracts import GAME_LOG_COLUMNS
from statmuse_pipeline.warehouse.validation import SeasonRejected, validate_season
from statmuse_pipeline_tests.warehouse.little_league import game_logs, many_games, schedule

LOGS = many_games()
SEASON = "2023-24"
BROKEN_ROW = 100


def broken(**changes: Any) -> pd.DataFrame:
    logs = LOGS.astype(dict.fromkeys(changes, "object"))
    for name, value in changes.items():
        logs.loc[BROKEN_ROW, name] = value
    return logs


def test_a_right_season_is_believed_whole_and_typed() -> None:
    parts = validate_season(LOGS, SEASON)
    assert len(parts.good) == len(LOGS)
    assert parts.quarantined.empty
    assert list(parts.good.columns) == list(GAME_LOG_COLUMNS)
    assert str(parts.good["GAME_DATE"].dtype) == "datetime64[ns]"
    assert {str(parts.good[name].dtype) for name in ("PLAYER_ID", "MIN", "PTS", "PLUS_MINUS")} == {"int64"}


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"PTS": 99}, "PTS is not 2*(FGM-FG3M) + 3*FG3M + FTM"),
        ({"REB": 55}, "OREB + DREB is not REB"),
        ({"FGA": 0, "FG3A": 0}, "FGM is above FGA"),
        ({"FTA": -1}, "FTA is not within 0 and 55"),
        ({"MIN": 71}, "MIN is not within 0 and 70"),
        ({"MIN": -1}, "MIN is not within 0 and 70"),
        ({"MIN": 12.5}, "MIN is not a whole number"),
        ({"AST": "many"}, "AST is missing or of another type"),
        ({"STL": None}, "STL is missing or of another type"),
        ({"PLAYER_NAME": None}, "PLAYER_NAME is missing or of another type"),
        ({"PLAYER_NAME": ""}, "PLAYER_NAME is empty"),
        ({"PLAYER_ID": 0}, "an id is not a positive whole number"),
        ({"GAME_ID": "22300001"}, "GAME_ID is not ten digits"),
        ({"GAME_DATE": "2024-09-15"}, "GAME_DATE is outside the season 2023-24"),
        ({"GAME_DATE": "yesterday"}, "GAME_DATE is missing or of another type"),
        ({"SEASON_ID": "42023"}, "SEASON_ID is not 22023"),
        ({"WL": ""}, "WL is neither W nor L"),
        ({"MATCHUP": "somewhere"}, "MATCHUP reads neither"),
        ({"MATCHUP": "DEN vs. LAL"}, "MATCHUP does not begin with TEAM_ABBREVIATION"),
    ],
)
def test_a_bad_row_is_set_aside_with_the_reason(changes: dict[str, Any], reason: str) -> None:
    parts = validate_season(broken(**changes), SEASON)
    assert len(parts.good) == len(LOGS) - 1
    assert len(parts.quarantined) == 1
    assert reason in parts.quarantined.loc[0, "reason"]
    for name, value in changes.items():
        kept = parts.quarantined.loc[0, name]
        assert kept == value or (value is None and pd.isna(kept)), "the row is kept as it was delivered"


def test_a_copy_of_a_row_is_set_aside_and_the_row_believed() -> None:
    parts = validate_season(pd.concat([LOGS, LOGS.iloc[[BROKEN_ROW]]]), SEASON)
    assert len(parts.good) == len(LOGS)
    assert parts.quarantined["reason"].tolist() == ["the same player and game twice: a copy"]


def test_of_two_contradicting_rows_neither_is_believed() -> None:
    other = LOGS.iloc[[BROKEN_ROW]].assign(AST=17)
    parts = validate_season(pd.concat([LOGS, other]), SEASON)
    assert len(parts.good) == len(LOGS) - 1
    assert set(parts.quarantined["reason"]) == {"the same player and game twice, with different values"}


def whole_game_is_set_aside(logs: pd.DataFrame, reason: str, planned: pd.DataFrame | None = None) -> None:
    game = LOGS.loc[BROKEN_ROW, "GAME_ID"]
    parts = validate_season(logs, SEASON, planned)
    assert game not in set(parts.good["GAME_ID"])
    assert set(parts.quarantined["GAME_ID"]) == {game}
    assert parts.quarantined["reason"].str.contains(reason, regex=False).all()


def test_a_game_with_fewer_than_ten_players_is_set_aside() -> None:
    gone = LOGS.index[(LOGS["GAME_ID"] == LOGS.loc[BROKEN_ROW, "GAME_ID"])][:7]
    whole_game_is_set_aside(LOGS.drop(index=gone), "the game has fewer than 10 believable rows")


def test_a_game_with_three_teams_is_set_aside() -> None:
    strangers = {1: "ATL", 2: "BOS", 3: "CHI", 4: "LAC"}
    there = set(LOGS.loc[LOGS["GAME_ID"] == LOGS.loc[BROKEN_ROW, "GAME_ID"], "TEAM_ID"])
    team = min(set(strangers) - there)
    logs = broken(TEAM_ID=team, TEAM_ABBREVIATION=strangers[team], MATCHUP=f"{strangers[team]} @ XXX")
    whole_game_is_set_aside(logs, "the game has not exactly two teams")


def test_a_game_with_one_team_is_set_aside() -> None:
    game = LOGS["GAME_ID"] == LOGS.loc[BROKEN_ROW, "GAME_ID"]
    one = LOGS[~game | (LOGS["TEAM_ID"] == LOGS.loc[BROKEN_ROW, "TEAM_ID"])]
    whole_game_is_set_aside(one, "the game has not exactly two teams")


def test_a_game_with_two_winners_is_set_aside() -> None:
    game = LOGS["GAME_ID"] == LOGS.loc[BROKEN_ROW, "GAME_ID"]
    whole_game_is_set_aside(LOGS.assign(WL=LOGS["WL"].mask(game, "W")), "not one winner and one loser")


def test_a_game_with_two_dates_is_set_aside() -> None:
    whole_game_is_set_aside(broken(GAME_DATE="2024-03-03"), "the game has two dates")


def test_a_game_of_which_the_schedule_names_other_teams_is_set_aside() -> None:
    planned = schedule()
    game = LOGS.loc[BROKEN_ROW, "GAME_ID"]
    planned.loc[planned["GAME_ID"] == game, ["HOME_TEAM_ID", "AWAY_TEAM_ID"]] = [98, 99]
    assert game in set(planned["GAME_ID"])
    whole_game_is_set_aside(LOGS, "the schedule names other teams for the game", planned)


def test_a_season_with_one_percent_of_bad_rows_passes_and_with_more_stops() -> None:
    allowed = len(LOGS) // 100
    every_other_game = LOGS.drop_duplicates("GAME_ID").index
    just = LOGS.assign(REB=LOGS["REB"].where(~LOGS.index.isin(every_other_game[:allowed]), 59))
    assert len(validate_season(just, SEASON).quarantined) == allowed
    more = LOGS.assign(REB=LOGS["REB"].where(~LOGS.index.isin(every_other_game[: allowed + 1]), 59))
    with pytest.raises(SeasonRejected, match=r"24 of 2304 rows of 2023-24 are bad.*OREB \+ DREB") as caught:
        validate_season(more, SEASON)
    assert len(caught.value.quarantined) == allowed + 1


def test_changed_columns_and_empty_answers_stop() -> None:
    with pytest.raises(SeasonRejected, match="lack the columns MIN, PTS"):
        validate_season(LOGS.drop(columns=["MIN", "PTS"]), SEASON)
    with pytest.raises(SeasonRejected, match="no game logs at all"):
        validate_season(LOGS.iloc[:0], SEASON)


def test_the_logs_of_another_season_stop() -> None:
    with pytest.raises(SeasonRejected, match="SEASON_ID is not 22024"):
        validate_season(game_logs("2023-24"), "2024-25")


@settings(max_examples=15, deadline=None)
@given(
    column=st.sampled_from(["PTS", "FGM", "FG3M", "FTM", "OREB", "DREB", "REB"]),
    row=st.integers(0, len(LOGS) - 1),
    by=st.integers(-4, 60).filter(bool),
)
def test_any_change_to_a_number_of_a_sum_is_noticed(column: str, row: int, by: int) -> None:
    logs = LOGS.copy()
    logs.loc[row, column] += by
    assert validate_season(logs, SEASON).quarantined["PLAYER_ID"].tolist() == [LOGS.loc[row, "PLAYER_ID"]]
