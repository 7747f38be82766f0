"""Advanced metrics: identities that hold in any league, and the official columns of real games."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest

from statmuse_pipeline.contracts import TEAM_GAMES
from statmuse_pipeline.features import advanced, individual_ratings, player_value
from statmuse_pipeline_tests.features.leagues import League, real_season


class Close(NamedTuple):
    """How near to the official column: least correlation, largest mean absolute difference."""

    correlation: float
    difference: float


PLAYER_GAME = {
    "TS_PCT": (advanced.true_shooting, Close(0.9999, 0.0005)),
    "EFG_PCT": (advanced.effective_field_goals, Close(0.9999, 0.0005)),
    "USG_PCT": (advanced.usage, Close(0.99, 0.010)),
    "AST_PCT": (advanced.assist_percentage, Close(0.975, 0.016)),
    "OREB_PCT": (advanced.offensive_rebound_percentage, Close(0.98, 0.009)),
    "DREB_PCT": (advanced.defensive_rebound_percentage, Close(0.97, 0.024)),
    "REB_PCT": (advanced.rebound_percentage, Close(0.98, 0.015)),
    "PIE": (advanced.player_impact, Close(0.98, 0.010)),
    "POSS": (lambda t: advanced.possessions(t) * advanced.on_court_share(t), Close(0.99, 2.3)),
    # On court against whole game: the official pace and ratings of a player are those of the minutes he played.
    "PACE": (advanced.pace, Close(0.78, 3.5)),
    "OFF_RATING": (advanced.team_offensive_rating, Close(0.73, 8.7)),
    "DEF_RATING": (individual_ratings.defensive_rating, Close(0.72, 9.3)),
}
"""Official rebounds are shares of chances that hold team rebounds too, which no player's box score has."""

PLAYER_SEASON = {
    "TS_PCT": (advanced.true_shooting, Close(0.9999, 0.0005)),
    "EFG_PCT": (advanced.effective_field_goals, Close(0.9999, 0.0005)),
    "USG_PCT": (advanced.usage, Close(0.998, 0.0065)),
    "AST_PCT": (advanced.assist_percentage, Close(0.997, 0.005)),
    "OREB_PCT": (advanced.offensive_rebound_percentage, Close(0.998, 0.0065)),
    "DREB_PCT": (advanced.defensive_rebound_percentage, Close(0.997, 0.018)),
    "REB_PCT": (advanced.rebound_percentage, Close(0.998, 0.0125)),
    "PIE": (advanced.player_impact, Close(0.995, 0.003)),
}

TEAM_GAME = {
    "POSS": (advanced.possessions, Close(0.96, 1.7)),
    "PACE": (advanced.pace, Close(0.955, 1.7)),
    "OFF_RATING": (advanced.team_offensive_rating, Close(0.99, 2.0)),
    "DEF_RATING": (advanced.team_defensive_rating, Close(0.99, 2.0)),
    "TS_PCT": (lambda t: advanced.true_shooting(t, "team_"), Close(0.9999, 0.0005)),
    "EFG_PCT": (lambda t: advanced.effective_field_goals(t, "team_"), Close(0.9999, 0.0005)),
}


def _assert_close(ours: np.ndarray, official: pd.Series, limits: Close, rows: int) -> None:
    both = np.isfinite(ours) & official.notna().to_numpy()
    x, y = ours[both], official.to_numpy(float)[both]
    assert len(x) >= rows
    assert np.corrcoef(x, y)[0, 1] >= limits.correlation
    assert np.abs(x - y).mean() <= limits.difference


@pytest.fixture(scope="module")
def playoffs(archive: Path) -> pd.DataFrame:
    """Playoff games of three years with team totals; rows of at least 15 minutes (minutes are rounded)."""
    files = [archive / "playoffs" / f"{season}.parquet" for season in ("2021-22", "2022-23", "2023-24")]
    rows = pd.concat([pd.read_parquet(file) for file in files], ignore_index=True)
    ours = rows.rename(
        columns={name: name.lower() for name in ("GAME_ID", "TEAM_ID", *map(str.upper, advanced.SUMMED))}
    )
    sides = ours.drop_duplicates(["game_id", "team_id"])[["game_id", "team_id"]]
    pairs = sides.merge(sides.rename(columns={"team_id": "opponent_team_id"}), on="game_id")
    pairs = pairs[pairs["team_id"] != pairs["opponent_team_id"]]
    totals = advanced.with_team_totals(ours.merge(pairs, on=["game_id", "team_id"]))
    return totals[totals["min"] >= 15]


