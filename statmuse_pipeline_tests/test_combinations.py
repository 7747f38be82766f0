"""Sums such as points and rebounds, from the served forecasts of their parts."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from statmuse_pipeline.combinations import combine, marginals
from statmuse_pipeline.domain import Combination, InformationLevel, PipelineError, Stat
from statmuse_pipeline.forecasting import Forecasts
from statmuse_pipeline.modeling.joint import PARTS, JointModel
from statmuse_pipeline_tests.slate.made_up import EARLY, LATE, forecasts

MEANS = {(EARLY, 10): 12.0, (EARLY, 11): 4.0, (LATE, 30): 7.0}
JOINT = JointModel({Stat.PTS: 0.5, Stat.REB: 0.6, Stat.AST: 0.4})
JOINTS = dict.fromkeys(InformationLevel, JOINT)


def asked(combination: Combination, *rows: tuple[str, int, float], level: str = "pregame") -> pd.DataFrame:
    keys = pd.DataFrame(list(rows), columns=["game_id", "player_id", "line"])
    return keys.assign(stat=combination.value, level=level)


@pytest.mark.parametrize("combination", Combination)
def test_a_sum_is_answered_for_the_player_game_that_is_asked_in_any_order(combination):
    made = forecasts(MEANS, PARTS)
    combined = combine(made, JOINTS)
    rows = [(LATE, 30, 9.5), (EARLY, 10, 20.5), (EARLY, 99, 20.5), (EARLY, 11, 8.0), (EARLY, 10, 30.5)]
    over = combined.over(asked(combination, *rows))
    assert np.isnan(over[2])
    for place, (game, player, line) in enumerate(rows):
        if place == 2:
            continue
        own = made.select(games=[game], players=[player]).distributions
        assert over[place] == pytest.approx(JOINT.over(own, combination.parts, line)[0], abs=1e-9)
    push = combined.push(asked(combination, *rows))
    assert push[0] == 0
    assert 0.02 < push[3] < 0.2
    assert np.isnan(combined.over(asked(combination, (EARLY, 10, 20.5), level="tipoff"))).all()


def test_each_level_has_its_own_joint_distribution():
    both = Forecasts.concat([forecasts(MEANS, PARTS), forecasts(MEANS, PARTS, "tipoff")])
    joints = {InformationLevel.PREGAME: JOINT, InformationLevel.TIPOFF: JointModel.independent()}
    combined = combine(both, joints)
    far = (EARLY, 10, 44.5)
    together, apart = (combined.over(asked(Combination.PTS_REB, far, level=level)) for level in InformationLevel)
    assert together[0] > 1.15 * apart[0] > 0
    assert len(combined.frame) == 2 * len(MEANS) * len(Combination)


def test_a_player_game_without_one_of_the_parts_has_no_sum():
    parts = [forecasts(MEANS, (Stat.PTS,)), forecasts({(EARLY, 11): 4.0}, (Stat.REB,))]
    combined = combine(Forecasts.concat(parts), JOINTS)
    assert list(combined.distributions) == [Combination.PTS_REB]
    assert combined.frame[["game_id", "player_id", "stat"]].to_numpy().tolist() == [[EARLY, 11, "PTS+REB"]]
    nothing = combine(forecasts(MEANS, (Stat.STL,)), JOINTS)
    assert np.isnan(nothing.over(asked(Combination.PTS_REB, (EARLY, 10, 20.5)))).all()


def test_a_sum_is_of_the_players_own_model_where_a_part_is():
    made = forecasts(MEANS, PARTS)
    own = (made.frame["stat"] == "REB") & (made.frame["player_id"] == 30)
    frame = made.frame.assign(model=np.where(own, "player", "prior")).astype({"model": "str"})
    combined = combine(Forecasts(frame, made.distributions), JOINTS)
    told = combined.frame.set_index(["player_id", "stat"])["model"]
    assert told[(30, "PTS+REB")] == "player"
    assert told[(30, "PTS+AST")] == told[(10, "PTS+REB")] == "prior"


def test_levels_are_not_mixed_up():
    both = Forecasts.concat([forecasts(MEANS, PARTS), forecasts(MEANS, PARTS, "tipoff")])
    with pytest.raises(PipelineError, match="one information level"):
        marginals(both, PARTS)


@settings(deadline=None, max_examples=25)
@given(
    means=st.lists(st.floats(0.3, 30), min_size=1, max_size=4),
    line=st.integers(0, 70).map(lambda n: n / 2),
    combination=st.sampled_from(list(Combination)),
)
def test_probabilities_are_shares_and_the_mean_of_a_sum_is_the_sum_of_the_means(means, line, combination):
    made = forecasts({(EARLY, 10 + place): mean for place, mean in enumerate(means)}, PARTS)
    combined = combine(made, JOINTS, (combination,))
    queries = asked(combination, *((EARLY, 10 + place, line) for place in range(len(means))))
    over, push = combined.over(queries), combined.push(queries)
    assert ((over >= 0) & (push >= -1e-9) & (over + push <= 1 + 1e-9)).all()
    expected = sum(made.keys(stat)["mean"] for stat in combination.parts)
    assert combined.keys(combination)["mean"].to_numpy() == pytest.approx(expected.to_numpy())
    assert combined.distributions[combination].mean() == pytest.approx(expected.to_numpy(), rel=0.01, abs=0.01)
