"""The asset of the HTML report."""

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import dagster as dg

from statmuse_pipeline.defs.betting import HEADLINE, backtest, read_backtest, read_quotes
from statmuse_pipeline.defs.evaluation import judge, metric_report, read_metrics, read_readings
from statmuse_pipeline.defs.ingest import OWNERS
from statmuse_pipeline.defs.resources import Workspace
from statmuse_pipeline.defs.training import dataset_facts, players_in_scope
from statmuse_pipeline.domain import Stat

if TYPE_CHECKING:
    import pandas as pd

    from statmuse_pipeline.reports.report import ReportContext


@dg.asset(deps=[metric_report, backtest], group_name="reports", kinds={"html"}, owners=OWNERS)
def report(workspace: dg.ResourceParam[Workspace]) -> dg.MaterializeResult:
    """One self-contained page, `data/reports/index.html`, and the reliability diagrams beside it."""
    from statmuse_pipeline.reports.report import write_report

    diagrams = workspace.shelf.folder("metrics") / "reliability"
    context = _context(workspace, diagrams)
    path = write_report(context, workspace.reports)
    _publish(diagrams, workspace.reports / "reliability")
    return dg.MaterializeResult(
        metadata={
            "page": dg.MetadataValue.path(path),
            "bytes": path.stat().st_size,
            "banner": context.demo_banner or "",
        }
    )


def _publish(diagrams: Path, target: Path) -> None:
    """Put the diagrams beside the page, and take away those of an earlier run."""
    target.mkdir(parents=True, exist_ok=True)
    fresh = {file.name for file in diagrams.glob("*.png")}
    for name in sorted(fresh):
        temporary = target / f".{name}.tmp"
        shutil.copyfile(diagrams / name, temporary)
        temporary.replace(target / name)
    for file in target.glob("*.png"):
        if file.name not in fresh:
            file.unlink()


def _context(workspace: Workspace, diagrams: Path) -> "ReportContext":
    import datetime as dt

    import pandas as pd

    from statmuse_pipeline.modeling.importance import top_columns
    from statmuse_pipeline.reports.report import ReportContext
    from statmuse_pipeline.warehouse.read import verify

    dataset = dataset_facts(workspace)
    metrics = workspace.shelf.require("metrics", made_by="statmuse evaluate").facts
    forecasts = workspace.shelf.require("forecasts", made_by="statmuse evaluate").facts
    stored = verify(workspace.engine)
    models = recorded_models(workspace)
    market = read_metrics(workspace, "market")
    unresolved = read_quotes(workspace, "unresolved")
    return ReportContext(
        source=stored.source or "",
        demo_banner=workspace.choice.demo_banner,
        generated_for=dt.date.fromisoformat(forecasts["last_date"]),
        dataset_version=dataset["version"],
        seasons=workspace.settings.seasons,
        level="tipoff",
        counts={
            "Player-games": stored.counts["player_stats"],
            "Games": stored.counts["games"],
            "Players": stored.counts["players"],
            "Eligible players": len(dataset["players"]),
            "Players with own models": int(models[models["failure"].isna()]["player_key"].nunique()),
            "Quotes in the backtest": len(read_backtest(workspace, "quotes")),
        },
        summary=read_metrics(workspace, "summary"),
        overall=metrics["overall"],
        cut_dates={
            "Validation from": dt.date.fromisoformat(dataset["validation_from"]),
            "Test from": dt.date.fromisoformat(dataset["test_from"]),
        },
        families=read_metrics(workspace, "families"),
        calibration=_calibration(workspace),
        market=market if len(market) else None,
        reliability={
            title: (diagrams / f"{stem}.png").read_bytes()
            for title, stem in {
                "All stats": "stat-all-served",
                **{stat.value: f"stat-{stat.value}-served" for stat in Stat},
            }.items()
            if (diagrams / f"{stem}.png").exists()
        },
        gate=judge(workspace),
        main_strategy=HEADLINE,
        backtest_summary=read_backtest(workspace, "summary"),
        bankroll=read_backtest(workspace, "bankroll"),
        exclusions=read_backtest(workspace, "exclusions"),
        by_book=read_backtest(workspace, "by_book"),
        by_stat=read_backtest(workspace, "by_stat"),
        unresolved=unresolved.groupby("reason")["quotes"].sum().reset_index() if len(unresolved) else None,
        worst_players=read_metrics(workspace, "players"),
        months=read_metrics(workspace, "months"),
        coverage=read_metrics(workspace, "coverage"),
        absences=read_metrics(workspace, "absences"),
        minutes=read_metrics(workspace, "minutes"),
        own_models=read_metrics(workspace, "own_models"),
        own_players=read_metrics(workspace, "own_players"),
        combinations=read_metrics(workspace, "combinations"),
        combination_quotes=read_metrics(workspace, "combination_quotes"),
        error_parts=read_metrics(workspace, "error_parts"),
        readings=read_readings(workspace).sentence,
        failures=_failures(models),
        importance=top_columns(pd.read_parquet(workspace.shelf.folder("pooled") / "importance.parquet"))
        .groupby("of", sort=False)
        .head(12),
        tuning=pd.DataFrame(
            [
                {"family": family, "loss": told["value"], "trials": told["trials"], **told["params"]}
                for family, told in workspace.shelf.require("tuning", made_by="statmuse train").facts.items()
            ]
        ),
    )


def recorded_models(workspace: Workspace) -> "pd.DataFrame":
    """The recorded models of the players in scope."""
    from statmuse_pipeline.registry.metadata import read_models

    recorded = read_models(workspace.engine)
    return recorded[(recorded["kind"] == "served") & recorded["player_key"].isin(players_in_scope(workspace))]


def _failures(models: "pd.DataFrame") -> "pd.DataFrame | None":
    failed = models[models["failure"].notna()]
    if failed.empty:
        return None
    grouped = (
        failed.groupby(["player_key", "failure"])["stat"].agg(lambda stats: ", ".join(sorted(stats))).reset_index()
    )
    names = grouped["player_key"].str.rsplit("-", n=1).str[0].str.replace("-", " ").str.title()
    return grouped.assign(player_name=names).rename(columns={"failure": "reason"})[["player_name", "stat", "reason"]]


def _calibration(workspace: Workspace) -> "pd.DataFrame":
    """Before and after of the pooled calibrators, and how many players kept one of their own."""
    import pandas as pd

    from statmuse_pipeline.registry.metadata import read_models

    pooled = pd.DataFrame(workspace.shelf.require("pooled", made_by="statmuse train").facts["decisions"])
    recorded = read_models(workspace.engine)
    own = recorded[(recorded["kind"] == "calibrator") & recorded["failure"].isna()]
    kept = own.groupby("stat").size().rename("players_kept").reset_index()
    table = pooled.merge(kept, on="stat", how="left").fillna({"players_kept": 0}).astype({"players_kept": "int64"})
    return table[["level", "stat", "kept", "brier_before", "brier_after", "players_kept", "reason"]]
