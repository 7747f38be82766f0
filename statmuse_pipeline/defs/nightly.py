"""The jobs of every night and every week, and when they run.

`nightly` takes in what was played, makes the features of the running season again, retrains the players who played and
forecasts tonight. What is judged, and all that is fitted on everyone together, is `weekly`: see `defs.live` for why.
The sensor `new_games` asks for the same work as soon as games are over, in two runs: `ingest`, then `after_games`.
`nightly` is the net below it: it finds nothing to do where the sensor has done it all, and does what it has missed.

Dagster allows one partitioning a run, so the steps of these jobs materialize assets in runs of their own; the players
who played are no range of partitions, so that their materializations are logged from one step.
"""

from collections.abc import Callable
from typing import Any

import dagster as dg

from statmuse_pipeline.defs.resources import Workspace
from statmuse_pipeline.settings import load_settings

EASTERN = "America/New_York"

STATUS = dg.DefaultScheduleStatus.RUNNING if load_settings().automation else dg.DefaultScheduleStatus.STOPPED

RETRIED = {"dagster/max_retries": "2"}
"""Tags of jobs whose failed runs the daemon starts again; every step may be repeated."""

FETCH_AGAIN, FIRST_WAIT = 3, 60.0
"""How often a service that failed is asked once more in the same run, and after how many seconds, doubled each time: at
five in the morning it is often back a few minutes later."""


class Players(dg.Config):
    """Who is to be retrained."""

    keys: list[str] | None = None
    """Partition keys; everyone whose own games changed when left out."""


def _patiently(context: dg.OpExecutionContext, fetch: Callable[[], object]) -> None:
    """What failed for want of a service is tried again; any other error would only come again."""
    from statmuse_pipeline.sources.service_client import RequestsStopped, ServiceFailing

    try:
        fetch()
    except (ServiceFailing, RequestsStopped) as error:
        if context.retry_number >= FETCH_AGAIN:
            raise
        raise dg.RetryRequested(FETCH_AGAIN, FIRST_WAIT * 2**context.retry_number) from error


@dg.op
def take_in_games(context: dg.OpExecutionContext, workspace: dg.ResourceParam[Workspace]) -> None:
    """New games and corrected box scores of the running season into the warehouse, its features, its quotes."""
    from statmuse_pipeline.defs.pipeline import take_in

    _patiently(context, lambda: take_in(context.instance, workspace))


@dg.op(ins={"start": dg.In(dg.Nothing)}, pool="model_writer")
def retrain_players(context: dg.OpExecutionContext, config: Players, workspace: dg.ResourceParam[Workspace]) -> None:
    """Live models and calibrators of those players; nobody else's."""
    from statmuse_pipeline.defs.live import prune_artefacts, stale_live_players, train_live
    from statmuse_pipeline.defs.pipeline import renew_history

    renew_history(context.instance, workspace)
    keys = stale_live_players(workspace) if config.keys is None else config.keys

    def told(key: str, facts: Any) -> None:
        context.log_event(dg.AssetMaterialization("live_models", partition=key, metadata=dict(facts)))

    trained = train_live(workspace, keys, told)
    context.add_output_metadata({"players": len(trained), "old artefacts removed": prune_artefacts(workspace)})


@dg.op(ins={"start": dg.In(dg.Nothing)})
def grade_nights(context: dg.OpExecutionContext, workspace: dg.ResourceParam[Workspace]) -> None:
    """Last night's forecasts, and those of nights whose box scores were corrected, against what happened."""
    from statmuse_pipeline.defs.pipeline import materialize

    materialize(("graded_forecasts",), context.instance, workspace)


@dg.op(ins={"start": dg.In(dg.Nothing)})
def forecast_tonight(context: dg.OpExecutionContext, workspace: dg.ResourceParam[Workspace]) -> None:
    """The slate and its board; the report too, once there has been something to report."""
    from statmuse_pipeline.defs.pipeline import materialize

    materialize(("slate_forecasts",), context.instance, workspace)
    if workspace.shelf.receipt("metrics") is None:
        context.log.info("There is no report before the first `statmuse evaluate` or weekly run.")
        return
    materialize(("report",), context.instance, workspace)


