"""Probabilities, pushes, fair prices and expected values of a night's lines."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from statmuse_pipeline.betting.odds import american_to_decimal
from statmuse_pipeline.combinations import Quotable, combine
from statmuse_pipeline.domain import InformationLevel, Stat
from statmuse_pipeline.modeling.joint import JointModel
from statmuse_pipeline.slate.lines import average_lines, price_lines, tonights_quotes
from statmuse_pipeline.slate.market import add_market, no_weights, with_actuals
from statmuse_pipeline_tests.slate.made_up import EARLY, LATE, NOON, forecasts, player_games, quotes, schedule

MEANS = {(EARLY, 10): 20.0, (EARLY, 11): 4.0, (LATE, 30): 12.0}
prices = st.one_of(st.integers(-1000, -100), st.integers(100, 1000)).map(float)
nothing = {"p_consensus": np.nan, "books": 0, "p_over_final": np.nan, "hygiene": ""}


def priced(*rows: dict[str, object], made=None, now: dt.datetime = NOON) -> pd.DataFrame:
    made = made or forecasts(MEANS)
    return price_lines(made, quotes(*rows).drop(columns="level").assign(**nothing), no_averages(), now)


def no_averages() -> pd.DataFrame:
    return pd.DataFrame({"game_id": [], "player_id": [], "stat": [], "line": [], "line_source": []}).astype(
        {"game_id": "str", "player_id": "int64", "stat": "str"}
    )


def season_rows(season: float = 20.7, long_run: float = 18.2) -> pd.DataFrame:
    keys = pd.DataFrame(list(MEANS), columns=["game_id", "player_id"])
    averages = {f"{s.column}_season": season for s in Stat} | {f"{s.column}_ewm_03": long_run for s in Stat}
    return keys.assign(**averages)


@given(mean=st.floats(0.2, 45), line=st.integers(0, 120).map(lambda n: n / 2), over=prices, under=prices)
@settings(max_examples=30, deadline=None)
def test_over_push_and_under_share_out_everything_and_ev_follows_from_them(mean, line, over, under):
    row = priced({"line": line, "over_price": over, "under_price": under}, made=forecasts({(EARLY, 10): mean})).iloc[0]
    assert row["p_over"] + row["p_push"] + row["p_under"] == pytest.approx(1, abs=1e-9)
    assert (row["p_push"] == 0) == (line % 1 != 0) or row["p_push"] < 1e-6
    for side, price in (("over", over), ("under", under)):
        won, lost = row[f"p_{side}"], 1 - row[f"p_{side}"] - row["p_push"]
        assert row[f"ev_{side}"] == pytest.approx(won * (american_to_decimal(price) - 1) - lost, abs=1e-9)
        assert -1 <= row[f"ev_{side}"] <= american_to_decimal(price) - 1


@given(mean=st.floats(1, 40), line=st.integers(1, 80).map(lambda n: n / 2), margin=st.integers(1, 200))
@settings(max_examples=30, deadline=None)
def test_a_bet_at_the_fair_price_is_worth_nothing_and_one_at_a_worse_price_less(mean, line, margin):
    made = forecasts({(EARLY, 10): mean})
    fair = priced({"line": line}, made=made).iloc[0]
    if not 0.01 < fair["p_over"] / (1 - fair["p_push"]) < 0.99:
        return
    at = priced({"line": line, "over_price": fair["fair_over"], "under_price": fair["fair_under"]}, made=made).iloc[0]
    assert at["ev_over"] == pytest.approx(0, abs=1e-9)
    assert at["ev_under"] == pytest.approx(0, abs=1e-9)
    # Both sides can't be worth something at prices that no margin was taken off.
    both = priced({"line": line, "over_price": -110.0 - margin, "under_price": -110.0}, made=made).iloc[0]
    assert min(both["ev_over"], both["ev_under"]) < 0


@given(lines=st.lists(st.integers(0, 90).map(lambda n: n / 2), min_size=2, max_size=6, unique=True))
@settings(max_examples=30, deadline=None)
def test_a_higher_line_is_never_likelier_to_be_beaten(lines):
    table = priced(*({"line": line} for line in lines)).sort_values("line")
    assert (table["p_over"].diff().dropna() <= 1e-9).all()
    assert (table["p_under"].diff().dropna() >= -1e-9).all()


def test_a_whole_line_may_push_and_a_half_line_may_not():
    table = priced({"line": 20.0}, {"line": 20.5}).set_index("line")
    assert 0.02 < table.loc[20.0, "p_push"] < 0.2
    assert table.loc[20.5, "p_push"] == 0
    assert table.loc[20.0, "p_over"] == pytest.approx(table.loc[20.5, "p_over"])


def test_a_side_without_a_price_has_no_expected_value_and_the_other_has():
    row = priced({"under_price": np.nan}).iloc[0]
    assert np.isnan(row["ev_under"])
    assert np.isfinite(row["ev_over"])


def test_a_quoted_sum_is_priced_next_to_its_parts_and_has_no_average_line():
    made = forecasts(MEANS, (Stat.PTS, Stat.REB))
    joint = JointModel({Stat.PTS: 0.5, Stat.REB: 0.6, Stat.AST: 0.4})
    both = Quotable(made, combine(made, dict.fromkeys(InformationLevel, joint)))
    asked = quotes({"stat": "PTS+REB", "line": 30.0}, {"stat": "REB", "line": 12.5}, {"stat": "PTS+AST"})
    table = price_lines(both, asked.drop(columns="level").assign(**nothing), average_lines(made, season_rows()), NOON)
    own = table[table["player_id"] == 10]
    # What can't be forecast, here the sum with assists, is no line; the parts come before their sum.
    assert own["stat"].tolist() == ["PTS", "REB", "PTS+REB"]
    row = own.iloc[-1]
    parts = made.select(players=[10]).distributions
    assert row["p_over"] == pytest.approx(joint.over(parts, (Stat.PTS, Stat.REB), 30.0)[0])
    assert row["p_over"] + row["p_push"] + row["p_under"] == pytest.approx(1)
    assert row["p_push"] > 0.01
    assert row["ev_over"] == pytest.approx(row["p_over"] * (american_to_decimal(-110) - 1) - row["p_under"])
    assert set(table.loc[table["line_source"] != "quote", "stat"]) == {"PTS", "REB"}


def test_what_nobody_quotes_gets_the_season_line_and_is_labelled_so():
    made = forecasts(MEANS, (Stat.PTS, Stat.REB))
    quoted = quotes({"player_id": 10}).drop(columns="level").assign(**nothing)
    table = price_lines(made, quoted, average_lines(made, season_rows()), NOON)
    keys = set(zip(table["player_id"], table["stat"], table["line_source"], table["line"], strict=True))
    assert (10, "PTS", "quote", 10.5) in keys
    assert (10, "REB", "season average", 20.5) in keys
    assert (11, "PTS", "season average", 20.5) in keys
    assert table.loc[table["line_source"] != "quote", ["over_price", "ev_over", "ev_under"]].isna().all().all()
    assert len(table) == 6


def test_before_a_seasons_first_game_the_long_run_average_stands_in():
    lines = average_lines(forecasts(MEANS), season_rows(season=np.nan))
    assert set(lines["line_source"]) == {"long-run average"}
    assert set(lines["line"]) == {18.5}
    assert average_lines(forecasts(MEANS), season_rows(np.nan, np.nan)).empty


def test_quotes_of_players_without_a_forecast_are_left_out():
    assert priced({"player_id": 77}).empty


def test_the_newest_quote_of_a_book_and_line_counts_and_the_future_does_not():
    early, late = pd.Timestamp(NOON) - pd.Timedelta(hours=2), pd.Timestamp(NOON) + pd.Timedelta(minutes=1)
    table = tonights_quotes(
        quotes(
            {"captured_at": early, "over_price": -130.0},
            {"over_price": -120.0},
            {"captured_at": late, "over_price": +500.0},
            {"line": 11.5, "captured_at": early},
            {"bookmaker": "other", "captured_at": early},
            {"captured_at": pd.NaT, "bookmaker": "undated"},
            {"game_id": "0022499999"},
        ),
        schedule(),
        NOON,
    )
    assert table[["bookmaker", "line", "over_price"]].to_numpy().tolist() == [
        ["book", 10.5, -120.0], ["other", 10.5, -110.0], ["book", 11.5, -110.0],
    ]  # fmt: skip


def test_an_old_quote_is_shown_and_flagged():
    table = priced({}, {"bookmaker": "slow", "captured_at": pd.Timestamp(NOON) - pd.Timedelta(hours=13)})
    assert table.set_index("bookmaker")["flags"].to_dict() == {"book": "", "slow": "old quote"}


def earlier_quotes(days: int = 40, players: int = 20) -> pd.DataFrame:
    rng = np.random.default_rng(3)
    rows = [
        {
            "game_id": f"00223{day:03d}{player:02d}", "game_date": pd.Timestamp("2024-09-20") + pd.Timedelta(days=day),
            "player_id": player, "bookmaker": book, "quote_set": "odds_api",
            "captured_at": pd.Timestamp("2024-09-20 16:00", tz="UTC") + pd.Timedelta(days=day),
            "tipoff_utc": pd.Timestamp("2024-09-20 23:00", tz="UTC") + pd.Timedelta(days=day),
        }
        for day in range(days)
        for player in range(players)
        for book in ("book", "other")
    ]  # fmt: skip
    frame = quotes(*rows)
    points = pd.Series(rng.integers(0, 22, len(frame)), index=frame.index)
    return frame.assign(actual=points.groupby([frame["game_id"], frame["player_id"]]).transform("first").astype(float))


def tonight(*rows: dict[str, object]) -> pd.DataFrame:
    return quotes(*rows).assign(p_over=0.62, p_push=0.0)


def test_without_weights_the_books_consensus_is_served_alone():
    seen = add_market(
        tonight({}, {"bookmaker": "other", "over_price": -150.0, "under_price": 130.0}), earlier_quotes(), no_weights()
    )
    assert seen["books"].tolist() == [2, 2]
    both = (0.5 + (1 / (1 + 100 / 150)) / (1 / (1 + 100 / 150) + 1 / 2.3)) / 2
    assert seen["p_consensus"].tolist() == pytest.approx([both, both])
    assert seen["p_over_final"].tolist() == pytest.approx([both, both])


def test_with_weights_of_an_earlier_week_our_forecast_is_blended_in():
    weights = pd.DataFrame(
        {
            "kind": ["odds_api"] * 2, "stat": ["PTS"] * 2, "late": [False] * 2,
            "week": pd.to_datetime(["2024-10-21", "2024-11-11"]), "markets": [2000] * 2,
            "intercept": [0.0] * 2, "consensus": [1.0] * 2, "ours": [0.5, 9.0],
        }
    )  # fmt: skip
    seen = add_market(tonight({}), earlier_quotes(), weights)
    # The fit of a week to come is not known yet.
    blended = 1 / (1 + np.exp(-0.5 * np.log(0.62 / 0.38)))
    assert seen["p_over_final"].tolist() == pytest.approx([blended])


def test_a_book_without_a_record_is_on_probation_and_one_with_a_bad_price_is_not_believed():
    seen = add_market(
        tonight({"bookmaker": "new"}, {"bookmaker": "odd", "under_price": 50.0}), earlier_quotes(), no_weights()
    )
    assert seen["hygiene"].tolist() == ["book on probation", "impossible price"]
    assert seen["books"].tolist() == [1, 1]


def test_a_night_without_quotes_has_an_empty_market():
    seen = add_market(tonight(), earlier_quotes(), no_weights())
    assert seen.empty
    assert {"p_consensus", "books", "p_over_final", "hygiene"} <= set(seen.columns)


def test_actuals_are_those_of_the_stat_that_was_quoted():
    games = player_games()
    row = games.iloc[7]
    asked = quotes(
        *(
            {"game_id": row["game_id"], "player_id": row["player_id"], "stat": stat}
            for stat in ("PTS", "PRA", "FG3M", "PTS+AST")
        )
    )
    assert with_actuals(asked, games)["actual"].tolist() == [
        row["pts"],
        row["pra"],
        row["fg3m"],
        row["pts"] + row["ast"],
    ]
    assert with_actuals(quotes({"game_id": "0022499999"}), games).empty
