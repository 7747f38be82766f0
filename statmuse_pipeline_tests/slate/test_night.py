"""One night as a whole: what is accepted when, how old its inputs are, and how its players are flagged."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pandas as pd
import pytest

from statmuse_pipeline.domain import InformationLevel, PipelineError
from statmuse_pipeline.slate.inputs import InputTimes, input_ages
from statmuse_pipeline.slate.lines import price_lines
from statmuse_pipeline.slate.night import Slate, accepted, in_time
from statmuse_pipeline.slate.players import slate_players
from statmuse_pipeline.slate.roster import upcoming_rows, with_statuses
from statmuse_pipeline_tests.slate.made_up import (
    DAY,
    EARLY,
    LATE,
    NOON,
    TIPOFF,
    forecasts,
    player_games,
    quotes,
    schedule,
    statuses,
)
from statmuse_pipeline_tests.slate.test_lines import no_averages, nothing

BETWEEN = dt.datetime(2024, 11, 6, 1, 0, tzinfo=dt.UTC)
BY_GAME = {EARLY: (10, 11, 20), LATE: (30, 31, 40)}
LEVELS = dict.fromkeys(BY_GAME, InformationLevel.PREGAME)


def a_night(mean: float, now: dt.datetime, games: tuple[str, ...] = (EARLY, LATE), **changes: object) -> Slate:
    rows = with_statuses(upcoming_rows(player_games(), schedule()), None, now)
    rows = rows[rows["game_id"].isin(games)].reset_index(drop=True)
    made = forecasts({(game, player): mean for game in games for player in BY_GAME[game]})
    features = rows[["player_id"]].assign(games_before=30.0)
    never = pd.Series(dtype="datetime64[ns, UTC]")
    players = slate_players(rows, features, made, LEVELS, never, inputs(), now)
    asked = [{"game_id": game, "player_id": BY_GAME[game][0]} for game in games]
    lines = price_lines(made, quotes(*asked).drop(columns="level").assign(**nothing), no_averages(), now)
    return Slate(schedule(**changes), players, lines, inputs(), made)


def inputs(now: dt.datetime = NOON, **times: object) -> pd.DataFrame:
    yesterday = pd.Timestamp("2024-11-04")
    usual = {
        "newest_game": yesterday, "newest_features": yesterday, "newest_learned": pd.Timestamp("2024-11-01"),
        "models_recorded": pd.Timestamp("2024-11-04 10:00", tz="UTC"), "has_models": True,
        "newest_report": pd.Timestamp("2024-11-05 16:00", tz="UTC"),
        "newest_quote": pd.Timestamp("2024-11-05 15:00", tz="UTC"),
    }  # fmt: skip
    played = schedule(GAME_DATE=["2024-11-04"] * 2, GAME_ID=["0022400001", "0022400002"])
    return input_ages(InputTimes(**{**usual, **times}), pd.concat([played, schedule()]), DAY, now)  # type: ignore[arg-type]


def mean_of(slate: Slate, game: str) -> float:
    assert slate.forecasts is not None
    return float(slate.forecasts.select(games=[game]).frame["mean"].iloc[0])


def test_a_forecast_that_comes_after_tip_off_is_not_taken():
    kept = accepted(None, a_night(20.0, BETWEEN), BETWEEN)
    assert kept.counts() == {LATE: 3}
    assert set(kept.players["game_id"]) == set(kept.lines["game_id"]) == {LATE}
    assert len(kept.games) == 2


def test_a_later_slate_renews_the_games_ahead_and_leaves_those_that_have_begun():
    first = accepted(None, a_night(20.0, NOON), NOON)
    second = accepted(first, a_night(25.0, BETWEEN), BETWEEN)
    assert mean_of(second, EARLY) == mean_of(first, EARLY) == 20.0
    assert mean_of(second, LATE) == 25.0
    made = second.players.groupby("game_id")["made_at"].first()
    assert made.to_dict() == {EARLY: pd.Timestamp(NOON), LATE: pd.Timestamp(BETWEEN)}
    assert second.counts() == {EARLY: 3, LATE: 3}


def test_a_slate_made_of_the_games_ahead_alone_keeps_the_earlier_ones_too():
    first = accepted(None, a_night(20.0, NOON), NOON)
    second = accepted(first, a_night(25.0, BETWEEN, games=(LATE,)), BETWEEN)
    assert (mean_of(second, EARLY), mean_of(second, LATE)) == (20.0, 25.0)


def test_a_game_that_is_live_already_takes_no_forecast_whatever_its_tip_off_says():
    kept = accepted(None, a_night(20.0, NOON, STATUS=["live", "scheduled"]), NOON)
    assert kept.counts() == {LATE: 3}


def test_a_night_is_stored_and_read_back_unchanged(tmp_path):
    before = a_night(20.0, NOON)
    before.save(tmp_path)
    after = Slate.load(tmp_path)
    for name in ("games", "players", "lines", "inputs"):
        pd.testing.assert_frame_equal(getattr(before, name), getattr(after, name))
    assert before.forecasts is not None
    assert after.forecasts is not None
    pd.testing.assert_frame_equal(before.forecasts.frame, after.forecasts.frame)
    (tmp_path / "lines.parquet").unlink()
    with pytest.raises(PipelineError, match="delete"):
        Slate.load(tmp_path)


def played(**tipoffs: object) -> pd.DataFrame:
    return schedule().assign(**tipoffs)


def test_grading_takes_only_what_was_made_before_the_ball_went_up():
    night = a_night(20.0, BETWEEN)
    # Both games were forecast between the two tip-offs: only the later one counts.
    assert in_time(night, played()).counts() == {LATE: 3}
    assert in_time(a_night(20.0, NOON), played()).counts() == {EARLY: 3, LATE: 3}
    # A tip-off that turns out to have been earlier than planned counts; one that is unknown is taken as noon.
    moved = played(tipoff_utc=[pd.Timestamp("2024-11-05 16:00", tz="UTC"), TIPOFF[LATE]])
    assert in_time(a_night(20.0, NOON), moved).counts() == {LATE: 3}


def test_only_games_that_were_played_are_graded():
    assert in_time(a_night(20.0, NOON), played().iloc[:1]).counts() == {EARLY: 3}


def stale(table: pd.DataFrame) -> set[str]:
    return set(table.loc[table["stale"], "input"])


def test_current_inputs_have_their_age_and_are_not_stale():
    table = inputs()
    assert stale(table) == set()
    ages = table.set_index("input")["age_hours"]
    assert ages["games"] == 7.0  # the night of 4 November ended at 5 am Eastern, 10:00 UTC
    assert ages["injuries"] == 1.0
    assert ages["quotes"] == 2.0


@pytest.mark.parametrize(
    ("times", "which"),
    [
        ({"newest_game": pd.Timestamp("2024-11-03"), "newest_features": pd.Timestamp("2024-11-03")}, {"games"}),
        ({"newest_features": pd.Timestamp("2024-11-03")}, {"features"}),
        ({"newest_learned": pd.Timestamp("2024-10-26")}, {"pooled models"}),
        ({"models_recorded": pd.Timestamp("2024-10-27 09:00", tz="UTC")}, {"player models"}),
        ({"models_recorded": None}, {"player models"}),
        ({"newest_report": pd.Timestamp("2024-11-05 13:00", tz="UTC")}, {"injuries"}),
        ({"newest_report": pd.NaT}, {"injuries"}),
        ({"newest_quote": pd.Timestamp("2024-11-05 04:00", tz="UTC")}, {"quotes"}),
        ({"newest_quote": None, "newest_report": None}, {"quotes", "injuries"}),
    ],
)
def test_a_stale_input_is_named(times, which):
    table = inputs(**times)
    assert stale(table) == which
    assert (table.loc[table["stale"], "note"] != "").all()


def test_a_break_without_games_makes_nothing_stale():
    later = dt.date(2024, 11, 12)
    table = input_ages(
        InputTimes(*[pd.Timestamp("2024-11-05")] * 3, pd.Timestamp("2024-11-05 10:00", tz="UTC")),
        schedule(),
        later,
        NOON + dt.timedelta(days=7),
    )
    assert not stale(table) & {"games", "features", "pooled models", "player models"}


def test_a_postponed_game_is_not_missed_among_the_games_loaded():
    off = schedule(GAME_DATE=["2024-11-04"] * 2, STATUS=["postponed", "cancelled"])
    table = input_ages(InputTimes(*[pd.Timestamp("2024-11-03")] * 3), off, DAY, NOON)
    assert "games" not in stale(table)


def flags(injuries: pd.DataFrame | None = None, **changes: object) -> dict[int, str]:
    rows = with_statuses(upcoming_rows(player_games(), schedule()), injuries, NOON)
    options: dict[str, object] = {
        "made": forecasts({(EARLY, 10): 20.0, (EARLY, 11): 9.0}),
        "recorded": pd.Series(pd.Timestamp("2024-11-04 12:00", tz="UTC"), index=[10, 11]),
        "features": rows[["player_id"]].assign(games_before=30.0),
        "inputs": inputs(),
        **changes,
    }
    made = options["made"]
    table = slate_players(
        rows,
        options["features"],
        made,
        LEVELS,
        options["recorded"],
        options["inputs"],
        NOON,  # type: ignore[arg-type]
    )
    return dict(zip(table["player_id"], table["flags"], strict=True))


def served_by(model: str):
    made = forecasts({(EARLY, 10): 20.0, (EARLY, 11): 9.0})
    return type(made)(made.frame.assign(model=model), made.distributions)


ALL_WELL = statuses("2024-11-05 16:00", p10="Available", p11="Available")


def test_a_player_of_whom_everything_is_known_has_no_flag():
    assert flags(ALL_WELL, made=served_by("player"))[10] == ""


def test_an_unknown_status_and_a_missing_model_are_shown():
    assert flags()[10] == "status unknown; no own model"


def test_a_player_who_is_out_is_listed_as_such_and_nothing_else():
    assert flags(statuses("2024-11-05 16:00", p10="Out"))[10] == "out"


def test_doubt_old_reports_old_models_and_few_games_are_shown():
    told = flags(
        statuses("2024-11-05 13:00", p10="Questionable", p11="Probable"),
        made=served_by("player"),
        recorded=pd.Series(pd.Timestamp("2024-10-20", tz="UTC"), index=[10, 11]),
        features=pd.DataFrame({"player_id": [10, 11], "games_before": [4.0, 80.0]}),
    )
    assert told[10] == "questionable; old injury report; own model is old; few earlier games"
    assert told[11] == "old injury report; own model is old"
    # Of the others there is no forecast, and that is said too.
    assert "no forecast" in told[12]


def test_stale_inputs_that_touch_every_forecast_are_shown_at_every_player():
    table = inputs(newest_game=pd.Timestamp("2024-11-03"), newest_quote=None)
    assert flags(ALL_WELL, made=served_by("player"), inputs=table)[10] == "stale games"


def test_a_player_who_has_not_played_for_long_is_marked():
    games = player_games(days=30)
    gone = games[(games["player_id"] != 10) | (games["game_date"] < "2024-09-20")]
    rosters = games[["player_id", "player_name", "team_id"]].drop_duplicates()
    rows = with_statuses(upcoming_rows(gone, schedule(), rosters), ALL_WELL, NOON)
    made = forecasts({(EARLY, 10): 20.0})
    never = pd.Series(dtype="datetime64[ns, UTC]")
    table = slate_players(rows, rows.assign(games_before=30.0), made, LEVELS, never, inputs(), NOON)
    told = table.set_index("player_id")["flags"]
    assert told[10] == "no own model; last played 2024-09-18"
    assert np.all(table["made_at"] == pd.Timestamp(NOON))
