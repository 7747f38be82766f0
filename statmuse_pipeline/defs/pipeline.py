"""The order of the stages as runs: Dagster allows one partitioning a run, so the main job is a sequence of runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import dagster as dg
from dagster._core.errors import DagsterAssetCheckFailedError

from statmuse_pipeline.defs import (
    betting,
    earlier,
    evaluation,
    features,
    forecasts,
    grading,
    ingest,
    live,
    players,
    pooled,
    reports,
    slate,
    training,
)
from statmuse_pipeline.defs.abandoned import end_abandoned, process_tag
from statmuse_pipeline.defs.partitions import PLAYERS, contiguous_ranges
from statmuse_pipeline.defs.players import stale_players
from statmuse_pipeline.defs.resources import Workspace
from statmuse_pipeline.defs.training import players_in_scope

MODULES = [
    ingest, earlier, features, training, pooled, players, live, forecasts, betting, evaluation, reports, grading, slate,
]  # fmt: skip
INGEST_ASSETS = ("raw_game_logs", "player_games", "team_games", "players")
POOLED_ASSETS = ("training_dataset", "pooled_models", "tuned_parameters")
PLAYER_ASSETS = ("player_models", "player_calibrators")
NIGHT_ASSETS = ("graded_forecasts", "slate_forecasts")
RESULT_ASSETS = ("test_forecasts", "backtest", "metric_report")


def materialize(
    names: Sequence[str],
    instance: dg.DagsterInstance,
    workspace: Workspace,
    partitions: tuple[str, str] | None = None,
) -> bool:
    """Materialize assets with their checks in one in-process run; whether the blocking checks passed.

    Raises:
        PipelineError: what a step raised.
    """
    end_abandoned(instance)
    tags = process_tag()
    if partitions:
        tags |= {
            "dagster/asset_partition_range_start": partitions[0],
            "dagster/asset_partition_range_end": partitions[1],
        }
    selection = dg.AssetSelection.assets(*names)
    try:
        dg.materialize(
            [*dg.load_assets_from_modules(MODULES), *dg.load_asset_checks_from_modules(MODULES)],  # type: ignore[list-item]
            selection=selection | selection.required_multi_asset_neighbors(),
            instance=instance,
            resources={"workspace": workspace},
            tags=tags,
            run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
        )
    except DagsterAssetCheckFailedError:
        return False
    return True


def sync(instance: dg.DagsterInstance, workspace: Workspace) -> bool:
    """Source to warehouse for the configured seasons; whether enough players have enough games."""
    return materialize(INGEST_ASSETS, instance, workspace, _all_seasons(workspace))


def train(instance: dg.DagsterInstance, workspace: Workspace, *, force: bool = False) -> list[str]:
    """Features, dataset, pooled models and every stale player in scope; the keys that were trained."""
    materialize(("earlier_seasons",), instance, workspace)
    materialize(("player_features",), instance, workspace, _all_seasons(workspace))
    materialize(POOLED_ASSETS, instance, workspace)
    wanted = players_in_scope(workspace)
    stale = wanted if force else stale_players(workspace, wanted)
    keys = instance.get_dynamic_partitions(str(PLAYERS.name))
    for first_last in contiguous_ranges(stale, keys):
        materialize(PLAYER_ASSETS, instance, workspace, first_last)
    return stale


def take_in(instance: dg.DagsterInstance, workspace: Workspace) -> None:
    """What is new of the newest season into the warehouse, of others where nothing is yet; features and quotes."""
    seasons = workspace.settings.seasons
    first = next((label for label in seasons if workspace.shelf.receipt(f"raw/{label}") is None), seasons[-1])
    materialize(INGEST_ASSETS, instance, workspace, (first, seasons[-1]))
    materialize(("earlier_seasons",), instance, workspace)
    materialize(("player_features", "market_quotes"), instance, workspace, _all_seasons(workspace))


def renew_history(instance: dg.DagsterInstance, workspace: Workspace) -> None:
    """`live_history` from the features as the warehouse's games demand them."""
    materialize(("player_features",), instance, workspace, _all_seasons(workspace))
    materialize(("live_history",), instance, workspace)


def evaluate(instance: dg.DagsterInstance, workspace: Workspace) -> bool:
    """Forecasts, quotes, backtest and metrics; whether the gate passed."""
    materialize(("market_quotes",), instance, workspace, _all_seasons(workspace))
    return materialize(RESULT_ASSETS, instance, workspace)


def run_pipeline(
    instance: dg.DagsterInstance,
    workspace: Workspace,
    *,
    force: bool = False,
    stage: Callable[[str], None] = lambda name: None,
) -> bool:
    """The main job; whether the gate passed. The report is written either way.

    Args:
        instance: records the runs.
        workspace: where, and which players and stats.
        force: train players again although nothing changed.
        stage: is told the name of each stage as it begins.
    """
    stage("Game logs")
    sync(instance, workspace)
    stage("Models")
    train(instance, workspace, force=force)
    stage("Forecasts, backtest, metrics")
    passed = evaluate(instance, workspace)
    stage("Report")
    materialize(("report",), instance, workspace)
    return passed


def run_job(name: str, instance: dg.DagsterInstance, workspace: Workspace) -> None:
    """The job `nightly` or `weekly` as the daemon runs it, in this process.

    Raises:
        PipelineError: what a step raised.
    """
    from statmuse_pipeline.defs import nightly

    job: dg.JobDefinition = getattr(nightly, name)
    end_abandoned(instance)
    quiet = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
    job.execute_in_process(instance=instance, resources={"workspace": workspace}, run_config=quiet, tags=process_tag())


def _all_seasons(workspace: Workspace) -> tuple[str, str]:
    return workspace.settings.seasons[0], workspace.settings.seasons[-1]