@pytest.fixture(scope="module")
def season(archive: Path) -> League:
    return real_season(archive)


@pytest.fixture(scope="module")
def players(season: League) -> pd.DataFrame:
    """Season totals of 2023-24 with everything that is set against the league, by player and team."""
    totals = advanced.season_totals(season.player_games)
    names = season.player_games.groupby("player_id")["player_name"].first()
    return totals.assign(
        player_name=totals["player_id"].map(names),
        per=player_value.efficiency_rating(totals),
        bpm=player_value.box_plus_minus(totals),
        **individual_ratings.win_shares(totals),
    )


@pytest.mark.parametrize("name", PLAYER_GAME)
def test_metrics_of_a_game_are_close_to_the_official_ones(name: str, playoffs: pd.DataFrame) -> None:
    metric, limits = PLAYER_GAME[name]
    _assert_close(metric(playoffs), playoffs[name], limits, rows=3000)


@pytest.mark.parametrize("name", PLAYER_SEASON)
def test_metrics_of_a_season_are_close_to_the_official_ones(name: str, players: pd.DataFrame, archive: Path) -> None:
    official = pd.read_parquet(archive / "player_season_advanced.parquet")
    official = official[official["SEASON"] == "2023-24"]
    one_team = players[~players["player_id"].duplicated(keep=False) & (players["min"] >= 500)]
    both = one_team.merge(official, left_on="player_id", right_on="PLAYER_ID")
    metric, limits = PLAYER_SEASON[name]
    _assert_close(metric(both), both[name], limits, rows=250)


@pytest.mark.parametrize("name", TEAM_GAME)
def test_metrics_of_a_team_game_are_close_to_the_official_ones(name: str, season: League, archive: Path) -> None:
    official = pd.read_parquet(archive / "team_game_logs" / "2023-24.parquet")
    view = advanced.team_view(_team_games(season.player_games))
    both = view.merge(official, left_on=["game_id", "team_id"], right_on=["GAME_ID", "TEAM_ID"])
    metric, limits = TEAM_GAME[name]
    _assert_close(metric(both), both[name], limits, rows=2460)


def _team_games(player_games: pd.DataFrame) -> pd.DataFrame:
    keys = [name for name in TEAM_GAMES.columns if name not in advanced.SUMMED]
    return player_games.groupby(keys, as_index=False)[list(advanced.SUMMED)].sum()


def test_points_produced_and_possessions_of_the_players_add_up_to_the_teams(season: League) -> None:
    totals = advanced.with_team_totals(season.player_games)
    made = individual_ratings.offence(totals)
    totals = totals.assign(produced=made.points, used=made.possessions, whole=advanced.possessions(totals))
    share = totals["min"] / totals["team_min"]
    totals["allowed"] = np.nan_to_num(individual_ratings.defensive_rating(totals)) * share
    totals["team_allowed"] = advanced.team_defensive_rating(totals)
    teams = totals.groupby(["game_id", "team_id"])
    sums, team = teams[["produced", "used", "allowed"]].sum(), teams[["team_pts", "whole", "team_allowed"]].first()
    _assert_close(sums["produced"].to_numpy(), team["team_pts"], Close(0.99, 2.7), rows=2460)
    _assert_close(sums["used"].to_numpy(), team["whole"], Close(0.96, 1.6), rows=2460)
    _assert_close(sums["allowed"].to_numpy(), team["team_allowed"], Close(0.998, 0.6), rows=2460)


def test_win_shares_add_up_to_wins(season: League, players: pd.DataFrame) -> None:
    won = season.player_games.drop_duplicates(["game_id", "team_id"]).groupby("team_id")["won"].sum()
    shares = players.groupby("team_id")["ws"].sum()
    _assert_close(shares.to_numpy(), won.reindex(shares.index), Close(0.975, 2.5), rows=30)
    assert shares.sum() == pytest.approx(1230, abs=20)


