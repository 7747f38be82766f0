"""Who may play, who is out, and at which information level a game may be forecast."""

from __future__ import annotations

import pandas as pd
import pytest

from statmuse_pipeline.domain import InformationLevel, PipelineError
from statmuse_pipeline.features.table import build_features
from statmuse_pipeline.slate.games import begins, eastern_day, from_schedule, games_of, next_game_day, still_ahead
from statmuse_pipeline.slate.roster import levels, upcoming_rows, with_statuses
from statmuse_pipeline_tests.slate.made_up import DAY, EARLY, LATE, NOON, TIPOFF, player_games, schedule, statuses

ROTATION = pd.Series({10 * team + seat: seat < 3 for team in (1, 2, 3, 4) for seat in range(5)})
EVERY_TEAM = {"p13": "Available", "p23": "Available", "p33": "Available", "p43": "Available"}


def rows(injuries: pd.DataFrame | None = None, reports: pd.DataFrame | None = None) -> pd.DataFrame:
    return with_statuses(upcoming_rows(player_games(), schedule()), injuries, NOON, reports)


def level(injuries: pd.DataFrame | None, reports: pd.DataFrame | None = None) -> dict[str, str]:
    return {game: found.value for game, found in levels(rows(injuries, reports), ROTATION, NOON).items()}


def test_every_player_of_the_four_teams_stands_once_with_his_opponent_and_side():
    table = upcoming_rows(player_games(), schedule())
    assert len(table) == 20
    assert not table["player_id"].duplicated().any()
    star = table.set_index("player_id").loc[40]
    assert (star["game_id"], star["opponent_team_id"], star["is_home"]) == (LATE, 3, False)


def test_a_player_who_was_traded_belongs_to_his_new_team_once_the_roster_says_so():
    table = upcoming_rows(player_games(), schedule())
    assert table.set_index("player_id").loc[10, "team_id"] == 1
    contracts = table[["player_id", "player_name", "team_id"]]
    traded = contracts.assign(team_id=contracts["team_id"].where(contracts["player_id"] != 10, 4))
    rookie = pd.DataFrame({"player_id": [99], "player_name": ["New Comer"], "team_id": [1]})
    moved = upcoming_rows(player_games(), schedule(), pd.concat([traded, rookie])).set_index("player_id")
    assert moved.loc[10, ["team_id", "game_id", "opponent_team_id"]].tolist() == [4, LATE, 3]
    assert pd.isna(moved.loc[99, "last_played"])


def test_without_a_roster_a_player_who_has_not_played_for_a_month_is_not_expected():
    games = player_games(days=20)
    gone = games[~((games["player_id"] == 14) & (games["game_date"] > games["game_date"].min()))]
    assert 14 not in set(upcoming_rows(gone, schedule())["player_id"])


def test_games_of_the_day_itself_and_later_decide_nothing():
    games = player_games()
    later = games[games["game_date"] == games["game_date"].max()].assign(
        game_date=pd.Timestamp(DAY), team_id=7, game_id="0022499999"
    )
    pd.testing.assert_frame_equal(
        upcoming_rows(pd.concat([games, later], ignore_index=True), schedule()), upcoming_rows(games, schedule())
    )


def test_a_team_that_is_unknown_or_plays_twice_is_an_error():
    with pytest.raises(PipelineError, match="team 9"):
        upcoming_rows(player_games(), schedule(AWAY_TEAM_ID=[9, 4]))
    with pytest.raises(PipelineError, match="twice"):
        upcoming_rows(player_games(), schedule(AWAY_TEAM_ID=[2, 2]))


def test_the_rows_are_what_build_features_takes():
    known = player_games()
    players = known[["player_id", "player_name"]].drop_duplicates()
    details = {"position": "G", "height_in": 78.0, "weight_lb": 210.0, "birthdate": pd.Timestamp("1999-01-01")}
    table = rows(statuses("2024-11-05 16:00", p10="Out"))
    games = schedule()[["game_id", "tipoff_utc"]]
    features = build_features(known, games, players.assign(**details), table.assign(out=table["status"] == "Out"))
    tonight = features[features["game_id"].isin([EARLY, LATE])]
    assert set(tonight["player_id"]) == set(table["player_id"]) - {10}


def test_without_a_report_every_status_is_unknown_and_every_game_pregame():
    assert set(rows()["status"]) == {"Unknown"}
    assert level(None) == {EARLY: "pregame", LATE: "pregame"}


def test_the_newest_status_counts_and_what_is_published_later_does_not():
    reports = pd.concat(
        [
            statuses("2024-11-05 15:00", p10="Questionable"),
            statuses("2024-11-05 16:00", p10="Out"),
            statuses("2024-11-05 18:00", p10="Available"),
        ]
    )
    table = rows(reports).set_index("player_id")
    assert table.loc[10, "status"] == "Out"
    # His team has reported, so that those it does not name are available; the other teams have not.
    assert table.loc[11, "status"] == "Available"
    assert table.loc[20, "status"] == "Unknown"


