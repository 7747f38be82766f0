"""A report context full of made-up numbers, with the columns of the real stages."""

from __future__ import annotations

import datetime as dt
import functools
from typing import Any

import numpy as np
import pandas as pd

from statmuse_pipeline.domain import Stat
from statmuse_pipeline.evaluation.gate import run_gate
from statmuse_pipeline.evaluation.reliability import ReliabilityPlotter, reliability_table
from statmuse_pipeline.reports.report import ReportContext

STATS = [stat.value for stat in Stat]
STRATEGIES = ["blend ev>2%", "own ev>0%", "own ev>2%", "own ev>5%", "own p>=0.55", "over below average"]


def summary() -> pd.DataFrame:
    ratio = np.array([0.946, 0.951, 0.954, 0.970, 0.984, 0.979, 0.968, 0.926])
    return pd.DataFrame(
        {
            "stat": STATS, "rows": 15476, "rmse": 6.123 * ratio, "rmse_ratio": ratio,
            "bias": 0.034 - 0.05 * (ratio - 0.9),
            "mae": 4.679 * ratio, "mae_ratio": ratio + 0.004, "rmse_ewm": 6.123, "mae_ewm": 4.679,
            "median_mae_ratio": ratio - 0.01, "cover50": 0.531, "cover80": 0.822, "cover95": 0.957, "coverage": 0.9987,
            "rmse_ratio_lo": ratio - 0.009, "rmse_ratio_hi": ratio + 0.008, "ladder_brier": 0.0741,
            "ladder_ece": 0.0063,
            "ladder_log_loss": 0.2412, "season_brier": 0.2387, "crps": 3.214,
        }
    )  # fmt: skip


def backtest_summary() -> pd.DataFrame:
    names = [*STRATEGIES, "own ev>2%, quarter Kelly", "placebo: every over", "placebo: every under"]
    names += ["reference: own ev>2%", "reference: placebo: every over"]
    roi = np.array([0.072, -0.012, 0.014, 0.031, -0.008, -0.041, 0.02, -0.061, -0.021, 0.164, -0.05])
    half = np.array([0.015, 0.03, 0.045, 0.08, 0.02, 0.03, 0.06, 0.012, 0.013, 0.02, 0.01])
    low, high = roi - half, roi + half
    verdict = np.where(low > 0.05, "met", np.where(high < 0.05, "not met", "undecided"))
    bets = np.array([1312, 4210, 2718, 903, 3312, 1201, 2718, 5100, 5100, 8123, 9000])
    return pd.DataFrame(
        {
            "strategy": names, "staking": ["kelly" if "Kelly" in name else "flat" for name in names], "bets": bets,
            "days": 98, "staked": bets * 1.0, "profit": bets * roi, "roi": roi, "roi_low": low, "roi_high": high,
            "verdict": verdict, "hit_rate": 0.523, "wins": bets // 2, "decided": bets - 3, "max_drawdown": 23.4,
            "sharpe": 0.12, "clv": np.where(np.arange(len(names)) < 7, 0.0041, np.nan),
        }
    )  # fmt: skip


def bankroll() -> pd.DataFrame:
    generator = np.random.default_rng(3)
    dates = pd.date_range("2025-01-01", "2025-04-13").astype("datetime64[ns]")
    parts = []
    for row in backtest_summary().to_dict("records"):
        curve = 100 + (generator.normal(row["profit"] / len(dates), 4, len(dates))).cumsum()
        names = {"strategy": row["strategy"], "staking": row["staking"]}
        parts.append(pd.DataFrame({**names, "game_date": dates, "bankroll": curve}))
    return pd.concat(parts, ignore_index=True)


def families() -> pd.DataFrame:
    models = [
        "ewm",
        "season_average",
        "mean_5",
        "prior",
        "random_forest",
        "xgboost",
        "elastic_net",
        "voting",
        "stacking",
    ]
    ratios = [1.0, 1.02, 1.06, 0.949, 0.951, 0.953, 0.950, 0.949, 0.950]
    rows = [
        {"stat": stat, "model": model, "rows": 15001, "rmse_ratio": ratio + 0.002 * place, "bias": 0.01}
        for place, stat in enumerate(STATS)
        for model, ratio in zip(models, ratios, strict=True)
    ]
    return pd.DataFrame(rows)