def test_values_of_a_season_have_the_leagues_scale_and_know_its_best_players(players: pd.DataFrame) -> None:
    assert np.average(players["per"], weights=players["min"]) == pytest.approx(15)
    regulars = players[players["min"] >= 1000].set_index("player_name")
    # Published by Basketball-Reference for 2023-24: PER 34.1, 31.0 and 29.9; win shares 17.0; box plus/minus 13.2.
    published = {"Joel Embiid": 34.1, "Nikola Jokić": 31.0, "Giannis Antetokounmpo": 29.9}
    assert list(regulars["per"].nlargest(3).index) == list(published)
    for name, per in published.items():
        assert regulars.loc[name, "per"] == pytest.approx(per, abs=0.7)
    assert regulars["ws"].idxmax() == regulars["bpm"].idxmax() == "Nikola Jokić"
    assert regulars.loc["Nikola Jokić", "ws"] == pytest.approx(17.0, abs=0.6)
    assert regulars.loc["Nikola Jokić", "bpm"] == pytest.approx(13.2, abs=1.0)


def test_box_plus_minus_of_a_teams_players_adds_up_to_its_rating(players: pd.DataFrame) -> None:
    net = advanced.team_offensive_rating(players) - advanced.team_defensive_rating(players)
    rows = players.assign(weight=players["min"] / players["team_min"] * players["games"], net=net)
    for _, team in rows.groupby("team_id"):
        mean = 5 * np.average(team["bpm"], weights=team["weight"])
        assert mean == pytest.approx(1.2 * np.average(team["net"], weights=team["weight"]), abs=0.01)


def test_shares_of_what_happened_add_up_to_one_in_any_league(small_league: League) -> None:
    totals = advanced.with_team_totals(small_league.player_games)
    share = advanced.on_court_share(totals)
    used = pd.Series(np.nan_to_num(advanced.usage(totals)) * share)
    skipped = totals["min"] == 0
    by_team = used.groupby([totals["game_id"], totals["team_id"]]).sum()
    whole = ~skipped.groupby([totals["game_id"], totals["team_id"]]).any()
    np.testing.assert_allclose(by_team[whole], 1)
    impact = pd.Series(np.nan_to_num(advanced.player_impact(totals)) * share).groupby(totals["game_id"]).sum()
    np.testing.assert_allclose(impact[~skipped.groupby(totals["game_id"]).any()], 1)


def test_a_game_worked_out_by_hand() -> None:
    box = {"min": 32, "fgm": 8, "fga": 16, "fg3m": 2, "fg3a": 5, "ftm": 6, "fta": 10, "oreb": 2, "dreb": 6, "reb": 8,
           "ast": 5, "stl": 1, "blk": 2, "tov": 3, "pf": 4, "pts": 24}  # fmt: skip
    team = {f"team_{name}": [5 * value if name != "min" else 240] for name, value in box.items()}
    totals = pd.DataFrame({name: [value] for name, value in box.items()} | team)
    assert advanced.true_shooting(totals)[0] == pytest.approx(24 / (2 * (16 + 4.4)))
    assert advanced.effective_field_goals(totals)[0] == pytest.approx(9 / 16)
    assert advanced.usage(totals)[0] == pytest.approx(0.2 / (32 / 48))
    assert advanced.game_score(totals)[0] == pytest.approx(
        24 + 0.4 * 8 - 0.7 * 16 - 0.4 * 4 + 1.4 + 1.8 + 1 + 3.5 + 1.4 - 1.6 - 3
    )
    assert advanced.turnover_percentage(totals)[0] == pytest.approx(3 / 23.4)
    assert advanced.assist_percentage(totals)[0] == pytest.approx(5 / (32 / 48 * 40 - 8))


def test_who_took_no_shot_has_no_shooting_percentage() -> None:
    idle = pd.DataFrame({"pts": [0], "fga": [0], "fta": [0], "fgm": [0], "fg3m": [0], "tov": [0]})
    for metric in (advanced.true_shooting, advanced.effective_field_goals, advanced.turnover_percentage):
        assert np.isnan(metric(idle)).all()
