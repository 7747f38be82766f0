"""Arenas, distances, clocks and the density of the schedule, on real places and a real season."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from statmuse_pipeline.features import rolling, schedule, travel
from statmuse_pipeline.features.arenas import ARENAS, distance_miles, places
from statmuse_pipeline.features.rows import prepare_rows
from statmuse_pipeline_tests.features.leagues import League, made_up_league, real_season

BOSTON, DENVER, LAKERS, PHOENIX, KNICKS, NETS = (
    next(key for key, arena in ARENAS.items() if arena.team == team)
    for team in ("BOS", "DEN", "LAL", "PHX", "NYK", "BKN")
)


def _day(date: str) -> np.ndarray:
    return np.array([date], dtype="datetime64[D]").astype(np.int64)


def _context(league: League) -> pd.DataFrame:
    rows = prepare_rows(league.player_games, league.players, None)
    calendar = schedule.schedule_features(rows, league.games, rolling.player_history(rows))
    found = calendar | travel.travel_features(rows, calendar["tipoff_hour"])
    keys = rows.frame[["game_id", "game_date", "team_id", "is_home", "won"]].rename(columns={"is_home": "home"})
    return pd.concat([keys, pd.DataFrame(found)], axis=1).drop_duplicates(["game_id", "team_id"], ignore_index=True)


@pytest.fixture(scope="module")
def season(archive: Path) -> pd.DataFrame:
    return _context(real_season(archive))


@pytest.mark.parametrize(
    ("here", "there", "miles"), [(BOSTON, LAKERS, 2592), (DENVER, PHOENIX, 585), (KNICKS, NETS, 5)]
)
def test_distances_are_those_of_an_atlas(here: int, there: int, miles: float) -> None:
    day = _day("2024-01-10")
    assert distance_miles(places(np.array([here]), day), places(np.array([there]), day))[0] == pytest.approx(
        miles, rel=0.01, abs=1
    )


def test_arizona_keeps_its_clock_when_the_others_change_theirs() -> None:
    clock = [places(np.array([PHOENIX]), _day(date)).clock[0] for date in ("2024-01-10", "2024-04-10")]
    assert clock == [-2, -3]
    assert places(np.array([DENVER]), _day("2024-04-10")).clock[0] == -2


def test_teams_that_are_none_of_the_nbas_play_nowhere() -> None:
    context = _context(made_up_league())
    assert context[["team_travel_miles", "team_zones_crossed", "arena_altitude_ft"]].isna().all(axis=None)


def test_a_season_takes_every_team_tens_of_thousands_of_miles_and_none_to_its_own_arena(season: pd.DataFrame) -> None:
    miles = season.groupby("team_id")["team_travel_miles"].sum()
    assert miles.between(30_000, 60_000).all()
    season = season.sort_values(["team_id", "game_date"])
    stays = season["home"] & season.groupby("team_id")["home"].shift(1, fill_value=True)
    assert (season.loc[stays, "team_travel_miles"] == 0).all()
    assert (season["team_travel_miles_7_days"] >= season["team_travel_miles"] - 0.5).all()
    home = season[season["home"]]
    assert (home["team_altitude_gain_ft"] == 0).all()


def test_density_counts_games_of_the_nights_before_and_stakes_the_games_before(season: pd.DataFrame) -> None:
    for _, team in season.groupby("team_id"):
        day = team["game_date"].to_numpy()
        for nights in (4, 6):
            since = day[:, None] - np.timedelta64(nights - 1, "D")
            counted = ((day[None, :] >= since) & (day[None, :] <= day[:, None])).sum(axis=1)
            np.testing.assert_array_equal(team[f"team_games_in_{nights}_nights"], counted)
        np.testing.assert_allclose(team["team_win_pct"], team["won"].astype(float).expanding().mean().shift(1))
        np.testing.assert_array_equal(team["team_games_left"], 82 - np.arange(82))