def test_an_old_status_counts_for_the_player_and_says_nothing_of_his_mates():
    table = rows(statuses("2024-11-04 10:00", p10="Out")).set_index("player_id")
    assert (table.loc[10, "status"], table.loc[11, "status"]) == ("Out", "Unknown")


def test_a_transaction_of_which_only_the_day_is_known_is_no_report_of_the_team():
    named = statuses("2024-11-05 16:00", p10="Out", p20="Out").assign(precision="day")
    table = rows(named).set_index("player_id")
    assert (table.loc[10, "status"], table.loc[11, "status"]) == ("Out", "Unknown")
    assert level(named)[EARLY] == "pregame"
    assert level(named.assign(precision="minute"))[EARLY] == "tipoff"


def test_a_fresh_report_of_both_teams_makes_a_tip_off_forecast():
    named = statuses("2024-11-05 16:00", p10="Out", p23="Available")
    assert level(named) == {EARLY: "tipoff", LATE: "pregame"}


def test_a_team_that_reported_that_nobody_is_hurt_has_reported():
    named = statuses("2024-11-05 16:00", p10="Out")
    reported = pd.DataFrame({"team_id": [1, 2], "reported_at": pd.to_datetime(["2024-11-05 16:00"] * 2, utc=True)})
    assert level(named) == {EARLY: "pregame", LATE: "pregame"}
    assert level(named, reported) == {EARLY: "tipoff", LATE: "pregame"}


@pytest.mark.parametrize("status", ["Questionable", "Doubtful"])
def test_an_undecided_rotation_player_leaves_it_open_who_is_out_and_a_bench_player_does_not(status):
    assert level(statuses("2024-11-05 16:00", **{**EVERY_TEAM, "p10": status}))[EARLY] == "pregame"
    assert level(statuses("2024-11-05 16:00", **{**EVERY_TEAM, "p14": status}))[EARLY] == "tipoff"


def test_an_old_report_names_who_is_out_but_makes_no_tip_off_forecast():
    old = statuses("2024-11-05 13:00", **{**EVERY_TEAM, "p10": "Out"})
    assert rows(old).set_index("player_id").loc[10, "status"] == "Out"
    assert level(old) == {EARLY: "pregame", LATE: "pregame"}


def test_levels_are_those_of_the_vocabulary():
    assert set(levels(rows(), ROTATION, NOON).values()) <= set(InformationLevel)


def test_a_game_is_ahead_until_its_tip_off():
    games = schedule()
    for moment, ahead in ((TIPOFF[EARLY] - pd.Timedelta(seconds=1), [True, True]), (TIPOFF[EARLY], [False, True])):
        assert still_ahead(games, moment.to_pydatetime()).tolist() == ahead


@pytest.mark.parametrize("status", ["live", "final", "postponed", "cancelled"])
def test_a_game_that_is_not_scheduled_any_more_is_not_ahead_whatever_the_clock_says(status):
    assert still_ahead(schedule(STATUS=[status, "scheduled"]), NOON).tolist() == [False, True]


def test_an_unknown_tip_off_counts_as_noon_eastern_also_when_the_clocks_change():
    games = schedule(TIPOFF_UTC=[pd.NaT, TIPOFF[LATE]])
    moments = begins(games).set_axis(games["game_id"])
    assert moments[EARLY] == pd.Timestamp("2024-11-05 17:00", tz="UTC")
    summer = schedule(TIPOFF_UTC=[pd.NaT, pd.NaT], GAME_DATE=["2024-10-29"] * 2)
    assert begins(summer).iloc[0] == pd.Timestamp("2024-10-29 16:00", tz="UTC")


def test_the_next_game_day_passes_over_days_that_are_called_off():
    later = schedule(GAME_DATE=["2024-11-06", "2024-11-08"], STATUS=["postponed", "scheduled"])
    assert str(next_game_day(later, DAY)) == "2024-11-08"
    assert next_game_day(later, pd.Timestamp("2024-11-08").date()) is None
    assert games_of(later, pd.Timestamp("2024-11-06").date())["game_id"].tolist() == [EARLY]


def test_after_midnight_utc_it_is_still_the_same_evening_in_the_east():
    assert eastern_day(TIPOFF[LATE].to_pydatetime()) == DAY


def test_a_schedule_that_names_no_status_is_all_scheduled():
    rows_ = pd.DataFrame(
        {
            "GAME_ID": [EARLY],
            "GAME_DATE": ["2024-11-05"],
            "TIPOFF_UTC": [None],
            "HOME_TEAM_ID": [1],
            "AWAY_TEAM_ID": [2],
        }
    )
    assert from_schedule(rows_, "2024-25")["status"].tolist() == ["scheduled"]
