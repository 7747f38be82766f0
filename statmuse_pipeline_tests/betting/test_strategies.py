"""Which offers the strategies take."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from statmuse_pipeline.betting import odds
from statmuse_pipeline.betting.strategies import STRATEGIES, choose_bets, offers, reference_quotes
from statmuse_pipeline.domain import PipelineError
from statmuse_pipeline_tests.betting.conftest import frame, quote

BY_NAME = {strategy.name: strategy for strategy in STRATEGIES}


def table(*rows: dict[str, object]) -> pd.DataFrame:
    """Offers of quotes that passed the screen."""
    quotes = frame(*rows)
    p = quotes["p_over"]
    no_vig = odds.no_vig(quotes["over_price"], quotes["under_price"])
    added = {"no_vig": no_vig, "p_consensus": no_vig, "p_over_final": p, "p_closing": np.nan}
    return offers(quotes.assign(moment=quotes["captured_at"], **added))


def test_every_strategy_has_a_name_and_a_description_of_its_own() -> None:
    assert len(BY_NAME) == len(STRATEGIES) == len({strategy.description for strategy in STRATEGIES})


def test_an_offer_has_the_value_of_its_side() -> None:
    offered = table(quote(p_over=0.6, over_price=100, under_price=-120))
    assert offered["p_own"].tolist() == pytest.approx([0.6, 0.4])
    # 0.6 * 1 - 0.4 and 0.4 * 100/120 - 0.6
    assert offered["ev_own"].tolist() == pytest.approx([0.2, 0.4 / 1.2 - 0.6])


@pytest.mark.parametrize(
    ("p_over", "expected"),
    [
        (0.5, []),
        (0.53, ["own ev>0%"]),
        (0.54, ["own ev>0%", "own ev>2%"]),
        (0.56, ["own ev>0%", "own ev>2%", "own ev>5%"]),
    ],
)
def test_value_strategies_bet_from_their_threshold_on(p_over: float, expected: list[str]) -> None:
    # At -110 the over is worth p * 21/11 - 1: 0, 2 and 5% from .5238, .5343 and .55 on.
    offered = table(quote(p_over=p_over))
    taken = [name for name in BY_NAME if name.startswith("own ev") and len(choose_bets(offered, BY_NAME[name]))]
    assert taken == expected


def test_value_is_shopped_for_among_the_main_lines_of_all_books() -> None:
    rows = [quote(p_over=0.60), quote(bookmaker="beta", line=2.5, over_price=180, under_price=-230, p_over=0.45)]
    bets = choose_bets(table(*rows), BY_NAME["own ev>2%"])
    assert bets[["bookmaker", "side", "line", "price"]].to_numpy().tolist() == [["beta", "over", 2.5, 180.0]]


def test_placebos_take_the_best_price_of_the_line_that_most_books_quote() -> None:
    rows = [
        quote(bookmaker="alpha", over_price=-115),
        quote(bookmaker="beta", over_price=-105),
        quote(bookmaker="gamma", line=0.5, over_price=150, under_price=-185),
    ]
    bets = choose_bets(table(*rows), BY_NAME["placebo: every over"])
    assert bets[["bookmaker", "line", "price"]].to_numpy().tolist() == [["beta", 1.5, -105.0]]


def test_equal_offers_fall_to_the_book_first_in_the_alphabet_whatever_the_order() -> None:
    rows = [quote(bookmaker=book, p_over=0.6) for book in ("gamma", "alpha", "beta")]
    for strategy in STRATEGIES:
        for order in (rows, rows[::-1]):
            chosen = choose_bets(table(*order), strategy)
            assert chosen["bookmaker"].tolist() in (["alpha"], [])


def test_one_bet_a_player_game_and_stat_at_the_first_moment_that_qualifies() -> None:
    noon = pd.Timestamp("2024-11-01 16:00", tz="UTC")
    rows = [
        quote(captured_at=noon, over_price=-150, under_price=120, p_over=0.56),
        quote(captured_at=noon + pd.Timedelta(hours=1), over_price=-110, p_over=0.56),
        quote(captured_at=noon + pd.Timedelta(hours=2), over_price=150, p_over=0.56),
        quote(player_id=2, p_over=0.56),
        quote(stat="PTS", p_over=0.56),
    ]
    bets = choose_bets(table(*rows), BY_NAME["own ev>2%"])
    assert bets[["player_id", "stat", "price"]].to_numpy().tolist() == [
        [1, "FG3M", -110.0],
        [1, "PTS", -110.0],
        [2, "FG3M", -110.0],
    ]


def test_confidence_takes_the_side_it_believes_in() -> None:
    offered = table(quote(p_over=0.44), quote(player_id=2, p_over=0.61))
    assert choose_bets(offered, BY_NAME["own p>=0.55"])["side"].tolist() == ["under", "over"]
    assert choose_bets(offered, BY_NAME["own p>=0.60"])["side"].tolist() == ["over"]


def test_lines_below_the_season_average_are_bet_over_and_others_not() -> None:
    offered = table(
        quote(season_average=1.6), quote(player_id=2, season_average=1.5), quote(player_id=3, season_average=np.nan)
    )
    bets = choose_bets(offered, BY_NAME["over below average"])
    assert bets[["player_id", "side"]].to_numpy().tolist() == [[1, "over"]]


def test_placebos_bet_on_everything_and_expect_to_lose() -> None:
    offered = table(*(quote(player_id=i) for i in range(1, 30)))
    for side in ("over", "under"):
        bets = choose_bets(offered, BY_NAME[f"placebo: every {side}"])
        assert len(bets) == 29
        assert (bets["ev"] < 0).all()


def test_without_a_forecast_only_those_bet_that_use_none() -> None:
    offered = table(quote(p_over=np.nan))
    betting = {name for name, strategy in BY_NAME.items() if len(choose_bets(offered, strategy))}
    assert betting == {"over below average", "placebo: every over", "placebo: every under"}


def test_a_push_lowers_the_chance_of_both_sides() -> None:
    quotes = frame(quote(line=2.0, p_over=0.4)).assign(p_push=0.2)
    added = {"no_vig": 0.5, "p_consensus": 0.5, "p_over_final": 0.4, "p_closing": np.nan}
    both = offers(quotes.assign(moment=quotes["captured_at"], **added))
    assert both["p_own"].tolist() == pytest.approx([0.4, 0.4])
    assert both["p_market"].tolist() == pytest.approx([0.4, 0.4])
    assert both["ev_own"].tolist() == pytest.approx([0.4 * 100 / 110 - 0.4] * 2)


def test_reference_lines_are_floor_plus_a_half_at_minus_110() -> None:
    lines = frame(
        quote(season_average=2.9), quote(player_id=2, season_average=0.0), quote(player_id=3, season_average=np.nan)
    )
    known = reference_quotes(lines)
    assert known["line"].tolist() == [2.5, 0.5]
    assert (known[["over_price", "under_price"]] == -110).all(axis=None)
    assert set(known["bookmaker"]) == {"reference"}


def test_an_unknown_side_can_not_be_graded() -> None:
    with pytest.raises(PipelineError):
        odds.profit("draw", 1.5, 2, -110)
