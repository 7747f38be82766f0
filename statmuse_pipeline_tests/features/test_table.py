"""The table as a whole: catalog, order, types, slates, errors."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from statmuse_pipeline.contracts import FEATURE_KEYS, TARGETS
from statmuse_pipeline.domain import InformationLevel, PipelineError, Stat
from statmuse_pipeline.features.minutes import add_minutes_forecasts
from statmuse_pipeline.features.table import build_features, columns_at, feature_catalog
from statmuse_pipeline_tests.features.leagues import DAY, League


@pytest.fixture(scope="module")
def table(small_league: League) -> pd.DataFrame:
    return add_minutes_forecasts(build_features(*small_league), seed=3)


@pytest.fixture
def slate(small_league: League) -> tuple[League, pd.DataFrame]:
    """The league before DAY, and the players of DAY's games as still to be played."""
    rows = small_league.player_games
    today = rows.loc[rows["game_date"] == DAY, [*FEATURE_KEYS, "is_home"]].reset_index(drop=True)
    return small_league._replace(player_games=rows[rows["game_date"] < DAY]), today


def test_every_column_is_in_the_catalog_with_its_level(table: pd.DataFrame) -> None:
    catalog = feature_catalog()
    assert list(catalog.columns) == ["name", "level", "group", "description"]
    assert catalog["name"].is_unique
    assert set(catalog["name"]) == set(table.columns) - set(FEATURE_KEYS) - set(TARGETS)
    assert set(catalog["level"]) == {"pregame", "tipoff"}
    assert (catalog["description"].str.len() > 5).all()


def test_a_pregame_forecast_cannot_touch_a_tipoff_column() -> None:
    pregame, tipoff = columns_at(InformationLevel.PREGAME), columns_at(InformationLevel.TIPOFF)
    assert not [name for name in pregame if name.startswith("tip_")]
    assert set(tipoff) - set(pregame) == {name for name in tipoff if name.startswith("tip_")} != set()


def test_every_stat_has_every_kind_of_running_figure(table: pd.DataFrame) -> None:
    kinds = ("mean_3", "mean_5", "mean_10", "mean_20", "ewm_10", "ewm_03", "wma_10", "median_10", "min_10", "max_10",
             "std_10", "slope_10", "momentum_5", "season")  # fmt: skip
    for s in (*(stat.column for stat in Stat), "min", "fga", "fta", "tov"):
        assert {f"{s}_{kind}" for kind in kinds} <= set(table.columns)
    for stat in Stat:
        assert {f"opp_{stat.column}_{kind}" for kind in ("allowed_20", "allowed_pos_20", "resid_pos_20")} <= set(table)


def test_one_row_a_player_game_in_order_with_compact_types(small_league: League, table: pd.DataFrame) -> None:
    rows = small_league.player_games
    pd.testing.assert_frame_equal(table[["game_id", "player_id", *TARGETS]], rows[["game_id", "player_id", *TARGETS]])
    assert table[["game_date", "game_id", "player_id"]].apply(tuple, axis=1).is_monotonic_increasing
    assert {str(table[name].dtype) for name in TARGETS} == {"int64"}
    assert {str(table[name].dtype) for name in feature_catalog()["name"]} == {"float32"}


def test_the_same_rows_in_any_order_give_the_same_bytes(small_league: League, table: pd.DataFrame) -> None:
    mixed = League(*(frame.sample(frac=1, random_state=2) for frame in small_league))
    again = add_minutes_forecasts(build_features(*mixed), seed=3)
    for name in table.columns:
        assert again[name].to_numpy().tobytes() == table[name].to_numpy().tobytes() or again[name].equals(table[name])
    assert list(again.columns) == list(table.columns)


def test_what_is_not_known_is_missing_and_never_zero(small_league: League, table: pd.DataFrame) -> None:
    first = table[table["games_before"] == 0]
    assert len(first) >= 100
    assert first[["pts_mean_5", "pts_ewm_10", "rest_days", "pts_season", "pts_per_min_03"]].isna().all(axis=None)
    unknown = small_league.players.loc[small_league.players["position"].isna(), "player_id"]
    assert table.loc[table["player_id"].isin(unknown), ["position_g", "position_f", "position_c"]].isna().all(axis=None)
    opening = table[table["game_date"] == table["game_date"].min()]
    assert (
        opening[["opp_pts_allowed_20", "opp_pts_resid_pos_20", "opp_def_rank_20", "team_pace_20"]].isna().all(axis=None)
    )


def test_players_known_to_be_out_get_no_row_but_count_for_their_mates(slate: tuple[League, pd.DataFrame]) -> None:
    league, today = slate
    usual = league.player_games.groupby("player_id")["min"].mean()
    star = today.loc[today["player_id"].map(usual).idxmax()]
    everyone = build_features(*league, upcoming=today.assign(out=False))
    without = build_features(*league, upcoming=today.assign(out=today["player_id"] == star["player_id"]))
    assert star["player_id"] not in set(without.loc[without["game_date"] == DAY, "player_id"])
    both = without[without["game_date"] == DAY].merge(everyone, on=["game_id", "player_id"], suffixes=("", "_all"))
    mates = both["team_id"] == star["team_id"]
    assert (both.loc[mates, "tip_out_count"] == both.loc[mates, "tip_out_count_all"] + 1).all()
    assert (both.loc[~mates, "tip_out_count"] == both.loc[~mates, "tip_out_count_all"]).all()