def market() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "stat": ["all", "FG3M", "PRA", "PTS"], "line_set": "market", "quotes": [91234, 40000, 21234, 30000],
            "overround": 0.0712, "brier_market": 0.2466, "brier_model": 0.2479, "ece_model": 0.0123,
            "model_minus_market": 0.0013, "model_minus_market_lo": 0.0002, "model_minus_market_hi": 0.0023,
            "brier_final": 0.2462, "final_minus_market": -0.0004, "final_minus_market_lo": -0.0009,
            "final_minus_market_hi": 0.0001,
        }
    )  # fmt: skip


def players() -> pd.DataFrame:
    names = ["Luka Dončić", "Shai Gilgeous-Alexander", "<script>alert('x')</script>", "Karl-Anthony Towns"]
    return pd.DataFrame(
        {
            "player_id": [1, 2, 3, 4], "player_name": names, "games": [31, 40, 22, 35],
            "rmse_ratio": [1.082, 1.031, 1.012, 0.99], "mae_ratio": [1.06, 1.02, 1.01, 0.98],
            "worst_stat": ["PTS", "BLK", "REB", "TOV"], "worst_rmse_ratio": [1.21, 1.19, 1.05, 1.01],
            "ladder_brier": 0.0812, "ladder_ece": [0.061, 0.03, 0.02, 0.01],
        }
    )  # fmt: skip


def months() -> pd.DataFrame:
    dated = [("train", "2024-03"), ("validation", "2024-11"), ("validation", "2025-01"), ("test", "2025-01")]
    rows = [
        {"split": kind, "month": month, "stat": stat, "rows": 4000, "rmse_ratio": 0.93 + 0.01 * place, "bias": -0.02,
         "ladder_brier": float("nan") if kind == "train" else 0.0741}
        for place, (kind, month) in enumerate(dated)
        for stat in STATS
    ]  # fmt: skip
    return pd.DataFrame(rows)


def coverage() -> pd.DataFrame:
    roles = ["everyone", "starter", "rotation", "bench"]
    rows = [{"role": role, "stat": stat, "rows": 900} for role in roles for stat in ["all", *STATS]]
    held = {"cover50": 0.543, "claimed50": 0.544, "cover80": 0.811, "claimed80": 0.813, "cover95": 0.951}
    return pd.DataFrame(rows).assign(**held, claimed95=0.953)


def absences() -> pd.DataFrame:
    rows = [
        {"split": split, "model": model, "rows": 22465, "absent": 0.322, "brier": brier, "ece": ece, "log_loss": 0.5}
        for split in ("validation", "test")
        for model, brier, ece in (("share of all members", 0.2183, 0.0087), ("trees", 0.1198, 0.0083))
    ]
    return pd.DataFrame(rows)


def minutes() -> pd.DataFrame:
    held = {"cover50": 0.503, "cover80": 0.799, "cover95": 0.948}
    kinds = {"limited": 0.13, "limited_said": 0.12, "extended": 0.162, "extended_said": 0.166}
    rows = [
        {
            "split": split,
            "level": "tipoff",
            "role": role,
            "rows": 5428,
            "bias": 0.103,
            "crps": 3.153,
            "log_score": 3.099,
        }
        for split in ("validation", "test")
        for role in ("everyone", "starter", "rotation", "bench")
    ]
    return pd.DataFrame(rows).assign(**held, **kinds)


def own_models() -> pd.DataFrame:
    rows = [
        {"split": split, "model": model, "stat": stat, "rows": 12251, "gain": gain, "gain_lo": gain - 0.0003,
         "gain_hi": gain + 0.0003, "players": 382, "better": 0.518, "worse": 0.395,
         "turned_off": 0.086 if model == "served" else float("nan")}
        for split in ("validation", "test")
        for model, gain in (("voting", -0.0068), ("served", 0.0001))
        for stat in ["all", *STATS]
    ]  # fmt: skip
    return pd.DataFrame(rows)


def own_players() -> pd.DataFrame:
    table = players()[["player_id", "player_name", "games"]].assign(split="test", stats_on=[4, 0, 6, 7])
    for model in ("voting", "stacking", "served"):
        gain = np.array([0.021, 0.0, -0.012, 0.004])
        table = table.assign(
            **{f"gain_{model}": gain, f"gain_{model}_lo": gain - 0.01, f"gain_{model}_hi": gain + 0.01}
        )
    return table


def error_parts() -> pd.DataFrame:
    rows = [{"split": split, "stat": stat, "rows": 15000} for split in ("validation", "test") for stat in STATS]
    shares = {"mse": 33.5, "minutes": 0.2766, "noise": 0.7132, "rest": 0.0102}
    ends = {f"{name}_{end}": shares[name] + 0.01 * sign for name in ("minutes", "noise", "rest")
            for end, sign in (("lo", -1), ("hi", 1))}  # fmt: skip
    return pd.DataFrame(rows).assign(**shares, **ends)


