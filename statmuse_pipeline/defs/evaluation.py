"""Assets of the judgement: metrics with reliability diagrams, and the gate."""

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg

from statmuse_pipeline.defs.betting import backtest, read_backtest
from statmuse_pipeline.defs.diagnostics import combination_tables, error_table
from statmuse_pipeline.defs.forecasts import read_families, read_forecasts, read_outcomes, test_forecasts
from statmuse_pipeline.defs.ingest import OWNERS
from statmuse_pipeline.defs.metadata import markdown_table
from statmuse_pipeline.defs.playing import PLAYING, read_playing_scores
from statmuse_pipeline.defs.pooled import Pooled, dataset_rows
from statmuse_pipeline.defs.resources import Workspace
from statmuse_pipeline.domain import EXPECTED_MINUTES, InformationLevel, Stat, player_key, prior_column
from statmuse_pipeline.versions import code_version, fingerprint

if TYPE_CHECKING:
    import pandas as pd

    from statmuse_pipeline.evaluation.gate import GateResult
    from statmuse_pipeline.evaluation.readings import Readings
    from statmuse_pipeline.forecasting import Forecasts
    from statmuse_pipeline.modeling.distribution import CountDistribution

KEYS = ["game_id", "player_id"]


@dg.asset(deps=[test_forecasts, backtest], group_name="evaluation", kinds={"matplotlib"}, owners=OWNERS)
def metric_report(workspace: dg.ResourceParam[Workspace]) -> dg.MaterializeResult:
    """Accuracy, calibration and the market comparison on the test split, with reliability diagrams as PNG."""
    wanted = fingerprint(
        {
            "forecasts": workspace.shelf.require("forecasts", made_by="statmuse evaluate").outputs,
            "backtest": workspace.shelf.require("backtest", made_by="statmuse backtest").outputs,
            "playing": workspace.shelf.require(PLAYING, made_by="statmuse train").outputs,
            "shapes": workspace.shelf.require("pooled", made_by="statmuse train").outputs["shapes.json"],
            "quoted sums": [
                workspace.shelf.require(f"quotes/{season}", made_by="statmuse sync").outputs["combinations.parquet"]
                for season in workspace.settings.seasons
            ],
            "code": code_version(
                "evaluation", "combinations.py", "modeling/joint.py", "defs/evaluation.py", "defs/diagnostics.py"
            ),
        }
    )
    receipt = workspace.shelf.receipt("metrics")
    if receipt is None or receipt.inputs != wanted:
        readings = _count_reading(workspace)
        receipt = workspace.shelf.put(
            "metrics", wanted, lambda folder: {**_measure(workspace, folder), "readings": asdict(readings)}
        )
    summary = read_metrics(workspace, "summary")
    columns = ["stat", "rows", "rmse_ratio", "mae_ratio", "bias", "ladder_brier", "ladder_ece"]
    picture = workspace.shelf.folder("metrics") / "reliability" / "stat-all-served.png"
    return dg.MaterializeResult(
        metadata={
            **{name: float(value) for name, value in receipt.facts["overall"].items()},
            "test split": read_readings(workspace).sentence,
            "summary": dg.MetadataValue.md(markdown_table(summary[columns])),
            "reliability": dg.MetadataValue.md(_embedded(picture)),
        }
    )


def _count_reading(workspace: Workspace) -> "Readings":
    """Note that these forecasts are scored on the test split; they are what a configuration comes down to."""
    from statmuse_pipeline.evaluation.readings import count_reading

    forecasts = workspace.shelf.require("forecasts", made_by="statmuse evaluate")
    configuration = fingerprint({"forecasts": forecasts.outputs["forecasts.parquet"]})
    return count_reading(workspace.settings.data / "test_readings.json", configuration)


def read_readings(workspace: Workspace) -> "Readings":
    """How often the test split had been read when the last metric report was made."""
    from statmuse_pipeline.evaluation.readings import Readings

    return Readings(**workspace.shelf.require("metrics", made_by="statmuse evaluate").facts["readings"])


