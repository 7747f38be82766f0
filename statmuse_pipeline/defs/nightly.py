"""The jobs of every night and every week, and when they run.

`nightly` takes in what was played, makes the features of the running season again, retrains the players who played and
forecasts tonight. What is judged, and all that is fitted on everyone together, is `weekly`: see `defs.live` for why.
The sensor `new_games` asks for the same work as soon as games are over, in two runs: `ingest`, then `after_games`.
`nightly` is the net below it: it finds nothing to do where the sensor has done it all, and does what it has missed.

Dagster allows one partitioning a run, so the steps of these jobs materialize assets in runs of their own; the players
who played are no range of partitions, so that their materializations are logged from one step.
"""

from typing import Any

import dagster as dg

from statmuse_pipeline.defs.resources import Workspace

EASTERN = "America/New_York"

RETRIED = {"dagster/max_retries": "2"}
"""Tags of jobs whose failed runs the daemon starts again; every step may be repeated."""

FETCH_AGAIN = dg.RetryPolicy(max_retries=3, delay=60, backoff=dg.Backoff.EXPONENTIAL, jitter=dg.Jitter.PLUS_MINUS)
"""A service that fails at five in the morning is often back a few minutes later."""


class Players(dg.Config):
    """Who is to be retrained."""

    keys: list[str] | None = None
    """Partition keys; everyone whose own games changed when left out."""


@dg.op(retry_policy=FETCH_AGAIN)
def take_in_games(context: dg.OpExecutionContext, workspace: dg.ResourceParam[Workspace]) -> None:
    """New games and corrected box scores of the running season into the warehouse, its features, its quotes."""
    from statmuse_pipeline.defs.pipeline import take_in

    take_in(context.instance, workspace)


@dg.op(ins={"start": dg.In(dg.Nothing)}, pool="model_writer")
def retrain_players(context: dg.OpExecutionContext, config: Players, workspace: dg.ResourceParam[Workspace]) -> None:
    """Live models and calibrators of those players; nobody else's."""
    from statmuse_pipeline.defs.live import stale_live_players, train_live
    from statmuse_pipeline.defs.pipeline import renew_history

    renew_history(context.instance, workspace)
    keys = stale_live_players(workspace) if config.keys is None else config.keys

    def told(key: str, facts: Any) -> None:
        context.log_event(dg.AssetMaterialization("live_models", partition=key, metadata=dict(facts)))

    trained = train_live(workspace, keys, told)
    context.add_output_metadata({"players": len(trained)})


@dg.op(ins={"start": dg.In(dg.Nothing)})
def publish(context: dg.OpExecutionContext, workspace: dg.ResourceParam[Workspace]) -> None:
    """The report again, once there has been something to report."""
    from statmuse_pipeline.defs.pipeline import materialize

    if workspace.shelf.receipt("metrics") is None:
        context.log.info("There is no report before the first `statmuse evaluate` or weekly run.")
        return
    materialize(("report",), context.instance, workspace)


@dg.op(retry_policy=FETCH_AGAIN)
def take_in_whole_seasons(context: dg.OpExecutionContext, workspace: dg.ResourceParam[Workspace]) -> None:
    """Every configured season as its source has it now, also where it was corrected long ago."""
    from statmuse_pipeline.defs.pipeline import sync

    workspace.whole_seasons = True
    try:
        sync(context.instance, workspace)
    finally:
        workspace.whole_seasons = False


@dg.op(ins={"start": dg.In(dg.Nothing)})
def renew_everything(context: dg.OpExecutionContext, workspace: dg.ResourceParam[Workspace]) -> None:
    """New cut dates, pooled models, tuning, evaluated models, forecasts on test, metrics, backtest."""
    from statmuse_pipeline.defs.pipeline import evaluate, train

    trained = train(context.instance, workspace)
    passed = evaluate(context.instance, workspace)
    context.add_output_metadata({"players": len(trained), "gate passed": passed})


@dg.job(tags=RETRIED, description="After the last game: new games, the players who played, tonight's forecasts.")
def nightly() -> None:
    """Games -> players -> report."""
    publish(retrain_players(take_in_games()))


@dg.job(tags=RETRIED, description="What follows once new games are in the warehouse: the players who played.")
def after_games() -> None:
    """Players -> report."""
    publish(retrain_players())


@dg.job(tags=RETRIED, description="Everything from whole seasons on, with tuning; live models of everyone.")
def weekly() -> None:
    """Seasons -> pooled and evaluated models -> live models -> report."""
    publish(retrain_players(renew_everything(take_in_whole_seasons())))


SCHEDULES = [
    # Games in the west end at about 1 am Eastern; half past four is also clear of the hour that daylight saving moves.
    dg.ScheduleDefinition(name="nightly", job=nightly, cron_schedule="30 4 * * *", execution_timezone=EASTERN),
    dg.ScheduleDefinition(name="weekly", job=weekly, cron_schedule="0 6 * * 1", execution_timezone=EASTERN),
]


@dg.definitions
def nights() -> dg.Definitions:
    """Jobs and schedules."""
    return dg.Definitions(jobs=[nightly, after_games, weekly], schedules=SCHEDULES)