def combinations() -> pd.DataFrame:
    rows = [
        {"stat": stat, "split": split, "model": way, "rows": 15000, "ladder_brier": 0.05728 + gap, "crps": 3.708 + gap,
         **{f"{score}_diff{end}": gap for score in ("ladder_brier", "crps") for end in ("", "_lo", "_hi")}}
        for stat in ("PTS+REB", "PTS+REB+AST")
        for split in ("validation", "test")
        for way, gap in (("joint", 0.0), ("independent", 0.00009))
    ]  # fmt: skip
    return pd.DataFrame(rows)


def combination_quotes() -> pd.DataFrame:
    row = market().iloc[[0]].assign(stat="PTS+REB", split="validation", quotes=9572)
    return pd.concat([row.assign(model="joint"), row.assign(model="independent")], ignore_index=True)


@functools.cache
def diagrams() -> dict[str, bytes]:
    generator, plotter = np.random.default_rng(0), ReliabilityPlotter()
    pictures = {}
    for stat in STATS:
        p = generator.beta(0.6, 1.0, 4000)
        pictures[f"{stat}, served"] = plotter.png(reliability_table(p, generator.random(4000) < p), f"{stat}, served")
    return pictures


def full_context(**changes: Any) -> ReportContext:
    table = summary()
    ladder = pd.DataFrame([{"stat": "all", "line_set": "ladder", "rows": 789000, "brier": 0.0775, "ece": 0.0042}])
    by_stat = backtest_summary().assign(stat="FG3M")
    given: dict[str, Any] = {
        "source": "archive of four seasons", "generated_for": dt.date(2025, 4, 13), "dataset_version": "3f9ac2b7d1e0",
        "seasons": ("2021-22", "2022-23", "2023-24", "2024-25"), "level": "tipoff",
        "counts": {"Players with models": 423, "Models": 16920, "Player-games": 104641, "Scored rows": 15476},
        "summary": table,
        "overall": {"rmse_ratio": 0.9598, "mae_ratio": 0.9638, "ladder_brier": 0.0775, "ladder_ece": 0.0042},
        "cut_dates": {"Validation from": dt.date(2024, 4, 2), "Test from": dt.date(2024, 12, 9)},
        "families": families(),
        "calibration": pd.DataFrame({"stat": STATS, "kept": [True, False] * 4, "reason": "helps out of sample",
                                     "brier_before": 0.0752, "brier_after": 0.0741}),
        "market": market(), "reliability": diagrams(),
        "gate": run_gate(means=table, ladder=ladder, players=players()),
        "backtest_summary": backtest_summary(), "main_strategy": "own ev>2%", "bankroll": bankroll(),
        "exclusions": pd.DataFrame({"reason": ["captured after tip-off", "impossible price"],
                                    "quote_set": "threes_3pm_2024-25", "quotes": [1234, 2]}),
        "by_book": backtest_summary().assign(bookmaker="DraftKings"), "by_stat": by_stat,
        "unresolved": pd.DataFrame({"player_name": ["O'Neal & Sons"], "reason": ["no such player"], "quotes": [17]}),
        "worst_players": players(),
        "failures": pd.DataFrame({"player_name": ["Nobody Jr."], "stat": ["BLK"], "reason": ["no block in 61 games"]}),
        "tuning": pd.DataFrame({"family": ["xgboost"], "trials": [40], "value": [0.9512], "params": ["max_depth 3"]}),
        "months": months(), "coverage": coverage(), "absences": absences(), "minutes": minutes(),
        "own_models": own_models(), "own_players": own_players(),
        "error_parts": error_parts(), "combinations": combinations(), "combination_quotes": combination_quotes(),
        "readings": "The test split was scored once for this configuration (1a1a1a1a).",
        "importance": pd.DataFrame({"name": ["usual_pts", "min_last"], "of": ["stats", "minutes"], "level": "tipoff",
                                    "importance": [0.0312, 0.2], "largest": ["PTS", "MIN"]}),
        "notes": ("First run on this warehouse.",),
    }  # fmt: skip
    return ReportContext(**(given | changes))


def bare_context(**changes: Any) -> ReportContext:
    """Only what every run has."""
    given: dict[str, Any] = {
        "source": "demo", "generated_for": dt.date(2025, 4, 13), "dataset_version": "0" * 12, "seasons": ("2024-25",),
        "level": "pregame", "counts": {}, "summary": summary()[["stat", "rows", "rmse_ratio"]], "overall": {},
    }  # fmt: skip
    return ReportContext(**(given | changes))