def _embedded(picture: Path) -> str:
    import base64

    return f"![reliability](data:image/png;base64,{base64.b64encode(picture.read_bytes()).decode()})"


def _measure(workspace: Workspace, folder: Path) -> dict[str, Any]:
    from statmuse_pipeline.evaluation import market, players, scores

    forecasts, outcomes = read_forecasts(workspace), read_outcomes(workspace, ("validation", "test"))
    summaries = {
        (split, level): _summary(forecasts.select(level=level, split=split), outcomes)
        for split in ("test", "validation")
        for level in InformationLevel
    }
    tipoff = forecasts.select(level=InformationLevel.TIPOFF, split="test")
    ladder = tipoff.ladder()
    quotes = read_backtest(workspace, "quotes")
    tables = {
        "summary": summaries["test", InformationLevel.TIPOFF][0],
        "summary_pregame": summaries["test", InformationLevel.PREGAME][0],
        "summary_validation": summaries["validation", InformationLevel.TIPOFF][0],
        "probabilities": summaries["test", InformationLevel.TIPOFF][1],
        "families": _families(workspace, outcomes),
        "players": players.score_players(tipoff.frame, ladder, outcomes, minimum_games=10),
        "market": market.score_market(quotes, outcomes),
        "market_sets": market.score_market(quotes, outcomes, by=("quote_set", "stat")),
        "line_accuracy": market.line_accuracy(quotes, forecasts.frame, outcomes),
        "months": _months(workspace, forecasts.select(level=InformationLevel.TIPOFF)),
        "coverage": _coverage(workspace, tipoff, outcomes),
        **_own_models(workspace, outcomes),
        **combination_tables(workspace, forecasts, outcomes),
        "error_parts": error_table(workspace, forecasts.select(level=InformationLevel.TIPOFF)),
        **read_playing_scores(workspace),
    }
    for name, table in tables.items():
        table.to_parquet(folder / f"{name}.parquet", index=False)
    _draw(workspace, folder / "reliability", ladder, outcomes)
    on_ladder = tables["probabilities"]["line_set"] == scores.LineSet.LADDER.value
    return {
        "overall": scores.overall_scores(tables["summary"], tables["probabilities"][on_ladder]),
        "players": int(tipoff.frame["player_id"].nunique()),
        "own_model": float((tipoff.frame["model"] != "prior").mean()),
    }  # fmt: skip


def _summary(forecasts: "Forecasts", outcomes: "pd.DataFrame") -> "tuple[pd.DataFrame, pd.DataFrame]":
    """One row a stat with every score, and the scores of probabilities by stat and line set."""
    import pandas as pd

    from statmuse_pipeline.evaluation import scores
    from statmuse_pipeline.evaluation.scores import LineSet

    window = outcomes[outcomes["game_id"].isin(forecasts.frame["game_id"].unique())]
    means = scores.score_means(forecasts.frame, window)
    level = InformationLevel(forecasts.frame["level"].iloc[0])
    lines = scores.season_line_queries(window, level)
    lines = lines.assign(p_over=forecasts.over(lines)).dropna(subset=["p_over"])
    probabilities = pd.concat(
        [
            scores.score_probabilities(forecasts.ladder(), window, line_set=LineSet.LADDER),
            scores.score_probabilities(lines, window, line_set=LineSet.SEASON),
        ],
        ignore_index=True,
    )
    whole = pd.DataFrame(
        [
            {"stat": stat.value, **scores.score_distribution(forecasts.keys(stat), distribution.survival, stat, window)}
            for stat, distribution in forecasts.distributions.items()
        ]
    )
    return means.merge(whole.drop(columns="rows"), on="stat"), probabilities