@dg.op
def fetch_todays_quotes(context: dg.OpExecutionContext, workspace: dg.ResourceParam[Workspace]) -> None:
    """Today's player props from The Odds API, kept for `market_quotes`; costs credits."""
    from statmuse_pipeline.defs.services import fetched_quotes, odds_api
    from statmuse_pipeline.domain import PipelineError
    from statmuse_pipeline.sources.odds_api import EASTERN as ZONE
    from statmuse_pipeline.sources.odds_api import fetch_quotes
    from statmuse_pipeline.sources.quote_files import store_quotes

    fetched = fetch_quotes(odds_api(workspace), workspace.settings.now().astimezone(ZONE).date())
    store_quotes(fetched_quotes(workspace), fetched.quotes)
    context.add_output_metadata({"games": fetched.events, "quotes": len(fetched.quotes)})
    if fetched.stopped:
        raise PipelineError(fetched.stopped)


@dg.op
def resolve_quotes(context: dg.OpExecutionContext, workspace: dg.ResourceParam[Workspace]) -> None:
    """The newest season's quotes with the player and game that each is about."""
    from statmuse_pipeline.defs.pipeline import materialize

    newest = workspace.settings.seasons[-1]
    materialize(("market_quotes",), context.instance, workspace, (newest, newest))


@dg.op
def take_in_whole_seasons(context: dg.OpExecutionContext, workspace: dg.ResourceParam[Workspace]) -> None:
    """Every configured season as its source has it now, also where it was corrected long ago."""
    from statmuse_pipeline.defs.pipeline import sync

    workspace.whole_seasons = True
    try:
        _patiently(context, lambda: sync(context.instance, workspace))
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
    """Games -> grades -> players -> slate."""
    forecast_tonight(retrain_players(grade_nights(take_in_games())))


@dg.job(tags=RETRIED, description="What follows once new games are in the warehouse: the players who played.")
def after_games() -> None:
    """Grades -> players -> slate."""
    forecast_tonight(retrain_players(grade_nights()))


@dg.job(description="Quotes of today's games from The Odds API; the sensor new_quotes sees them and does the rest.")
def fetch_quotes() -> None:
    """Not tried again by itself: every try costs credits."""
    fetch_todays_quotes()


@dg.job(tags=RETRIED, description="New quotes: resolved, and tonight's lines priced anew.")
def quotes() -> None:
    """Quotes -> slate."""
    forecast_tonight(resolve_quotes())


@dg.job(tags=RETRIED, description="Everything from whole seasons on, with tuning; live models of everyone.")
def weekly() -> None:
    """Seasons -> grades -> pooled and evaluated models -> live models -> slate."""
    forecast_tonight(retrain_players(renew_everything(grade_nights(take_in_whole_seasons()))))


@dg.schedule(
    job=fetch_quotes, cron_schedule="0 11,15,18 * * *", execution_timezone=EASTERN, default_status=STATUS, name="quotes"
)
def todays_quotes(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
    """At eleven, at three when most props are up, and at six before the first tip-off."""
    if load_settings().odds_api_key is None:
        return dg.SkipReason("ODDS_API_KEY is not set.")
    return dg.RunRequest()


SCHEDULES = [
    # Games in the west end at about 1 am Eastern; half past four is also clear of the hour that daylight saving moves.
    *(
        dg.ScheduleDefinition(
            name=job.name, job=job, cron_schedule=cron, execution_timezone=EASTERN, default_status=STATUS
        )
        for job, cron in ((nightly, "30 4 * * *"), (weekly, "0 6 * * 1"))
    ),
    todays_quotes,
]


@dg.definitions
def nights() -> dg.Definitions:
    """Jobs and schedules."""
    return dg.Definitions(jobs=[nightly, after_games, fetch_quotes, quotes, weekly], schedules=SCHEDULES)
