"""Sums of stats against what came, on games drawn from a known joint distribution."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import special

from statmuse_pipeline.domain import LARGEST_COUNT, Combination, Stat
from statmuse_pipeline.evaluation.combinations import INDEPENDENT, JOINT, score_sum, sum_lines, sum_outcomes
from statmuse_pipeline.modeling.dispersion import DispersionModel, negative_binomial
from statmuse_pipeline.modeling.joint import PARTS, JointModel

MODEL = JointModel({Stat.PTS: 0.7, Stat.REB: 0.7, Stat.AST: 0.6})
GAMES = 3000


@pytest.fixture(scope="module")
def drawn() -> tuple[pd.DataFrame, dict[Stat, object], pd.DataFrame]:
    """Keys, marginals and outcomes of games drawn from the joint distribution."""
    rng = np.random.default_rng(8)
    means = dict(zip(PARTS, (14.0, 5.0, 3.5), strict=True))
    own = {s: negative_binomial(m * rng.uniform(0.5, 1.5, GAMES), 0.1, LARGEST_COUNT[s]) for s, m in means.items()}
    factor = rng.normal(size=GAMES)
    keys = pd.DataFrame({"game_id": [f"{n:010d}" for n in range(GAMES)], "player_id": 7})
    parts = []
    for stat in PARTS:
        a = MODEL.loadings[stat]
        u = special.ndtr(a * factor + np.sqrt(1 - a * a) * rng.normal(size=GAMES))
        actual = ((1 - own[stat].survival) < u[:, None]).sum(axis=1)
        told = {"season": "2024-25", "player_name": "Somebody", "games_before": 30, "min": 20.0}
        dates = pd.Timestamp("2025-01-01") + pd.to_timedelta(np.arange(GAMES) // 50, unit="D")
        parts.append(keys.assign(stat=stat.value, actual=actual.astype(float), game_date=dates, **told))
    return keys, own, pd.concat(parts, ignore_index=True)


def scored(drawn, parts=PARTS, changed=None):
    keys, own, outcomes = drawn
    happened = sum_outcomes(outcomes, "+".join(parts), parts)
    happened = happened if changed is None else changed(happened)
    models = {JOINT: MODEL, INDEPENDENT: JointModel.independent()}
    ways = {name: model.total(own, parts).survival for name, model in models.items()}
    return pd.DataFrame(score_sum(keys, ways, happened, parts)), ways, happened


def test_where_stats_go_together_the_joint_distribution_is_beyond_doubt_the_better_one(drawn):
    table = scored(drawn)[0].set_index("model")
    assert table.loc[INDEPENDENT, "ladder_brier_diff_lo"] > 0
    assert table.loc[INDEPENDENT, "crps_diff_lo"] > 0
    assert (table.loc[JOINT, ["ladder_brier_diff", "crps_diff", "crps_diff_hi"]] == 0).all()
    assert table.loc[INDEPENDENT, "ladder_brier"] - table.loc[JOINT, "ladder_brier"] == pytest.approx(
        table.loc[INDEPENDENT, "ladder_brier_diff"]
    )


@pytest.mark.parametrize("parts", [(Stat.PTS, Stat.REB), (Stat.REB, Stat.AST)])
def test_the_brier_score_is_that_of_what_the_parts_came_to(drawn, parts):
    table, ways, happened = scored(drawn, parts)
    _, _, outcomes = drawn
    wide = outcomes.pivot_table(index="game_id", columns="stat", values="actual")
    total = sum(wide[part.value].to_numpy() for part in parts)
    assert happened["actual"].to_numpy() == pytest.approx(total)
    slow = np.mean([np.mean((ways[JOINT][:, int(line)] - (total > line)) ** 2) for line in sum_lines(parts)])
    assert table.set_index("model").loc[JOINT, "ladder_brier"] == pytest.approx(slow)


def test_games_that_do_not_count_are_left_out(drawn):
    def half(happened: pd.DataFrame) -> pd.DataFrame:
        first, second = happened.index < 1000, happened.index >= 2500
        return happened.assign(min=np.where(first, 0.0, 20.0), games_before=np.where(second, 3, 30))

    assert scored(drawn, changed=half)[0]["rows"].tolist() == [1500, 1500]
    assert scored(drawn, changed=lambda happened: happened.assign(min=0.0))[0].empty


def test_in_real_games_stats_go_together_and_the_joint_distribution_is_better_on_the_next_season(archive):
    seasons = {}
    for season in ("2022-23", "2023-24"):
        logs = pd.read_parquet(archive / "game_logs" / f"{season}.parquet").rename(columns=str.lower)
        logs = logs.sort_values(["player_id", "game_date", "game_id"], ignore_index=True)
        before = logs.groupby("player_id")[["pts", "reb", "ast"]].transform(
            lambda played: played.ewm(alpha=0.1).mean().shift(1)
        )
        logs = logs.assign(games_before=logs.groupby("player_id").cumcount(), season=season, **before.add_prefix("m_"))
        seasons[season] = logs[(logs["min"] > 0) & (logs["games_before"] >= 10)].reset_index(drop=True)
    learned, judged = seasons.values()
    judged = judged[judged["player_id"] % 2 == 0].reset_index(drop=True)
    own, known = {}, {}
    for stat in PARTS:
        s = stat.column
        width = DispersionModel.fit(learned[f"m_{s}"].to_numpy(), learned[s].to_numpy())
        own[stat] = width.distribution(learned[f"m_{s}"].to_numpy(), LARGEST_COUNT[stat])
        known[stat] = width.distribution(judged[f"m_{s}"].to_numpy(), LARGEST_COUNT[stat])
    joint = JointModel.fit(own, {stat: learned[stat.column].to_numpy() for stat in PARTS})
    assert all(0.3 < loading < 0.8 for loading in joint.loadings.values())
    long = judged.melt(
        ["game_id", "player_id", "game_date", "season", "player_name", "games_before", "min"],
        [stat.column for stat in PARTS],
        "stat",
        "actual",
    ).assign(stat=lambda rows: rows["stat"].str.upper())
    keys = judged[["game_id", "player_id"]]
    assert len(keys) > 9_000
    for combination in (Combination.PTS_REB, Combination.REB_AST):
        parts = combination.parts
        ways = {
            JOINT: joint.total(known, parts).survival,
            INDEPENDENT: JointModel.independent().total(known, parts).survival,
        }
        table = score_sum(keys, ways, sum_outcomes(long, combination.value, parts), parts)
        told = pd.DataFrame(table).set_index("model").loc[INDEPENDENT]
        assert told["crps_diff_lo"] > 0
        assert told["ladder_brier_diff_lo"] > 0