def _months(workspace: Workspace, tipoff: "Forecasts") -> "pd.DataFrame":
    """Every month: what is served in validation and test, and before them the prior, refitted weekly throughout."""
    import pandas as pd

    from statmuse_pipeline.evaluation import scores
    from statmuse_pipeline.evaluation.slices import by_month

    outcomes = read_outcomes(workspace)
    priors = pd.read_parquet(workspace.shelf.folder("pooled") / "priors.parquet")
    rows = dataset_rows(workspace, ("train",))[[*KEYS, "game_date", "split"]].merge(priors, on=KEYS)
    earlier = pd.concat(
        [
            rows[[*KEYS, "game_date", "split"]].assign(
                stat=stat.value, mean=rows[prior_column(stat, InformationLevel.TIPOFF)]
            )
            for stat in workspace.stats
        ],
        ignore_index=True,
    )
    of_train = scores.counted(earlier.dropna(subset=["mean"]), outcomes)
    months = [by_month(tipoff.frame, tipoff.ladder(), outcomes)]
    if len(of_train):
        months.insert(0, by_month(of_train, None, outcomes))
    return pd.concat(months, ignore_index=True)


def _coverage(workspace: Workspace, tipoff: "Forecasts", outcomes: "pd.DataFrame") -> "pd.DataFrame":
    """How often results fell into the intervals on test, by role and stat, next to what whole counts can claim."""
    from statmuse_pipeline.evaluation.slices import coverage_by_role

    column = EXPECTED_MINUTES[InformationLevel.TIPOFF]
    minutes = dataset_rows(workspace, ("test",))[[*KEYS, column]].rename(columns={column: "minutes"})
    survival = {stat: forecast.survival for stat, forecast in tipoff.distributions.items()}
    return coverage_by_role(tipoff.frame, survival, minutes, outcomes)


def _own_models(workspace: Workspace, outcomes: "pd.DataFrame") -> "dict[str, pd.DataFrame]":
    """What own models gain on the prior on validation and test: by player, and over all players by stat."""
    import pandas as pd

    from statmuse_pipeline.evaluation.own_models import gains_by_player, gains_by_stat

    players, stats = [], []
    for split in ("validation", "test"):
        families = _own_families(workspace, split)
        if len(families):
            players.append(gains_by_player(families, outcomes).assign(split=split))
            stats.append(gains_by_stat(families, outcomes).assign(split=split))
    return {
        "own_models": pd.concat(stats, ignore_index=True) if stats else pd.DataFrame(columns=["split", "stat"]),
        "own_players": pd.concat(players, ignore_index=True) if players else pd.DataFrame(columns=["split"]),
    }


def _own_families(workspace: Workspace, split: str = "test") -> "pd.DataFrame":
    """Tip-off means of every family on the rows of players with own models."""
    families = read_families(workspace)
    return families[(families["split"] == split) & families["own"]].drop(columns=["split", "own"])


def _families(workspace: Workspace, outcomes: "pd.DataFrame") -> "pd.DataFrame":
    """Scores of every member, ensemble and baseline on the test rows of players with own models."""
    import pandas as pd

    from statmuse_pipeline.evaluation import scores
    from statmuse_pipeline.modeling.baselines import baselines

    families = _own_families(workspace)
    if families.empty:
        return pd.DataFrame(columns=["stat", "model", "rows", "rmse_ratio"])
    rows = dataset_rows(workspace, ("test",))
    simple = pd.concat(
        [rows[KEYS].assign(stat=stat.value, **baselines(rows, stat)) for stat in Stat], ignore_index=True
    )
    table = scores.score_families(families.merge(simple, on=[*KEYS, "stat"], validate="one_to_one"), outcomes)
    whole = [
        {"stat": stat.value, "model": model, **scores.score_distribution(keys, forecast.survival, stat, outcomes)}
        for stat, model, keys, forecast in _every_family(workspace)
    ]
    return table.merge(pd.DataFrame(whole).drop(columns="rows"), on=["stat", "model"], how="left")


