"""What own models gain on the pooled prior."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from statmuse_pipeline.evaluation.own_models import gains_by_player, gains_by_stat

PLAYERS = {1: "helped", 2: "harmed", 3: "off"}


@pytest.fixture(scope="module")
def judged() -> tuple[pd.DataFrame, pd.DataFrame]:
    """Means and outcomes; served is nearer for one player, farther for another, the prior for a third."""
    rng = np.random.default_rng(1)
    means, happened = [], []
    for stat, scale in (("PTS", 6.0), ("AST", 2.0)):
        for player, name in PLAYERS.items():
            actual = rng.normal(10, scale, 80)
            prior = np.full(80, 10.0)
            step = {1: 0.2, 2: -0.2, 3: 0.0}[player]
            keys = pd.DataFrame({"game_id": [f"g{n}" for n in range(80)], "player_id": player, "stat": stat})
            means.append(
                keys.assign(prior=prior, voting=prior + rng.normal(0, 0.5 * scale, 80),
                            stacking=prior + 0.1 * (actual - prior), served=prior + step * (actual - prior))
            )  # fmt: skip
            happened.append(
                keys.assign(
                    player_name=name, actual=actual, min=30.0, games_before=60,
                    game_date=pd.date_range("2025-01-01", periods=80),
                )
            )  # fmt: skip
    return pd.concat(means, ignore_index=True), pd.concat(happened, ignore_index=True)


def test_a_player_who_is_helped_gains_beyond_doubt_and_one_who_is_harmed_loses(judged):
    table = gains_by_player(*judged).set_index("player_name")
    assert list(table.index) == ["harmed", "off", "helped"]
    # Nearer by a fifth: 1 - 0.8^2 of the squared error is gained, 1.2^2 - 1 lost.
    assert table.loc["helped", "gain_served"] == pytest.approx(0.36, rel=0.3)
    assert table.loc["helped", "gain_served_lo"] > 0
    assert table.loc["harmed", "gain_served_hi"] < 0
    assert table.loc["off", ["gain_served", "gain_served_lo", "gain_served_hi"]].tolist() == [0.0, 0.0, 0.0]
    assert table["stats_on"].to_dict() == {"harmed": 2, "off": 0, "helped": 2}
    assert (table["games"] == 80).all()


def test_stats_weigh_alike_whatever_their_scale(judged):
    means, happened = judged
    points = means["stat"] == "PTS"
    columns = ["prior", "voting", "stacking", "served"]
    large = means.copy()
    large.loc[points, columns] *= 10
    large_actual = happened.assign(actual=happened["actual"] * np.where(happened["stat"] == "PTS", 10, 1))
    pd.testing.assert_frame_equal(gains_by_player(large, large_actual), gains_by_player(means, happened))


def test_shares_of_players_better_worse_and_turned_off_add_up(judged):
    table = gains_by_stat(*judged).set_index(["model", "stat"])
    served = table.loc[("served", "all")]
    assert (served["better"], served["worse"], served["turned_off"]) == pytest.approx((1 / 3, 1 / 3, 1 / 3))
    assert served["rows"] == 480
    assert table.loc[("stacking", "all"), "gain_lo"] > 0
    assert table.loc[("voting", "all"), "gain_hi"] < 0
    assert np.isnan(table.loc[("voting", "all"), "turned_off"])
    for model in ("voting", "stacking", "served"):
        whole = table.loc[(model, "all"), "gain"]
        assert whole == pytest.approx(table.loc[[(model, "PTS"), (model, "AST")], "gain"].mean())


def test_the_same_games_give_the_same_intervals(judged):
    means, happened = judged
    shuffled = means.sample(frac=1, random_state=0)
    pd.testing.assert_frame_equal(gains_by_player(shuffled, happened), gains_by_player(means, happened))


def test_without_rows_that_count_the_table_is_empty(judged):
    means, happened = judged
    assert gains_by_player(means, happened.assign(games_before=0)).empty
    assert gains_by_stat(means, happened.assign(games_before=0)).empty