def test_without_news_of_who_is_out_tipoff_columns_of_a_slate_are_missing(slate: tuple[League, pd.DataFrame]) -> None:
    league, today = slate
    rows = build_features(*league, upcoming=today)
    tip = [name for name in columns_at(InformationLevel.TIPOFF) if name.startswith("tip_") and name in rows]
    assert rows.loc[rows["game_date"] == DAY, tip].isna().all(axis=None)
    assert rows.loc[rows["game_date"] == DAY, "pts_ewm_10"].notna().any()


def test_features_of_the_past_are_the_same_with_and_without_a_slate(
    slate: tuple[League, pd.DataFrame], table: pd.DataFrame
) -> None:
    league, today = slate
    rows = build_features(*league, upcoming=today.assign(out=False))
    names = [name for name in rows.columns if name not in TARGETS]
    past = rows.loc[rows["game_date"] < DAY, names]
    pd.testing.assert_frame_equal(past, table.loc[table["game_date"] < DAY, names], check_exact=True)


@pytest.mark.parametrize("told", [False, True])
def test_the_rows_to_be_played_alone_are_those_of_the_whole_table(
    slate: tuple[League, pd.DataFrame], told: bool
) -> None:
    league, today = slate
    asked = today.assign(out=today["player_id"] == today["player_id"].min()) if told else today
    whole = build_features(*league, upcoming=asked)
    alone = build_features(*league, upcoming=asked, only_upcoming=True)
    assert len(alone) == len(today) - told
    pd.testing.assert_frame_equal(alone, whole[whole["min"].isna()].reset_index(drop=True))
    assert build_features(*league, only_upcoming=True).empty


def test_one_season_alone_is_as_in_the_whole_table(small_league: League) -> None:
    first = small_league.games["game_date"].median()
    seasons = small_league.games["season"].mask(small_league.games["game_date"] < first, "2022-23")
    games = small_league.games.assign(season=seasons)
    of = games.set_index("game_id")["season"]
    league = (small_league.player_games.assign(season=small_league.player_games["game_id"].map(of)), games)
    whole = build_features(*league, small_league.players)
    alone = build_features(*league, small_league.players, seasons=["2023-24"])
    assert 0 < len(alone) < len(whole)
    expected = whole[whole["season"] == "2023-24"].reset_index(drop=True)
    pd.testing.assert_frame_equal(alone, expected, check_exact=True)


def test_no_rows_at_all_is_an_error_that_says_what_to_do(small_league: League) -> None:
    with pytest.raises(PipelineError, match="statmuse sync"):
        build_features(small_league.player_games.iloc[:0], small_league.games, small_league.players)


def test_a_player_game_that_stands_twice_is_refused_by_name(small_league: League) -> None:
    rows = small_league.player_games
    twice = pd.concat([rows, rows.iloc[[10]]])
    with pytest.raises(PipelineError, match=f"Player {rows['player_id'].iloc[10]} stands twice"):
        build_features(twice, small_league.games, small_league.players)


def test_a_slate_in_the_past_or_without_its_columns_is_refused(slate: tuple[League, pd.DataFrame]) -> None:
    league, today = slate
    with pytest.raises(PipelineError, match="before the last day"):
        build_features(*league, upcoming=today.assign(game_date=pd.Timestamp("2024-01-01")))
    with pytest.raises(PipelineError, match="opponent_team_id"):
        build_features(*league, upcoming=today.drop(columns="opponent_team_id"))


def test_a_traded_player_is_no_longer_out_for_his_old_team_once_he_played_for_the_new(small_league: League) -> None:
    rows, day = small_league.player_games, pd.Timestamp("2023-12-01")
    usual = rows[rows["game_date"] < day].groupby("player_id")["min"].mean()
    regulars = rows[(rows["game_date"] < day) & (rows["player_id"].map(usual) > 28)]
    star = regulars.iloc[-1]
    new = next(team for team in rows["team_id"].unique() if team not in (star["team_id"], star["opponent_team_id"]))
    from_then = rows["game_date"] > star["game_date"]
    gone = rows[~((rows["player_id"] == star["player_id"]) & from_then)]
    debut = rows[(rows["team_id"] == new) & from_then].iloc[0]
    row = debut.to_frame().T.assign(player_id=star["player_id"], player_name=star["player_name"], min=30)
    moved = pd.concat([gone, row.astype(rows.dtypes)], ignore_index=True)

    def out(frame: pd.DataFrame) -> pd.Series:
        built = build_features(frame, small_league.games, small_league.players)
        mine = built[(built["team_id"] == star["team_id"]) & (built["game_date"] > debut["game_date"])]
        return mine.groupby("game_id")["tip_out_count"].first()

    injured, traded = out(gone), out(moved)
    assert (injured - traded).iloc[0] == 1
    assert np.isin(injured - traded, [0, 1]).all()