def _every_family(workspace: Workspace) -> "Iterator[tuple[Stat, str, pd.DataFrame, CountDistribution]]":
    """Stat, family, keys and the family's predictive distributions on the test split."""
    families, pooled = _own_families(workspace), Pooled.read(workspace)
    models = [name for name in families.columns if name not in (*KEYS, "stat")]
    column = EXPECTED_MINUTES[InformationLevel.TIPOFF]
    expected = dataset_rows(workspace, ("test",))[[*KEYS, column]]
    for stat in Stat:
        part = families[families["stat"] == stat.value].merge(expected, on=KEYS, validate="one_to_one")
        minutes = part[column].to_numpy(dtype=float)
        for model in models if len(part) else ():
            mean = part[model].to_numpy(dtype=float)
            yield stat, model, part[KEYS], pooled.distribution(mean, stat, InformationLevel.TIPOFF, minutes)


def _draw(workspace: Workspace, folder: Path, ladder: "pd.DataFrame", outcomes: "pd.DataFrame") -> None:
    """A diagram of every stat and family, of all stats together, and of every player."""
    from statmuse_pipeline.evaluation.reliability import ladder_tables, plot_many, reliability_table
    from statmuse_pipeline.evaluation.scores import ladder_pairs

    names = outcomes.groupby("player_id")["player_name"].last()
    whole = ladder_tables(ladder.assign(every="all"), outcomes, "every")["all"]
    plots = [("stat-all-served", "All stats, as served", whole)]
    plots += [
        (f"stat-{stat}-served", f"{stat}, as served", table)
        for stat, table in ladder_tables(ladder, outcomes, "stat").items()
    ]
    plots += [
        (f"player-{player_key(player, names[player])}", f"{names[player]}, all stats, as served", table)
        for player, table in ladder_tables(ladder, outcomes, "player_id").items()
    ]
    for stat, model, keys, forecast in _every_family(workspace):
        if model != "served":
            pairs = ladder_pairs(keys, forecast.survival, stat, outcomes)
            title = f"{stat.value}, {model.replace('_', ' ')}"
            plots.append((f"stat-{stat.value}-{model}", title, reliability_table(*pairs)))
    plot_many(plots, folder, workers=workspace.settings.workers)


def read_metrics(workspace: Workspace, table: str) -> "pd.DataFrame":
    """One table of the last metric report."""
    import pandas as pd

    workspace.shelf.require("metrics", made_by="statmuse evaluate")
    return pd.read_parquet(workspace.shelf.folder("metrics") / f"{table}.parquet")


def judge(workspace: Workspace) -> "GateResult":
    """The gate on the last metric report."""
    from statmuse_pipeline.evaluation.gate import run_gate
    from statmuse_pipeline.evaluation.scores import LineSet
    from statmuse_pipeline.reports.report import PLACEBO

    probabilities = read_metrics(workspace, "probabilities")
    bets = read_backtest(workspace, "bets")
    quoted = read_metrics(workspace, "line_accuracy")
    return run_gate(
        means=read_metrics(workspace, "summary"),
        ladder=probabilities[probabilities["line_set"] == LineSet.LADDER.value],
        players=read_metrics(workspace, "players"),
        line_accuracy=quoted if len(quoted) else None,
        bets=bets[~bets["strategy"].str.startswith(PLACEBO)],
    )


@dg.asset_check(asset=metric_report, blocking=True)
def gate(workspace: dg.ResourceParam[Workspace]) -> dg.AssetCheckResult:
    """Ladder Brier <= 0.20, ECE <= 0.05, RMSE ratio <= 1 for every stat, nothing too good to be true."""
    result = judge(workspace)
    columns = ["player_name", "games", "rmse_ratio", "ladder_brier", "ladder_ece", "why"]
    failing = result.failing_players
    return dg.AssetCheckResult(
        passed=result.passed,
        description="; ".join(result.failures) or "Every check passed.",
        metadata={
            "checks": dg.MetadataValue.md(markdown_table(result.checks)),
            "players beyond a limit": dg.MetadataValue.md(
                markdown_table(failing[columns].head(50)) if len(failing) else "none"
            ),
        },
    )
